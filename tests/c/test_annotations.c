/* The annotations of SPEC.md 4.3: byte literals, round trips, and payloads that are not what their kind asks for. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "block_literal.h"
#include "memory_file.h"

static bool is_text(struct cptrace_string found, const char *expected)
{
    return found.length == strlen(expected) && memcmp(found.bytes, expected, found.length) == 0;
}

Test(annotations, every_kind_as_bytes)
{
    /* call, arguments, cpu, cpu, mark, counter, omitted, a reserved one, mark without text, omitted outer. */
    const struct literal literal = {
        .event_count = 10,
        .first = 100,
        .last = 109,
        COLUMN(callee, "\x00"),
        COLUMN(op, "\x10\x0B\x08\x08\x09\x0A\x0C\x0F\x09\x0D"),
        COLUMN(delta, "\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01"),
        COLUMN(annotation, "\x03x=1"
                           "\x03\xD8\x04\x06"
                           "\x02\x63\x01"
                           "\x04\xC3\xA9\xC3\xA9"
                           "\x09\x00\x00\x00\x00\x00\x00\xF8\x3Fq"
                           "\x03\x05\xAC\x02"
                           "\x02zz"
                           "\x00"
                           "\x04\x01\x07\x90\x03"),
    };
    struct cptrace_events events = {0};
    struct cptrace_error error = {0};
    uint8_t *content;
    cr_assert_eq(decode_literal(&literal, &events, &error, &content), CPTRACE_OK, "%s", error.message);
    static const uint8_t ops[] = {CPTRACE_OP_CALL,
                                  CPTRACE_ANNOTATION_ARGUMENTS,
                                  CPTRACE_ANNOTATION_CPU,
                                  CPTRACE_ANNOTATION_CPU,
                                  CPTRACE_ANNOTATION_MARK,
                                  CPTRACE_ANNOTATION_COUNTER,
                                  CPTRACE_ANNOTATION_OMITTED,
                                  CPTRACE_ANNOTATION_MARK,
                                  CPTRACE_ANNOTATION_OMITTED_OUTER};
    cr_assert_eq(events.event_count, 9); /* all but the reserved one */
    cr_assert_eq(events.annotation_count, 8);
    for (size_t i = 0; i < 9; i++) {
        cr_expect_eq(events.events[i].op, ops[i]);
        cr_expect_eq(events.events[i].tick, i < 7 ? 100 + i : 101 + i);
        if (i > 0)
            cr_expect_eq(events.events[i].value, i - 1);
    }
    const struct cptrace_annotation *const told = events.annotations;
    cr_expect(is_text(told[0].text, "x=1"));
    cr_expect_eq(told[1].cpu_ns, 300);
    cr_expect_eq(told[1].voluntary_switch_count, 3);
    cr_expect_eq(told[2].cpu_ns, 250);
    cr_expect_eq(told[2].voluntary_switch_count, 2);
    cr_expect(is_text(told[3].text, "éé"));
    cr_expect_eq(told[4].value, 1.5);
    cr_expect(is_text(told[4].text, "q"));
    cr_expect_eq(told[5].omitted_count, 5);
    cr_expect_eq(told[5].omitted_ticks, 300);
    cr_expect_eq(told[5].levels, 0);
    cr_expect(is_text(told[6].text, ""));
    cr_expect_eq(told[7].levels, 1);
    cr_expect_eq(told[7].omitted_count, 7);
    cr_expect_eq(told[7].omitted_ticks, 400);
    free(content);
    cptrace_events_free(&events);
}

Test(annotations, bytes_that_do_not_fit_their_kind_are_refused)
{
    static const struct {
        const char *what, *op, *annotation;
        size_t annotation_bytes;
    } wrong[] = {
#define WRONG(what, op, annotation) {what, op, annotation, sizeof annotation - 1}
        WRONG("cpu without switches", "\x10\x08", "\x01\x02"),
        WRONG("cpu with a byte behind", "\x10\x08", "\x03\x02\x02\x00"),
        WRONG("cpu below 0", "\x10\x08", "\x02\x01\x00"),
        WRONG("cpu of 2^63", "\x10\x08", "\x0B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x00"),
        WRONG("cpu in a longer form", "\x10\x08", "\x03\x82\x00\x00"),
        WRONG("counter of 7 bytes", "\x10\x0A", "\x07\x00\x00\x00\x00\x00\x00\x00"),
        WRONG("counter of no bytes", "\x10\x0A", "\x00"),
        WRONG("omitted without ticks", "\x10\x0C", "\x01\x05"),
        WRONG("omitted with a byte behind", "\x10\x0C", "\x03\x05\x05\x05"),
        WRONG("omitted cut in a varint", "\x10\x0C", "\x02\x05\x85"),
        WRONG("omitted outer of the top call", "\x10\x0D", "\x03\x00\x05\x05"),
        WRONG("omitted outer below the root", "\x10\x0D", "\x03\x02\x05\x05"),
        WRONG("omitted outer of nothing", "\x0D\x10", "\x03\x01\x05\x05"),
        WRONG("omitted outer without ticks", "\x10\x0D", "\x02\x01\x05"),
        WRONG("omitted outer with a byte behind", "\x10\x0D", "\x04\x01\x05\x05\x05"),
        WRONG("mark longer than its column", "\x10\x09", "\x05xxxx"),
        WRONG("a length that wraps", "\x10\x09", "\xFF\xFF\xFF\xFF\x0F"),
        WRONG("arguments of no call", "\x0B\x10", "\x01x"),
#undef WRONG
    };
    struct cptrace_events events = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct literal literal = {
            .event_count = 2,
            .first = 5,
            .last = 6,
            COLUMN(callee, "\x00"),
            .op = wrong[i].op,
            .op_bytes = 2,
            COLUMN(delta, "\x00\x01"),
            .annotation = wrong[i].annotation,
            .annotation_bytes = wrong[i].annotation_bytes,
        };
        struct cptrace_error error = {0};
        cr_expect_eq(decode_literal(&literal, &events, &error, NULL), CPTRACE_CORRUPT, "%s", wrong[i].what);
    }
    cptrace_events_free(&events);
}

/* Writes and finishes, then gives every annotation of the file to check. */
static void read_annotations(struct memory_file *file, struct cptrace_writer *writer,
                             void (*check)(size_t number, uint8_t kind, const struct cptrace_annotation *annotation), size_t expected)
{
    cr_assert_eq(cptrace_writer_finish(writer, (struct cptrace_calibration){90000000, 900000000, 1}, NULL, 0, NULL), CPTRACE_OK);
    cptrace_writer_free(writer);
    struct cptrace_reader *reader;
    cr_assert_eq(cptrace_reader_open_source(memory_source(file), &reader, NULL), CPTRACE_OK);
    struct cptrace_block block;
    struct cptrace_events events = {0};
    size_t number = 0;
    enum cptrace_status status;
    while ((status = cptrace_reader_next(reader, &block, NULL)) == CPTRACE_OK) {
        if (block.kind != CPTRACE_BLOCK_EVENTS)
            continue;
        cr_assert_eq(cptrace_events_decode(&block, &events, NULL), CPTRACE_OK);
        for (size_t i = 0; i < events.event_count; i++) {
            const struct cptrace_event *const event = &events.events[i];
            if (event->op >= CPTRACE_OP_ANNOTATION_FIRST && event->op <= CPTRACE_OP_ANNOTATION_LAST)
                check(number++, event->op, &events.annotations[event->value]);
        }
    }
    cr_assert_eq(status, CPTRACE_END);
    cr_expect_eq(number, expected);
    cptrace_events_free(&events);
    cptrace_reader_close(reader);
    memory_file_free(file);
}

static const uint64_t cpu_times[] = {0, 5, 4, UINT64_C(1) << 40, INT64_MAX, 0, UINT64_MAX};

static void check_cpu(size_t number, uint8_t kind, const struct cptrace_annotation *annotation)
{
    const uint64_t right = cpu_times[number % 7] > INT64_MAX ? INT64_MAX : cpu_times[number % 7];
    cr_expect_eq(kind, CPTRACE_ANNOTATION_CPU);
    cr_expect_eq(annotation->cpu_ns, right);
    cr_expect_eq(annotation->voluntary_switch_count, number);
}

/* Over many blocks: each starts its differences anew. */
Test(annotations, cpu_times_come_back)
{
    struct memory_file file;
    struct cptrace_writer *const writer = memory_writer(&file, 16);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 1, text("lane"));
    for (uint64_t i = 0; i < 700; i++)
        cptrace_lane_cpu(lane, 2000 + i, cpu_times[i % 7], i);
    read_annotations(&file, writer, check_cpu, 700);
}

static const double values[] = {0.0, -0.0, 1e308, -1.5, 5e-324};

static void check_counter(size_t number, uint8_t kind, const struct cptrace_annotation *annotation)
{
    cr_expect_eq(kind, CPTRACE_ANNOTATION_COUNTER);
    cr_expect(is_text(annotation->text, "requests in flight"));
    if (number < 5)
        cr_expect_arr_eq(&annotation->value, &values[number], sizeof(double));
    else
        cr_expect(number == 5 ? isinf(annotation->value) : isnan(annotation->value));
}

Test(annotations, counters_come_back_nan_too)
{
    struct memory_file file;
    struct cptrace_writer *const writer = memory_writer(&file, 0);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 1, text("lane"));
    for (uint64_t i = 0; i < 5; i++)
        cptrace_lane_counter(lane, 2000 + i, values[i], text("requests in flight"));
    cptrace_lane_counter(lane, 2005, INFINITY, text("requests in flight"));
    cptrace_lane_counter(lane, 2006, NAN, text("requests in flight"));
    read_annotations(&file, writer, check_counter, 7);
}

static void check_long_text(size_t number, uint8_t kind, const struct cptrace_annotation *annotation)
{
    cr_expect_eq(kind, number % 2 ? CPTRACE_ANNOTATION_ARGUMENTS : CPTRACE_ANNOTATION_MARK);
    cr_assert_leq(annotation->text.length, 65535);
    cr_assert_geq(annotation->text.length, 65530);
    cr_expect_arr_eq(annotation->text.bytes + annotation->text.length - 5, "\xC3\xA9\xE2\x80\xA6", 5);
}

/* 7. Limits; and so much text that a block is full long before its events are many. */
Test(annotations, long_text_is_cut_and_does_not_fill_memory)
{
    struct memory_file file;
    struct cptrace_writer *const writer = memory_writer(&file, 0);
    define_functions(writer, 1);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 1, text("lane"));
    char *const bytes = malloc(70000);
    for (size_t i = 0; i < 70000; i += 2)
        memcpy(bytes + i, "\xC3\xA9", 2);
    cptrace_lane_call(lane, 2000, 0);
    for (uint64_t i = 0; i < 300; i++) {
        cptrace_lane_mark(lane, 2000 + i, (struct cptrace_string){bytes, 70000});
        cptrace_lane_arguments(lane, 2000 + i, (struct cptrace_string){bytes, 70000});
    }
    cr_assert_eq(cptrace_writer_flush(writer, NULL), CPTRACE_OK);
    free(bytes);
    read_annotations(&file, writer, check_long_text, 600);
}

static void check_nothing(size_t number, uint8_t kind, const struct cptrace_annotation *annotation)
{
    (void)number;
    (void)annotation;
    cr_expect_eq(kind, CPTRACE_ANNOTATION_OMITTED);
    cr_expect_eq(annotation->omitted_count, UINT64_MAX);
    cr_expect_eq(annotation->omitted_ticks, UINT64_MAX);
}

Test(annotations, arguments_of_no_call_are_ignored)
{
    struct memory_file file;
    struct cptrace_writer *const writer = memory_writer(&file, 0);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 1, text("lane"));
    cptrace_lane_arguments(lane, 2000, text("x=1"));
    cptrace_lane_omitted(lane, 2001, UINT64_MAX, UINT64_MAX);
    read_annotations(&file, writer, check_nothing, 1);
}

Test(annotations, a_span_is_nothing_else)
{
    struct memory_file file;
    struct cptrace_writer *const writer = memory_writer(&file, 0);
    struct cptrace_function function = {text("request"), text(""), text(""), CPTRACE_NO_NUMBER, 0, CPTRACE_CATEGORY_USER, 0};
    function.flags = CPTRACE_FUNCTION_SPAN;
    cr_expect_eq(cptrace_writer_define_function(writer, &function), 0);
    function.flags = CPTRACE_FUNCTION_SPAN | CPTRACE_FUNCTION_GENERATOR;
    cr_expect_eq(cptrace_writer_define_function(writer, &function), CPTRACE_NO_NUMBER);
    cr_expect_eq(cptrace_writer_status(writer), CPTRACE_INVALID_ARGUMENT);
    cptrace_writer_free(writer);
    memory_file_free(&file);
}

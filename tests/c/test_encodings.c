/* Byte literals next to the sections of SPEC.md, and bodies that contradict them. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "block_literal.h"
#include "byte_buffer.h"
#include "bytes.h"
#include "crc32.h"
#include "frame.h"
#include "memory_file.h"
#include "spec_example.h"

static void check_varint(uint64_t value, const char *bytes, size_t length)
{
    uint8_t stored[VARINT_MAX_BYTES];
    cr_assert_eq((size_t)(store_varint(stored, value) - stored), length);
    cr_assert_arr_eq(stored, bytes, length);
    struct cursor cursor = {stored, stored + length};
    uint64_t loaded = 0;
    cr_assert(cursor_varint(&cursor, &loaded));
    cr_assert_eq(loaded, value);
    cr_assert_eq(cursor_left(&cursor), 0);
}

/* 1. Conventions */
Test(section_1, varint)
{
    check_varint(0, "\x00", 1);
    check_varint(127, "\x7F", 1);
    check_varint(128, "\x80\x01", 2);
    check_varint(300, "\xAC\x02", 2);
    check_varint(UINT32_MAX, "\xFF\xFF\xFF\xFF\x0F", 5);
    check_varint(UINT64_MAX, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 10);
}

Test(section_1, varint_refused)
{
    static const struct {
        const char *bytes;
        size_t length;
    } wrong[] = {{"", 0},
                 {"\x80", 1},
                 {"\x80\x00", 2},
                 {"\xFF\x80\x00", 3},
                 {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 10},
                 {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const uint8_t *const bytes = (const uint8_t *)wrong[i].bytes;
        struct cursor cursor = {bytes, bytes + wrong[i].length};
        uint64_t value;
        cr_assert_not(cursor_varint(&cursor, &value));
        cr_assert_eq(cursor.at, bytes);
    }
}

Test(section_1, zigzag)
{
    static const int64_t values[] = {0, -1, 1, -2, INT64_MAX, INT64_MIN};
    static const uint64_t stored[] = {0, 1, 2, 3, UINT64_MAX - 1, UINT64_MAX};
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(zigzag(values[i]), stored[i]);
        cr_assert_eq(unzigzag(stored[i]), values[i]);
    }
}

Test(section_1, crc32)
{
    cr_assert_eq(cptrace_crc32(0, "123456789", 9), 0xCBF43926u);
    cr_assert_eq(cptrace_crc32(cptrace_crc32(0, "12345", 5), "6789", 4), 0xCBF43926u);
}

/* 7. Limits */
Test(section_7, long_strings_are_cut_between_characters)
{
    struct byte_buffer buffer = {0};
    char *const bytes = malloc(70000);
    for (size_t i = 0; i < 70000; i += 2)
        memcpy(bytes + i, "\xC3\xA9", 2);
    cr_assert(cptrace_buffer_string(&buffer, (struct cptrace_string){bytes, 70000}));
    struct cursor cursor = {buffer.bytes, buffer.bytes + buffer.length};
    struct cptrace_string string;
    cr_assert(cursor_string(&cursor, &string));
    cr_assert_leq(string.length, 65535);
    cr_assert_geq(string.length, 65530);
    cr_assert_arr_eq(string.bytes + string.length - 5, "\xC3\xA9\xE2\x80\xA6", 5);
    free(bytes);
    cptrace_buffer_free(&buffer);
}

Test(section_4_3, every_op)
{
    const struct literal literal = {
        .event_count = 16,
        .open_count = 2,
        .first = 100,
        .last = 459,
        COLUMN(callee, "\x0E\x00\x10" /* 7, plain; popped after a pop: column 1 */
                       "\x13\x00\x01" /* 9, activations; popped after a push: column 1 */
                       "\xD8\x04\x01\x00" /* 300, plain; pushed after a push: column 1 */),
        COLUMN(open, "\x00\x0A"
                     "\x01\x64\x03"),
        COLUMN(op, "\x12\x00\x11\x02\x03\x06\x01\x0E\x04\x02\x02\x03\x03\x01\x00\x00"),
        COLUMN(start, "\x08"),
        COLUMN(resume, "\x00\x02\x00"),
        COLUMN(reopen, "\x0A\x01\x98\x05"),
        COLUMN(annotation, "\x03xyz"),
        .delta_lengths = "\x02\x0A\x06",
        COLUMN(delta, "\x01\x01\x01\x01\xFF\x02\x01\x01\x01\x01"
                      "\x00\x01\x01\x01\x01\x01"),
        COLUMN(wide, "\x59"),
    };
    struct cptrace_events events = {0};
    struct cptrace_error error = {0};
    cr_assert_eq(decode_literal(&literal, &events, &error, NULL), CPTRACE_OK, "%s", error.message);
    static const struct cptrace_event expected[] = {
        {.tick = 100, .op = CPTRACE_OP_CALL, .value = 300},
        {.tick = 101, .op = CPTRACE_OP_RETURN},
        {.tick = 102, .op = CPTRACE_OP_START, .value = 4},
        {.tick = 103, .op = CPTRACE_OP_SUSPEND},
        {.tick = 104, .op = CPTRACE_OP_RESUME, .value = 4}, /* the one suspended last */
        {.tick = 105, .op = CPTRACE_OP_THROW},
        {.tick = 106, .op = CPTRACE_OP_UNWIND},
        /* a reserved annotation, after 255 + 89 ticks */
        {.tick = 452, .op = CPTRACE_OP_REOPEN, .value = 5},
        {.tick = 453, .op = CPTRACE_OP_SUSPEND},
        {.tick = 454, .op = CPTRACE_OP_SUSPEND},
        {.tick = 455, .op = CPTRACE_OP_RESUME, .value = 5}, /* the one two suspensions ago */
        {.tick = 456, .op = CPTRACE_OP_RESUME, .value = 3},
        {.tick = 457, .op = CPTRACE_OP_UNWIND},
        {.tick = 458, .op = CPTRACE_OP_RETURN},
        {.tick = 459, .op = CPTRACE_OP_RETURN},
    };
    cr_assert_eq(events.event_count, 15);
    for (size_t i = 0; i < 15; i++) {
        cr_assert_eq(events.events[i].tick, expected[i].tick, "event %zu", i);
        cr_assert_eq(events.events[i].op, expected[i].op, "event %zu", i);
        cr_assert_eq(events.events[i].value, expected[i].value, "event %zu", i);
    }
    cr_assert_eq(events.open[0].start_tick, 90);
    cr_assert_eq(events.open[0].activation, CPTRACE_NO_NUMBER);
    cr_assert_eq(events.open[1].start_tick, 0);
    cr_assert_eq(events.open[1].activation, 3);
    cr_assert_eq(events.open[1].function, 9);
    cr_assert_eq(events.start_count, 2);
    cr_assert_eq(events.starts[0].start_tick, 102);
    cr_assert_eq(events.starts[1].start_tick, 432);
    cr_assert_eq(events.starts[1].function, 9);
    cr_assert_eq(events.function_limit, 301);
    cptrace_events_free(&events);
}

/* Resumed: the call that was suspended last, by its place; then the newest that waits, past that one; then that again, with nothing
 * between. */
Test(section_4_3, the_newest_suspension_that_waits)
{
    const struct literal literal = {
        .event_count = 8,
        COLUMN(callee, "\x03"),
        COLUMN(op, "\x10\x02\x10\x02\x03\x03\x02\x03"),
        COLUMN(start, "\x00\x00"),
        COLUMN(resume, "\x01\x00\x00"),
        COLUMN(delta, "\x00\x00\x00\x00\x00\x00\x00\x00"),
    };
    struct cptrace_events events = {0};
    struct cptrace_error error = {0};
    cr_assert_eq(decode_literal(&literal, &events, &error, NULL), CPTRACE_OK, "%s", error.message);
    cr_assert_eq(events.event_count, 8);
    cr_expect_eq(events.events[4].value, 1);
    cr_expect_eq(events.events[5].value, 0);
    cr_expect_eq(events.events[7].value, 0);
    cptrace_events_free(&events);
}

/* Events from tick 5 on; callee 0 is function 0, callee 1 an activation of function 1. */
#define WRONG(count, last_tick, ops, deltas) .event_count = count, .first = 5, .last = last_tick, COLUMN(op, ops), COLUMN(delta, deltas)

Test(section_4_3, contradictions_are_refused)
{
    static const struct {
        const char *what;
        struct literal literal;
    } wrong[] = {
        {"return of nothing", {WRONG(1, 5, "\x00", "\x00")}},
        {"suspend of nothing", {WRONG(1, 5, "\x02", "\x00")}},
        {"throw into nothing", {WRONG(1, 5, "\x06", "\x00")}},
        {"op 5", {WRONG(1, 5, "\x05", "\x00")}},
        {"op 7", {WRONG(1, 5, "\x07", "\x00")}},
        {"suspend of a plain call", {WRONG(2, 6, "\x10\x02", "\x00\x01")}},
        {"the first delta", {WRONG(1, 6, "\x10", "\x01")}},
        {"the last tick is later", {WRONG(1, 6, "\x10", "\x00")}},
        {"an event past the last tick", {WRONG(2, 6, "\x10\x10", "\x00\x02")}},
        {"ticks that wrap", {WRONG(2, 6, "\x10\x10", "\x00\xFF"), COLUMN(wide, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01")}},
        {"ticks that wrap, and come back to the last tick",
         {.event_count = 3,
          .first = UINT64_MAX - 9,
          .last = UINT64_MAX,
          COLUMN(op, "\x10\x10\x10"),
          COLUMN(delta, "\x00\xFE\xFF"),
          COLUMN(wide, "\x8C\xFC\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01")}},
        {"a wide delta that is missing", {WRONG(2, 260, "\x10\x10", "\x00\xFF")}},
        {"a wide delta in a longer form", {WRONG(2, 261, "\x10\x10", "\x00\xFF"), COLUMN(wide, "\x81\x00")}},
        {"a wide delta too many", {WRONG(1, 5, "\x10", "\x00"), COLUMN(wide, "\x00")}},
        {"an op in a longer form", {WRONG(1, 5, "\x90\x00", "\x00")}},
        {"an op too many", {WRONG(1, 5, "\x10\x10", "\x00")}},
        {"an op cut", {WRONG(1, 5, "\x90", "\x00")}},
        {"a delta too many", {WRONG(1, 5, "\x10", "\x00\x00")}},
        {"a delta too few", {WRONG(2, 5, "\x10\x10", "\x00")}},
        {"no such callee", {WRONG(1, 5, "\x12", "\x00")}},
        {"no callee at all", {WRONG(1, 5, "\x00", "\x00"), COLUMN(callee, "")}},
        {"a callee cut", {WRONG(1, 5, "\x10", "\x00"), COLUMN(callee, "\x00\x80")}},
        {"function 2^32 - 1", {WRONG(1, 5, "\x10", "\x00"), COLUMN(callee, "\xFE\xFF\xFF\xFF\x1F")}},
        {"a callee without its delta columns",
         {WRONG(2, 5, "\x10\x00", "\x00\x00"), COLUMN(callee, "\x00\x00"), .delta_lengths = "\x02\x01\x01"}},
        {"no such delta column", {WRONG(2, 5, "\x10\x00", "\x00\x00"), COLUMN(callee, "\x00\x20\x00"), .delta_lengths = "\x02\x01\x01"}},
        {"a delta column that ends early",
         {WRONG(2, 5, "\x10\x00", "\x00\x00"), COLUMN(callee, "\x00\x00\x00"), .delta_lengths = "\x02\x01\x01"}},
        {"17 delta columns", {WRONG(1, 5, "\x10", "\x00"), .delta_lengths = "\x11\x01"}},
        {"no delta column", {WRONG(1, 5, "\x10", "\x00"), .delta_lengths = "\x80"}},
        {"a start without an activation", {WRONG(1, 5, "\x11", "\x00")}},
        {"activation -1", {WRONG(1, 5, "\x11", "\x00"), COLUMN(start, "\x01")}},
        {"a start too many", {WRONG(1, 5, "\x10", "\x00"), COLUMN(start, "\x00")}},
        {"resume of nothing", {WRONG(1, 5, "\x03", "\x00"), COLUMN(resume, "\x00")}},
        {"resume of what was never suspended", {WRONG(1, 5, "\x03", "\x00"), COLUMN(resume, "\x01")}},
        {"resume twice", {WRONG(4, 5, "\x11\x02\x03\x03", "\x00\x00\x00\x00"), COLUMN(start, "\x00"), COLUMN(resume, "\x00\x01")}},
        {"resume when nothing waits",
         {WRONG(5, 5, "\x11\x02\x03\x03\x00", "\x00\x00\x00\x00\x00"), COLUMN(start, "\x00"), COLUMN(resume, "\x00\x00")}},
        {"a resume too many", {WRONG(1, 5, "\x10", "\x00"), COLUMN(resume, "\x00")}},
        {"reopen of a plain callee", {WRONG(1, 5, "\x04", "\x00"), COLUMN(reopen, "\x00\x00\x00")}},
        {"reopen of no callee", {WRONG(1, 5, "\x04", "\x00"), COLUMN(reopen, "\x00\x02\x00")}},
        {"reopen that starts later", {WRONG(1, 5, "\x04", "\x00"), COLUMN(reopen, "\x00\x01\x02")}},
        {"reopen that starts before 0", {WRONG(1, 5, "\x04", "\x00"), COLUMN(reopen, "\x00\x01\x0B")}},
        {"an annotation cut", {WRONG(1, 5, "\x0D", "\x00"), COLUMN(annotation, "\x02x")}},
        {"no events", {WRONG(0, 5, "", "")}},
        {"fewer ops than events", {WRONG(2, 5, "\x10", "\x00\x00")}},
        {"it ends before it begins", {WRONG(1, 4, "\x10", "\x00")}},
        {"an age before 0", {WRONG(1, 5, "\x10", "\x00"), .open_count = 1, COLUMN(open, "\x00\x06")}},
        {"an open call of no callee", {WRONG(1, 5, "\x10", "\x00"), .open_count = 1, COLUMN(open, "\x02\x01")}},
        {"an open activation without its number", {WRONG(1, 5, "\x10", "\x00"), .open_count = 1, COLUMN(open, "\x01\x01")}},
        {"more open calls than bytes", {WRONG(1, 5, "\x10", "\x00"), .open_count = 9, COLUMN(open, "\x00\x01")}},
        {"an open call too many", {WRONG(1, 5, "\x10", "\x00"), COLUMN(open, "\x00\x01")}},
    };
    struct cptrace_events events = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct literal literal = wrong[i].literal;
        if (!literal.callee) {
            literal.callee = "\x00\x03";
            literal.callee_bytes = 2;
        }
        struct cptrace_error error = {0};
        cr_expect_eq(decode_literal(&literal, &events, &error, NULL), CPTRACE_CORRUPT, "not refused: %s", wrong[i].what);
        cr_expect_eq(error.offset, 77);
        cr_expect_neq(error.message[0], 0);
    }
    cptrace_events_free(&events);
}

/* What a literal leaves out is of this block. Callee 0 is the leaves of function 7, callee 1 plain calls of function 3, 2 activations of
 * function 4. The deltas 0, 1, 1, 0, 1 have codes of one bit, two to a stream. */
static struct literal coded(struct literal literal)
{
    static const struct literal whole = {
        .event_count = 5,
        .first = 100,
        .last = 103,
        COLUMN(callee, "\x1E\x0C\x11"),
        COLUMN(op, "\x11\x10\x10"),
        COLUMN(code, "\x01\x01\x01\x00\x0D\x00"),
        COLUMN(delta, "\x40\x80\x80"),
    };
    literal.event_count = literal.event_count ? literal.event_count : whole.event_count;
    literal.first = whole.first;
    literal.last = literal.last ? literal.last : whole.last;
#define USUAL(column)                                                                                                                      \
    if (!literal.column) {                                                                                                                 \
        literal.column = whole.column;                                                                                                     \
        literal.column##_bytes = whole.column##_bytes;                                                                                     \
    }
    USUAL(callee)
    USUAL(op)
    USUAL(code)
    USUAL(delta)
#undef USUAL
    return literal;
}

Test(section_4_3, leaves_and_codes)
{
    static const struct cptrace_event expected[] = {
        {.tick = 100, .op = CPTRACE_OP_CALL, .value = 3}, {.tick = 101, .op = CPTRACE_OP_CALL, .value = 7},
        {.tick = 102, .op = CPTRACE_OP_RETURN},           {.tick = 102, .op = CPTRACE_OP_CALL, .value = 7},
        {.tick = 103, .op = CPTRACE_OP_RETURN},
    };
    static const struct literal literals[] = {
        {.first = 100},
        {COLUMN(code, "\x00"), COLUMN(delta, "\x00\x01\x01\x00\x01")},
        /* A leaf comes first. */
        {COLUMN(op, "\x10\x10\x11")},
        /* A column that is coded, and one that is not: returns of leaves. */
        {COLUMN(context, "\x00\x00\x01\x00\x01"), COLUMN(code, "\x01\x01\x01\x00\x0D\x00\x00"), COLUMN(delta, "\x00\x80\x00\x01\x01"),
         .delta_lengths = "\x02\x03\x02"},
        /* The same in version 2. */
        {.version = 2,
         COLUMN(callee, "\x1E\x00\x01\x0C\x00\x00"),
         COLUMN(code, "\x01\x01\x01\x00\x0D\x00\x00"),
         COLUMN(delta, "\x00\x80\x00\x01\x01"),
         .delta_lengths = "\x02\x03\x02"},
        /* Delta 255 has a code, and a wide one that is 0 in the sum of these: 255 + 0. */
        {.last = 100 + 255, COLUMN(delta, "\x00\x00\x80"), COLUMN(code, "\x01\x01\x01\x00\x0D\xFF\x3D\x00"), COLUMN(wide, "\x00")},
    };
    struct cptrace_events events = {0};
    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
        const struct literal literal = coded(literals[i]);
        struct cptrace_error error = {0};
        cr_assert_eq(decode_literal(&literal, &events, &error, NULL), CPTRACE_OK, "%zu: %s", i, error.message);
        cr_assert_eq(events.event_count, 5);
        if (i < 2 || i == 3 || i == 4)
            for (size_t k = 0; k < 5; k++)
                cr_assert(events.events[k].tick == expected[k].tick && events.events[k].op == expected[k].op &&
                              events.events[k].value == expected[k].value,
                          "literal %zu, event %zu", i, k);
    }
    cptrace_events_free(&events);
}

/* Each event but the first has a wide delta in turn, the others 1. */
Test(section_4_3, a_wide_delta_of_any_event)
{
    static const struct cptrace_event expected[] = {
        {.op = CPTRACE_OP_CALL, .value = 3}, {.op = CPTRACE_OP_CALL, .value = 7}, {.op = CPTRACE_OP_RETURN}, {.op = CPTRACE_OP_START},
        {.op = CPTRACE_OP_SUSPEND},          {.op = CPTRACE_OP_RESUME},           {.op = CPTRACE_OP_RETURN}, {.op = CPTRACE_OP_UNWIND},
        {.op = CPTRACE_OP_CALL, .value = 7}, {.op = CPTRACE_OP_RETURN},
    };
    enum { EVENTS = sizeof expected / sizeof *expected };
    struct cptrace_events events = {0};
    for (size_t wide = 1; wide < EVENTS; wide++) {
        char deltas[EVENTS] = {0};
        memset(deltas + 1, 1, EVENTS - 1);
        deltas[wide] = '\xFF';
        const struct literal literal = coded((struct literal){.event_count = EVENTS,
                                                              .last = 100 + EVENTS - 2 + 258,
                                                              COLUMN(op, "\x11\x10\x12\x02\x03\x00\x01\x10"),
                                                              COLUMN(start, "\x00"),
                                                              COLUMN(resume, "\x00"),
                                                              COLUMN(code, "\x00"),
                                                              COLUMN(wide, "\x03"),
                                                              .delta = deltas,
                                                              .delta_bytes = EVENTS});
        struct cptrace_error error = {0};
        cr_assert_eq(decode_literal(&literal, &events, &error, NULL), CPTRACE_OK, "%zu: %s", wide, error.message);
        cr_assert_eq(events.event_count, EVENTS);
        for (size_t i = 0; i < EVENTS; i++) {
            const struct cptrace_event *const event = &events.events[i];
            cr_expect(event->op == expected[i].op && event->value == expected[i].value, "wide %zu, event %zu", wide, i);
            cr_expect_eq(event->tick, 100 + i + (i >= wide ? 257 : 0), "wide %zu, event %zu", wide, i);
        }
    }
    cptrace_events_free(&events);
}

Test(section_4_3, contradictions_of_leaves_and_codes_are_refused)
{
    static const struct {
        const char *what;
        struct literal literal;
    } wrong[] = {
        {"a reserved kind", {COLUMN(callee, "\x1E\x0F\x11")}},
        {"an open leaf", {.open_count = 1, COLUMN(open, "\x00\x00")}},
        {"reopen of a leaf", {COLUMN(op, "\x04\x10\x10"), COLUMN(reopen, "\x00\x00\x00")}},
        {"a leaf's return after the last event", {COLUMN(op, "\x11\x11\x11\x11\x10")}},
        {"a single leaf that is one event", {.event_count = 1, COLUMN(op, "\x10"), COLUMN(code, "\x00"), COLUMN(delta, "\x00")}},
        {"more events than ops have", {COLUMN(op, "\x10\x10")}},
        {"no code", {COLUMN(code, "")}},
        {"lengths of streams cut", {COLUMN(code, "\x01\x01\x01")}},
        {"lengths of codes cut", {COLUMN(code, "\x01\x01\x01\x00\x0D")}},
        {"more codes than their lengths allow", {COLUMN(code, "\x01\x01\x01\x00\x0D\x02\x01")}},
        {"a code of 0 bits", {COLUMN(code, "\x01\x01\x01\x00\x0F\x00")}},
        {"a code of 13 bits", {COLUMN(code, "\x01\x01\x01\x00\x0A\x00")}},
        {"a code for 256", {COLUMN(code, "\x01\x01\x01\x00\xFF\x3F\x0D\x00")}},
        {"a stream beyond the block", {COLUMN(code, "\x04\x01\x01\x00\x0D\x00")}},
        {"a stream of 2^64 - 1 bytes", {COLUMN(code, "\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x01\x00\x0D\x00")}},
        {"a stream that is longer than its codes", {COLUMN(code, "\x02\x01\x01\x00\x0D\x00"), COLUMN(delta, "\x40\x00\x80\x80")}},
        {"a stream that is shorter than its codes", {COLUMN(code, "\x01\x00\x01\x00\x0D\x00"), COLUMN(delta, "\x40\x80")}},
        {"a stream for no deltas", {COLUMN(code, "\x01\x01\x01\x01\x0D\x00"), COLUMN(delta, "\x40\x80\x80\x00")}},
        {"last bits that are not 0", {COLUMN(delta, "\x41\x80\x80")}},
        {"bits too many", {COLUMN(delta, "\x40\x80\x80\x00")}},
        {"code too much", {COLUMN(code, "\x01\x01\x01\x00\x0D\x00\x00")}},
        {"a plain column beyond the block", {COLUMN(code, "\x00"), COLUMN(delta, "\x00\x01\x01\x00")}},
        {"events that take more of a column than it has",
         {COLUMN(context, "\x00\x01\x01\x01\x01"), COLUMN(code, "\x00\x00"), COLUMN(delta, "\x00\x01\x01\x00\x01"),
          .delta_lengths = "\x02\x02\x03"}},
        {"events of version 2 that take more of a column than it has",
         {.version = 2,
          COLUMN(callee, "\x1E\x11\x11\x0C\x00\x00"),
          COLUMN(code, "\x00\x00"),
          COLUMN(delta, "\x00\x01\x01\x00\x01"),
          .delta_lengths = "\x02\x02\x03"}},
        {"a context without its column",
         {COLUMN(context, "\x00\x00\x01\x00"), COLUMN(code, "\x00\x00"), COLUMN(delta, "\x00\x01\x00\x01\x01"),
          .delta_lengths = "\x02\x03\x02"}},
        {"a context of no column",
         {COLUMN(context, "\x00\x00\x01\x00\x02"), COLUMN(code, "\x00\x00"), COLUMN(delta, "\x00\x01\x00\x01\x01"),
          .delta_lengths = "\x02\x03\x02"}},
        {"a column of no context",
         {COLUMN(context, "\x00\x00\x01\x00\x01\x00"), COLUMN(code, "\x00\x00"), COLUMN(delta, "\x00\x01\x00\x01\x01"),
          .delta_lengths = "\x02\x03\x02"}},
        {"contexts of one column", {COLUMN(context, "\x00\x00\x00\x00\x00")}},
        {"65 delta columns", {.delta_lengths = "\x41\x05"}},
    };
    struct cptrace_events events = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct literal literal = coded(wrong[i].literal);
        struct cptrace_error error = {0};
        cr_expect_eq(decode_literal(&literal, &events, &error, NULL), CPTRACE_CORRUPT, "not refused: %s", wrong[i].what);
        cr_expect_eq(error.offset, 77);
        cr_expect_neq(error.message[0], 0);
    }
    cptrace_events_free(&events);
}

/* 2 and 4: blocks with right checksums and wrong bodies. */
static void append_frame(struct memory_file *file, const void *content, size_t length)
{
    ZSTD_CCtx *const compressor = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(compressor, ZSTD_c_checksumFlag, 1);
    uint8_t frame[4096];
    const size_t size = ZSTD_compress2(compressor, frame, sizeof frame, content, length);
    ZSTD_freeCCtx(compressor);
    memory_sink(file).append(file, frame, size);
}

static struct reading read_with_block(const char *content, size_t length)
{
    struct memory_file file;
    write_spec_example(&file);
    file.length = 123; /* header and info */
    uint8_t block[256];
    memcpy(block, content, length);
    store_u32(store_u32(block + 4, 0x0BADCAFE), 1);
    append_frame(&file, block, length);
    const struct reading reading = read_everything(&file);
    memory_file_free(&file);
    return reading;
}

#define HEADER_OF(kind)                                                                                                                    \
    kind "\0\0\0"                                                                                                                          \
         "\0\0\0\0"                                                                                                                        \
         "\0\0\0\0"
#define READ(literal) read_with_block(literal, sizeof literal - 1)

Test(section_4, unknown_kinds_are_skipped)
{
    const struct reading reading = READ(HEADER_OF("\x63") "anything");
    cr_assert_eq(reading.damage_count, 0);
    cr_assert_eq(reading.block_count, 1);
    cr_assert_eq(reading.final_status, CPTRACE_TRUNCATED);
}

Test(section_4, wrong_bodies_are_damage)
{
    cr_assert_eq(READ("\x63\0\0\1"
                      "\0\0\0\0"
                      "\0\0\0\0"
                      "anything")
                     .damage_count,
                 1);                                            /* reserved byte */
    cr_assert_eq(READ(HEADER_OF("\x01") "\0").damage_count, 1); /* a second info block */
    cr_assert_eq(READ(HEADER_OF("\x02") "\1\0\0\0\0\0\0\0\0\0").damage_count, 0);
    cr_assert_eq(READ(HEADER_OF("\x02") "\1\0\0\0\0\0\0\0\0\0\0").damage_count, 1);       /* a byte too many */
    cr_assert_eq(READ(HEADER_OF("\x02") "\1\0\0\0\0\0\0\0\0").damage_count, 1);           /* cut */
    cr_assert_eq(READ(HEADER_OF("\x02") "\5\1\1x\0\0\0\0\0\0\0\0").damage_count, 1);      /* numbers not dense */
    cr_assert_eq(READ(HEADER_OF("\x02") "\1\0\0\1\2\0\0\0\0\0\0\0\0\0").damage_count, 1); /* path is no string */
    cr_assert_eq(READ(HEADER_OF("\x02") "\1\0\0\1\0\0\0\0\0\0\0\0\0\0").damage_count, 0);
    cr_assert_eq(READ(HEADER_OF("\x02") "\1\0\0\0\0\1\0\0\0\1\0\1\0\0\0\0\0").damage_count, 1); /* no such file */
    cr_assert_eq(READ(HEADER_OF("\x02") "\1\0\0\0\0\1\0\0\0\0\0\1\0\0\0\0\0").damage_count, 0);
    cr_assert_eq(READ(HEADER_OF("\x02") "\1\0\0\0\0\1\0\0\0\0\0\5\0\0\0\0\0").damage_count, 1);   /* category 5 */
    cr_assert_eq(READ(HEADER_OF("\x02") "\1\0\0\0\0\1\0\0\0\0\0\1\x20\0\0\0\0").damage_count, 1); /* reserved flag */
    cr_assert_eq(READ(HEADER_OF("\x02") "\1\0\0\0\0\1\0\0\0\0\0\1\x12\0\0\0\0").damage_count, 1); /* a span that is a generator */
    cr_assert_eq(READ(HEADER_OF("\x02") "\1\0\0\0\0\1\0\0\0\0\0\1\x10\0\0\0\0").damage_count, 0); /* a span */
    cr_assert_eq(READ(HEADER_OF("\x02") "\1\0\0\0\0\0\0\1\2\0\0\0\0").damage_count, 1);           /* lane kind 2 */
    cr_assert_eq(READ(HEADER_OF("\x04") "short").damage_count, 1);
    cr_assert_eq(READ(HEADER_OF("\x03") "short").damage_count, 1);
    cr_assert_eq(READ(HEADER_OF("\x02") "\xFF\xFF\xFF\xFF\x0F\xFF\xFF\xFF\xFF\x0F").damage_count, 1);
}

Test(section_2, padding)
{
    struct memory_file file;
    write_spec_example(&file);
    const size_t index = file.length - 75; /* the index */
    uint8_t padded[600] = {0};
    for (int dirty = 0; dirty < 2; dirty++) {
        memcpy(padded, file.bytes, index);
        memcpy(padded + index, "\x5E\x2A\x4D\x18\x05\0\0\0\0\0\0\0\0", 13);
        padded[index + 10] = (uint8_t)dirty;
        struct memory_file copy = {.bytes = padded, .length = index + 13};
        const struct reading reading = read_everything(&copy);
        cr_assert_eq(reading.damage_count > 0, dirty);
        cr_assert(dirty || reading.final_status == CPTRACE_END);
    }
    memory_file_free(&file);
}

/* The size of a small run: design.md 7. */
Test(size, fifty_calls_are_about_a_kilobyte)
{
    struct memory_file file;
    struct cptrace_writer *const writer = memory_writer(&file, 0);
    const struct cptrace_pair info[] = {
        {text("name"), text("handler")},
        {text("kind"), text("function")},
        {text("function"), text("app.views.handler")},
        {text("argv"), text("/srv/app/bin/gunicorn")},
        {text("pid"), text("31337")},
        {text("host"), text("web-12")},
        {text("os"), text("Linux 6.1.0 x86_64")},
        {text("python"), text("3.14.1")},
        {text("clock"), text("tsc")},
    };
    cptrace_writer_info(writer, info, sizeof info / sizeof *info);
    define_functions(writer, 20);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 1, text("MainThread"));
    for (uint64_t i = 0; i < 50; i++) {
        cptrace_lane_call(lane, 1000 + i * 40, (uint32_t)(i % 20));
        cptrace_lane_return(lane, 1020 + i * 40 + i % 7);
    }
    cptrace_writer_finish(writer, (struct cptrace_calibration){4000, 1, 1}, NULL, 0, NULL);
    cptrace_writer_free(writer);
    cr_assert_leq(file.length, 1024, "%zu bytes", file.length);
    memory_file_free(&file);
}

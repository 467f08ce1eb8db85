/* Ring slots become the events that they stand for, however unwilling the interpreter was to tell all. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring_bench.h"

Test(ring, calls_nest)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, RING_CAPACITY);
    put_definition(&bench, 41, "outer");
    put(&bench, CPTRACE_RING_CALL, 41);
    put_definition(&bench, 7, "inner");
    put(&bench, CPTRACE_RING_CALL, 7);
    put(&bench, CPTRACE_RING_UNWIND, 7);
    put(&bench, CPTRACE_RING_RETURN, 41);
    expect_ops(&bench, "((!)");
}

Test(ring, slots_wrap_and_definitions_with_them)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, RING_CAPACITY);
    char name[40];
    char expected[256] = "";
    for (uint32_t round = 0; round < 60; round++) {
        snprintf(name, sizeof name, "function_with_a_long_name_%u", round);
        put_definition(&bench, round, name);
        put(&bench, CPTRACE_RING_CALL, round);
        put(&bench, CPTRACE_RING_RETURN, round);
        strcat(expected, "()");
        if (round % 5 == 4)
            cr_assert_eq(drain(&bench), CPTRACE_OK);
    }
    expect_ops(&bench, expected);
}

Test(ring, a_return_of_a_call_that_began_before_the_run_is_ignored)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, RING_CAPACITY);
    put_definition(&bench, 0, "begun before");
    put_definition(&bench, 1, "mine");
    put(&bench, CPTRACE_RING_CALL, 1);
    put(&bench, CPTRACE_RING_RETURN, 0);
    put(&bench, CPTRACE_RING_RETURN, 1);
    put(&bench, CPTRACE_RING_UNWIND, 0);
    expect_ops(&bench, "()");
}

Test(ring, a_return_that_skips_calls_ends_them_and_counts_them)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, RING_CAPACITY);
    put_definition(&bench, 0, "a");
    put_definition(&bench, 1, "b");
    put(&bench, CPTRACE_RING_CALL, 0);
    put(&bench, CPTRACE_RING_CALL, 1);
    put(&bench, CPTRACE_RING_CALL, 1);
    put(&bench, CPTRACE_RING_RETURN, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    cr_expect_eq(cptrace_transcoder_repaired_count(bench.transcoder), 2);
    expect_ops(&bench, "(((!!)");
}

Test(ring, a_generator_is_one_call_with_slices)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, RING_CAPACITY);
    put_definition(&bench, 0, "generator");
    put_pair(&bench, CPTRACE_RING_START, 0, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 0);
    put_pair(&bench, CPTRACE_RING_RESUME, 0, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 0);
    put_pair(&bench, CPTRACE_RING_THROW, 0, 0x7000);
    put(&bench, CPTRACE_RING_UNWIND, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    cr_expect_eq(cptrace_writer_call_count(bench.writer), 1);
    expect_ops(&bench, "szrzrt!");
}

Test(ring, a_frame_address_is_reused_by_another_generator)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, RING_CAPACITY);
    put_definition(&bench, 0, "first");
    put_definition(&bench, 1, "second");
    put_pair(&bench, CPTRACE_RING_START, 0, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 0); /* dropped: no event tells */
    put_pair(&bench, CPTRACE_RING_START, 1, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 1);
    put_pair(&bench, CPTRACE_RING_RESUME, 1, 0x7000);
    put(&bench, CPTRACE_RING_RETURN, 1);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    cr_expect_eq(cptrace_writer_call_count(bench.writer), 2);
    expect_ops(&bench, "szszr)");
}

Test(ring, a_generator_begun_before_the_run_is_adopted)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, RING_CAPACITY);
    put_definition(&bench, 0, "generator");
    put_pair(&bench, CPTRACE_RING_RESUME, 0, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 0);
    put_pair(&bench, CPTRACE_RING_RESUME, 0, 0x7000);
    put(&bench, CPTRACE_RING_RETURN, 0);
    expect_ops(&bench, "ozr)");
}

Test(ring, lanes_share_activations)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, RING_CAPACITY);
    put_definition(&bench, 0, "coroutine");
    put_pair(&bench, CPTRACE_RING_START, 0, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    struct cptrace_ring *first = bench.ring;
    bench.ring = make_ring(1, RING_CAPACITY);
    put_pair(&bench, CPTRACE_RING_RESUME, 0, 0x7000);
    put(&bench, CPTRACE_RING_RETURN, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    cr_expect_eq(cptrace_writer_call_count(bench.writer), 1);
    free(first);
    expect_ops(&bench, "szo)");
}

Test(ring, lanes_come_in_any_order)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, RING_CAPACITY);
    struct cptrace_ring *first = bench.ring;
    bench.ring = make_ring(3, RING_CAPACITY);
    put_definition(&bench, 0, "f");
    put(&bench, CPTRACE_RING_CALL, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    free(bench.ring);
    bench.ring = first;
    put_definition(&bench, 0, "f"); /* again: each ring carries its own */
    put(&bench, CPTRACE_RING_CALL, 0);
    put(&bench, CPTRACE_RING_RETURN, 0);
    expect_ops(&bench, "(()");
}

Test(ring, what_makes_no_sense_is_refused)
{
    const struct {
        uint64_t word;
        const char *what;
    } cases[] = {
        {99, "unknown op"},
        {0, "an empty slot"},
        {UINT64_C(5) << 8 | CPTRACE_RING_CALL, "undefined function"},
        {UINT64_C(1) << 40 | CPTRACE_RING_RETURN, "function number beyond all"},
        {CPTRACE_RING_RESUME, "no frame address after it"},
        {UINT64_C(100000) << 8 | CPTRACE_RING_DEFINE, "definition longer than the ring"},
        {UINT64_C(3) << 8 | CPTRACE_RING_DEFINE, "definition shorter than its fixed part"},
        {18, "an op behind the last"},
        {CPTRACE_RING_CPU, "no switches after it"},
        {CPTRACE_RING_TASK, "no frame address after it"},
        {UINT64_C(1) << 8 | CPTRACE_RING_MARK, "text longer than the ring"},
        {UINT64_C(0) << 8 | CPTRACE_RING_COUNTER, "counter without a value"},
        {UINT64_C(5) << 8 | CPTRACE_RING_SPAN_BEGIN, "undefined span"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ring_bench bench;
        open_bench(&bench, NULL, RING_CAPACITY);
        put_definition(&bench, 0, "known");
        put_slot(bench.ring, 3000, cases[i].word);
        cr_expect_eq(drain(&bench), CPTRACE_CORRUPT, "%s", cases[i].what);
        close_bench(&bench);
    }
}

Test(ring, events_stay_in_the_ring_until_the_file_has_them)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, RING_CAPACITY);
    put_definition(&bench, 0, "f");
    put(&bench, CPTRACE_RING_CALL, 0);
    bench.file.appends_left = 0;
    uint64_t consumed;
    cr_assert_eq(cptrace_transcoder_consume(bench.transcoder, bench.ring, &consumed), CPTRACE_OK);
    cr_expect_eq(cptrace_writer_flush(bench.writer, NULL), CPTRACE_IO_ERROR);
    cr_expect_eq(atomic_load(&bench.ring->tail), 0);
    close_bench(&bench);
}

Test(ring, what_has_text_and_cpu_times_is_an_annotation)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, RING_CAPACITY);
    put_definition(&bench, 0, "f");
    put(&bench, CPTRACE_RING_CALL, 0);
    put_text(&bench, CPTRACE_RING_ARGUMENTS, "x=1, y='a longer text than one slot'");
    put_pair(&bench, CPTRACE_RING_CPU, 12345, 2);
    put_text(&bench, CPTRACE_RING_MARK, "");
    put_bytes(&bench, CPTRACE_RING_COUNTER, "\0\0\0\0\0\0\xF0\x3Fqueue", 13);
    put(&bench, CPTRACE_RING_RETURN, 0);
    put_text(&bench, CPTRACE_RING_ARGUMENTS, "of no call");
    expect_ops(&bench, "(aumn)");
}

static void define_span_and_coroutines(struct ring_bench *bench)
{
    put_definition_as(bench, CPTRACE_RING_DEFINE, 0, "outer", CPTRACE_FUNCTION_COROUTINE);
    put_definition_as(bench, CPTRACE_RING_DEFINE, 1, "inner", CPTRACE_FUNCTION_COROUTINE);
    put_definition_as(bench, CPTRACE_RING_DEFINE, 2, "span a", CPTRACE_FUNCTION_SPAN);
    put_definition_as(bench, CPTRACE_RING_DEFINE, 3, "span b", CPTRACE_FUNCTION_SPAN);
    put_definition(bench, 4, "plain");
}

Test(ring, spans_are_suspended_with_their_frames)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, 256);
    define_span_and_coroutines(&bench);
    put_pair(&bench, CPTRACE_RING_START, 0, 0x7000);
    put(&bench, CPTRACE_RING_SPAN_BEGIN, 2);
    put_pair(&bench, CPTRACE_RING_START, 1, 0x8000);
    put(&bench, CPTRACE_RING_SPAN_BEGIN, 3);
    put(&bench, CPTRACE_RING_SPAN_BEGIN, 2);
    put(&bench, CPTRACE_RING_SUSPEND, 1);
    put(&bench, CPTRACE_RING_SUSPEND, 0);
    put(&bench, CPTRACE_RING_CALL, 4);
    put(&bench, CPTRACE_RING_RETURN, 4);
    put_pair(&bench, CPTRACE_RING_RESUME, 0, 0x7000);
    put_pair(&bench, CPTRACE_RING_RESUME, 1, 0x8000);
    put(&bench, CPTRACE_RING_SPAN_END, 2);
    put(&bench, CPTRACE_RING_SPAN_END, 3);
    put(&bench, CPTRACE_RING_RETURN, 1);
    put(&bench, CPTRACE_RING_SPAN_END, 2);
    put(&bench, CPTRACE_RING_RETURN, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    cr_expect_eq(cptrace_transcoder_repaired_count(bench.transcoder), 0);
    cr_expect_eq(cptrace_writer_call_count(bench.writer), 6);
    expect_ops(&bench, "ssss"
                       "s"
                       "zzzzz"
                       "()"
                       "rrrrr"
                       "))))"
                       ")");
}

Test(ring, a_span_ended_below_calls_waits_to_be_on_top)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, 256);
    define_span_and_coroutines(&bench);
    put(&bench, CPTRACE_RING_SPAN_BEGIN, 2);
    put(&bench, CPTRACE_RING_SPAN_BEGIN, 3);
    put(&bench, CPTRACE_RING_CALL, 4);
    put(&bench, CPTRACE_RING_SPAN_END, 2);
    put(&bench, CPTRACE_RING_SPAN_END, 3);
    put_text(&bench, CPTRACE_RING_MARK, "still in the call");
    put(&bench, CPTRACE_RING_RETURN, 4);
    put_text(&bench, CPTRACE_RING_MARK, "all ended");
    put(&bench, CPTRACE_RING_SPAN_END, 2);
    expect_ops(&bench, "ss(m)))m");
}

Test(ring, a_span_ends_at_the_latest_with_the_call_below)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, 256);
    define_span_and_coroutines(&bench);
    put(&bench, CPTRACE_RING_CALL, 4);
    put(&bench, CPTRACE_RING_SPAN_BEGIN, 2);
    put(&bench, CPTRACE_RING_UNWIND, 4);
    put(&bench, CPTRACE_RING_SPAN_END, 2);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    cr_expect_eq(cptrace_transcoder_repaired_count(bench.transcoder), 0);
    expect_ops(&bench, "(s)!");
}

Test(ring, a_span_ended_while_its_frame_is_suspended_ends_when_that_goes_on)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, 256);
    define_span_and_coroutines(&bench);
    put_pair(&bench, CPTRACE_RING_START, 0, 0x7000);
    put(&bench, CPTRACE_RING_SPAN_BEGIN, 2);
    put(&bench, CPTRACE_RING_SUSPEND, 0);
    put(&bench, CPTRACE_RING_SPAN_END, 2);
    put_pair(&bench, CPTRACE_RING_THROW, 0, 0x7000);
    put(&bench, CPTRACE_RING_RETURN, 0);
    expect_ops(&bench, "sszzrtr))");
}

Test(ring, spans_of_a_dropped_frame_are_forgotten)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, 256);
    define_span_and_coroutines(&bench);
    for (int round = 0; round < 3; round++) {
        put_pair(&bench, CPTRACE_RING_START, 0, 0x7000);
        put(&bench, CPTRACE_RING_SPAN_BEGIN, 2);
        put(&bench, CPTRACE_RING_SUSPEND, 0);
    }
    put_pair(&bench, CPTRACE_RING_RESUME, 0, 0x7000);
    put(&bench, CPTRACE_RING_RETURN, 0);
    expect_ops(&bench, "sszzsszzsszzrr))");
}

static struct cptrace_task_definition first_task(struct ring_bench *bench, char *name, size_t *task_count)
{
    char ops[256];
    read_ops(bench, ops, sizeof ops);
    struct cptrace_reader *reader;
    cr_assert_eq(cptrace_reader_open_source(memory_source(&bench->file), &reader, NULL), CPTRACE_OK);
    struct cptrace_block block;
    while (cptrace_reader_next(reader, &block, NULL) == CPTRACE_OK)
        continue;
    const struct cptrace_definitions *definitions = cptrace_reader_definitions(reader);
    *task_count = definitions->task_count;
    struct cptrace_task_definition task = {{NULL, 0}, 0, 0};
    if (*task_count) {
        task = definitions->tasks[0];
        snprintf(name, 32, "%.*s", (int)task.name.length, task.name.bytes);
    }
    cptrace_reader_close(reader);
    return task;
}

Test(ring, a_task_knows_who_made_it)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, 256);
    define_span_and_coroutines(&bench);
    put_pair(&bench, CPTRACE_RING_START, 0, 0x7000);
    put(&bench, CPTRACE_RING_SPAN_BEGIN, 2);
    put(&bench, CPTRACE_RING_CALL, 4);
    put_pair(&bench, CPTRACE_RING_TASK, 0, 0x8000);
    put(&bench, CPTRACE_RING_RETURN, 4);
    put(&bench, CPTRACE_RING_SUSPEND, 0);
    put_pair(&bench, CPTRACE_RING_START, 1, 0x8000);
    put_text(&bench, CPTRACE_RING_TASK_NAME, "Task-2");
    put(&bench, CPTRACE_RING_RETURN, 1);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    char name[32];
    size_t count;
    const struct cptrace_task_definition task = first_task(&bench, name, &count);
    cr_assert_eq(count, 1);
    cr_expect_str_eq(name, "Task-2");
    cr_expect_eq(task.root_activation, 2); /* after outer and its span */
    cr_expect_eq(task.creating_activation, 0);
    close_bench(&bench);
}

Test(ring, a_task_made_before_the_run_has_no_maker)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, 256);
    define_span_and_coroutines(&bench);
    put_text(&bench, CPTRACE_RING_TASK_NAME, "of nothing");
    put_pair(&bench, CPTRACE_RING_START, 1, 0x8000);
    put_text(&bench, CPTRACE_RING_TASK_NAME, "Task-1");
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    char name[32];
    size_t count;
    const struct cptrace_task_definition task = first_task(&bench, name, &count);
    cr_assert_eq(count, 1);
    cr_expect_eq(task.creating_activation, CPTRACE_NO_NUMBER);
    close_bench(&bench);
}

/* A generator goes from one thread to another and back between two rounds. */
static void expect_matched_in_order(uint32_t starter)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, RING_CAPACITY);
    struct cptrace_ring *rings[2] = {bench.ring, make_ring(1, RING_CAPACITY)};
    bench.ring = rings[starter];
    put_definition(&bench, 0, "generator");
    put_pair(&bench, CPTRACE_RING_START, 0, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 0);
    bench.ring = rings[1 - starter];
    put_definition(&bench, 0, "generator");
    put_pair(&bench, CPTRACE_RING_RESUME, 0, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 0);
    bench.ring = rings[starter];
    put_pair(&bench, CPTRACE_RING_RESUME, 0, 0x7000);
    put(&bench, CPTRACE_RING_RETURN, 0);
    uint64_t consumed[2];
    cr_assert_eq(cptrace_transcoder_consume_all(bench.transcoder, rings, 2, UINT64_MAX, consumed), CPTRACE_OK);
    for (int i = 0; i < 2; i++)
        cr_expect_eq(consumed[i], atomic_load(&rings[i]->head));
    cr_expect_eq(cptrace_writer_call_count(bench.writer), 1);
    cr_expect_eq(cptrace_writer_event_count(bench.writer), 6);
    bench.ring = rings[0];
    close_bench(&bench);
    free(rings[1]);
}

Test(ring, a_generator_that_changes_threads_between_two_rounds_is_one_call)
{
    expect_matched_in_order(0);
    expect_matched_in_order(1);
}

Test(ring, rings_are_read_in_portions_that_end_between_records)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, RING_CAPACITY);
    struct cptrace_ring *rings[2] = {bench.ring, make_ring(1, RING_CAPACITY)};
    uint64_t ends[2][4]; /* of the records of each ring */
    for (int i = 0; i < 2; i++) {
        bench.ring = rings[i];
        put_definition(&bench, 0, "a name that takes some slots");
        ends[i][0] = atomic_load(&rings[i]->head);
    }
    for (int at = 1; at < 4; at++)
        for (int i = 0; i < 2; i++) {
            bench.ring = rings[i];
            put(&bench, at < 3 ? CPTRACE_RING_CALL : CPTRACE_RING_RETURN, 0);
            ends[i][at] = atomic_load(&rings[i]->head);
        }
    cr_assert_gt(ends[0][0], 2);
    uint64_t consumed[2];
    cr_assert_eq(cptrace_transcoder_consume_all(bench.transcoder, rings, 2, 0, consumed), CPTRACE_OK);
    cr_expect(consumed[0] == 0 && consumed[1] == 0);
    for (int at = 0; at < 4; at++)
        for (int i = 0; i < 2; i++) { /* one slot at a time takes one record, the earliest */
            cr_assert_eq(cptrace_transcoder_consume_all(bench.transcoder, rings, 2, 1, consumed), CPTRACE_OK);
            cr_expect_eq(consumed[i], ends[i][at]);
            cr_expect_eq(consumed[1 - i], i == 1 ? ends[0][at] : at == 0 ? 0 : ends[1][at - 1]);
        }
    cr_assert_eq(cptrace_transcoder_consume_all(bench.transcoder, rings, 2, 1, consumed), CPTRACE_OK);
    for (int i = 0; i < 2; i++)
        cr_expect_eq(consumed[i], atomic_load(&rings[i]->head));
    cr_expect_eq(cptrace_writer_call_count(bench.writer), 4);
    cr_expect_eq(cptrace_writer_event_count(bench.writer), 6);
    bench.ring = rings[0];
    close_bench(&bench);
    free(rings[1]);
}

/* The rings are read in the wrong order: what is lost is that both are one call, never the order of the stacks. */
Test(ring, a_frame_resumed_before_its_suspend_is_read_is_a_call_of_its_own)
{
    static const struct cptrace_transcoder_options filters = {.min_call_ticks = 3};
    for (int filtered = 0; filtered < 2; filtered++) {
        struct ring_bench bench;
        open_bench(&bench, filtered ? &filters : NULL, RING_CAPACITY);
        struct cptrace_ring *first = bench.ring, *second = make_ring(1, RING_CAPACITY);
        put_definition(&bench, 0, "generator");
        put_pair(&bench, CPTRACE_RING_START, 0, 0x7000);
        cr_assert_eq(drain(&bench), CPTRACE_OK);
        put(&bench, CPTRACE_RING_SUSPEND, 0);
        bench.ring = second;
        put_definition(&bench, 0, "generator");
        put_definition(&bench, 1, "plain");
        put(&bench, CPTRACE_RING_CALL, 1);
        put_pair(&bench, CPTRACE_RING_RESUME, 0, 0x7000);
        put(&bench, CPTRACE_RING_RETURN, 0);
        put(&bench, CPTRACE_RING_RETURN, 1);
        cr_assert_eq(drain(&bench), CPTRACE_OK);
        bench.ring = first;
        cr_expect_eq(cptrace_transcoder_repaired_count(bench.transcoder), 0);
        expect_ops(&bench, "s(o))z");
        free(second);
    }
}

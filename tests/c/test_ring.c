/* Ring slots become the events that they stand for, however unwilling the interpreter was to tell all. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cptrace/ring.h"
#include "memory_file.h"

#define CAPACITY 64

/* A ring in plain memory, with its transcoder and the file that it writes to. */
struct bench {
    struct cptrace_ring *ring;
    struct memory_file file;
    struct cptrace_writer *writer;
    struct cptrace_transcoder *transcoder;
    uint64_t tick;
};

static struct cptrace_ring *make_ring(uint32_t lane)
{
    struct cptrace_ring *ring = calloc(1, CPTRACE_RING_HEADER_BYTES + CAPACITY * sizeof(struct cptrace_ring_slot));
    ring->magic = CPTRACE_RING_MAGIC;
    ring->lane = lane;
    ring->os_thread_id = 100 + lane;
    ring->capacity_slots = CAPACITY;
    strcpy(ring->thread_name, "worker");
    return ring;
}

static void open_bench(struct bench *bench)
{
    *bench = (struct bench){.ring = make_ring(0), .tick = 2000};
    bench->file.appends_left = -1;
    bench->writer = memory_writer(&bench->file, 0);
    cptrace_writer_info(bench->writer, NULL, 0);
    bench->transcoder = cptrace_transcoder_create(bench->writer, NULL);
}

static void close_bench(struct bench *bench)
{
    cptrace_transcoder_free(bench->transcoder);
    cptrace_writer_free(bench->writer);
    memory_file_free(&bench->file);
    free(bench->ring);
}

static void put_slot(struct cptrace_ring *ring, uint64_t first, uint64_t second)
{
    const uint64_t head = atomic_load(&ring->head);
    cptrace_ring_slots(ring)[head % CAPACITY] = (struct cptrace_ring_slot){first, second};
    atomic_store(&ring->head, head + 1);
}

static void put(struct bench *bench, enum cptrace_ring_op op, uint32_t function)
{
    put_slot(bench->ring, ++bench->tick, (uint64_t)function << 8 | op);
}

static void put_frame(struct bench *bench, enum cptrace_ring_op op, uint32_t function, uint64_t address)
{
    put(bench, op, function);
    put_slot(bench->ring, address, 0);
}

static void put_definition(struct bench *bench, uint32_t number, const char *name)
{
    struct cptrace_ring_function fixed = {.number = number, .line = 7, .category = CPTRACE_CATEGORY_USER};
    fixed.qualified_name_bytes = (uint16_t)strlen(name);
    fixed.path_bytes = 4;
    uint8_t bytes[256] = {0};
    memcpy(bytes, &fixed, sizeof fixed);
    memcpy(bytes + sizeof fixed, name, strlen(name));
    memcpy(bytes + sizeof fixed + strlen(name), "a.py", 4);
    const size_t length = sizeof fixed + strlen(name) + 4;
    put_slot(bench->ring, 0, (uint64_t)length << 8 | CPTRACE_RING_DEFINE);
    for (size_t done = 0; done < length; done += 16) {
        uint64_t words[2];
        memcpy(words, bytes + done, sizeof words);
        put_slot(bench->ring, words[0], words[1]);
    }
}

static enum cptrace_status drain(struct bench *bench)
{
    uint64_t consumed = 0;
    const enum cptrace_status status = cptrace_transcoder_consume(bench->transcoder, bench->ring, &consumed);
    if (status == CPTRACE_OK) {
        cr_assert_eq(cptrace_writer_flush(bench->writer, NULL), CPTRACE_OK);
        cptrace_ring_release(bench->ring, consumed);
    }
    return status;
}

/* The ops of the whole file as letters, in order: ( ) ! call, return, unwind; s z r o t start, suspend, resume, reopen, throw. */
static void read_ops(struct bench *bench, char *letters)
{
    static const char names[] = {
        [CPTRACE_OP_RETURN] = ')', [CPTRACE_OP_UNWIND] = '!', [CPTRACE_OP_SUSPEND] = 'z', [CPTRACE_OP_RESUME] = 'r',
        [CPTRACE_OP_REOPEN] = 'o', [CPTRACE_OP_START] = 's',  [CPTRACE_OP_THROW] = 't',   [CPTRACE_OP_CALL] = '('};
    cr_assert_eq(cptrace_writer_finish(bench->writer, (struct cptrace_calibration){bench->tick + 1, 100000, 1}, NULL, 0, NULL), CPTRACE_OK);
    struct cptrace_reader *reader;
    cr_assert_eq(cptrace_reader_open_source(memory_source(&bench->file), &reader, NULL), CPTRACE_OK);
    struct cptrace_block block;
    struct cptrace_events events = {0};
    while (cptrace_reader_next(reader, &block, NULL) == CPTRACE_OK) {
        if (block.kind != CPTRACE_BLOCK_EVENTS)
            continue;
        cr_assert_eq(cptrace_events_decode(&block, &events, NULL), CPTRACE_OK);
        for (size_t i = 0; i < events.event_count; i++)
            *letters++ = names[events.events[i].op];
    }
    *letters = 0;
    cptrace_events_free(&events);
    cptrace_reader_close(reader);
}

static void expect_ops(struct bench *bench, const char *expected)
{
    char found[256];
    cr_assert_eq(drain(bench), CPTRACE_OK);
    read_ops(bench, found);
    cr_expect_str_eq(found, expected);
    close_bench(bench);
}

Test(ring, calls_nest)
{
    struct bench bench;
    open_bench(&bench);
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
    struct bench bench;
    open_bench(&bench);
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
    struct bench bench;
    open_bench(&bench);
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
    struct bench bench;
    open_bench(&bench);
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
    struct bench bench;
    open_bench(&bench);
    put_definition(&bench, 0, "generator");
    put_frame(&bench, CPTRACE_RING_START, 0, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 0);
    put_frame(&bench, CPTRACE_RING_RESUME, 0, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 0);
    put_frame(&bench, CPTRACE_RING_THROW, 0, 0x7000);
    put(&bench, CPTRACE_RING_UNWIND, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    cr_expect_eq(cptrace_writer_call_count(bench.writer), 1);
    expect_ops(&bench, "szrzrt!");
}

Test(ring, a_frame_address_is_reused_by_another_generator)
{
    struct bench bench;
    open_bench(&bench);
    put_definition(&bench, 0, "first");
    put_definition(&bench, 1, "second");
    put_frame(&bench, CPTRACE_RING_START, 0, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 0); /* dropped: no event tells */
    put_frame(&bench, CPTRACE_RING_START, 1, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 1);
    put_frame(&bench, CPTRACE_RING_RESUME, 1, 0x7000);
    put(&bench, CPTRACE_RING_RETURN, 1);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    cr_expect_eq(cptrace_writer_call_count(bench.writer), 2);
    expect_ops(&bench, "szszr)");
}

Test(ring, a_generator_begun_before_the_run_is_adopted)
{
    struct bench bench;
    open_bench(&bench);
    put_definition(&bench, 0, "generator");
    put_frame(&bench, CPTRACE_RING_RESUME, 0, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 0);
    put_frame(&bench, CPTRACE_RING_RESUME, 0, 0x7000);
    put(&bench, CPTRACE_RING_RETURN, 0);
    expect_ops(&bench, "ozr)");
}

Test(ring, lanes_share_activations)
{
    struct bench bench;
    open_bench(&bench);
    put_definition(&bench, 0, "coroutine");
    put_frame(&bench, CPTRACE_RING_START, 0, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    struct cptrace_ring *first = bench.ring;
    bench.ring = make_ring(1);
    put_frame(&bench, CPTRACE_RING_RESUME, 0, 0x7000);
    put(&bench, CPTRACE_RING_RETURN, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    cr_expect_eq(cptrace_writer_call_count(bench.writer), 1);
    free(first);
    expect_ops(&bench, "szo)");
}

Test(ring, lanes_come_in_any_order)
{
    struct bench bench;
    open_bench(&bench);
    struct cptrace_ring *first = bench.ring;
    bench.ring = make_ring(3);
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
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench bench;
        open_bench(&bench);
        put_definition(&bench, 0, "known");
        put_slot(bench.ring, 3000, cases[i].word);
        cr_expect_eq(drain(&bench), CPTRACE_CORRUPT, "%s", cases[i].what);
        close_bench(&bench);
    }
}

Test(ring, events_stay_in_the_ring_until_the_file_has_them)
{
    struct bench bench;
    open_bench(&bench);
    put_definition(&bench, 0, "f");
    put(&bench, CPTRACE_RING_CALL, 0);
    bench.file.appends_left = 0;
    uint64_t consumed;
    cr_assert_eq(cptrace_transcoder_consume(bench.transcoder, bench.ring, &consumed), CPTRACE_OK);
    cr_expect_eq(cptrace_writer_flush(bench.writer, NULL), CPTRACE_IO_ERROR);
    cr_expect_eq(atomic_load(&bench.ring->tail), 0);
    close_bench(&bench);
}

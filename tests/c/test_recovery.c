/* A run that was killed: the trace up to its last checkpoint, and the rings from there on, are the whole run, at whatever moment. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "checkpoint.h"
#include "cptrace/recovery.h"
#include "crc32.h"
#include "ring_bench.h"
#include "ring_file_bench.h"

#define RINGS 3
#define FUNCTIONS 8
#define ADDRESSES 12
#define LOG_MAX 20000

/* ---- random runs ---- */

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % limit);
}

static bool is_resumable(uint32_t function) { return function >= 5 && function < 7; }

static void define_all(struct ring_bench *bench, bool leaves_out)
{
    static const char *const names[FUNCTIONS] = {"a", "b", "c", "d", "e", "generator", "coroutine", "span"};
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        const uint8_t flags = i == 5   ? CPTRACE_FUNCTION_GENERATOR
                              : i == 6 ? CPTRACE_FUNCTION_COROUTINE
                              : i == 7 ? CPTRACE_FUNCTION_SPAN
                                       : 0;
        const bool left_out = leaves_out && (i == 2 || i == 5);
        put_definition_as(bench, left_out ? CPTRACE_RING_DEFINE_OMITTED : CPTRACE_RING_DEFINE, i, names[i], flags);
    }
}

/* Mostly what a program does, now and then what it cannot do. */
static void put_something(struct ring_bench *bench, uint64_t *state)
{
    const uint32_t function = random_below(state, 7);
    const uint64_t address = 0x7000 + 16 * random_below(state, ADDRESSES);
    bench->tick += random_below(state, 4);
    switch (random_below(state, 16)) {
    case 0:
        put_pair(bench, CPTRACE_RING_CPU, bench->tick, random_below(state, 9));
        break;
    case 1:
        put_text(bench, CPTRACE_RING_MARK, "a mark of more than one slot");
        break;
    case 2:
        put(bench, CPTRACE_RING_SPAN_BEGIN, 7);
        break;
    case 3:
        put(bench, CPTRACE_RING_SPAN_END, 7);
        break;
    case 4:
        put_pair(bench, CPTRACE_RING_TASK, 0, address);
        put_pair(bench, CPTRACE_RING_START, 6, address);
        put_text(bench, CPTRACE_RING_TASK_NAME, "Task-1");
        break;
    case 5:
    case 6:
        put_pair(bench, CPTRACE_RING_START, is_resumable(function) ? function : 5, address);
        break;
    case 7:
    case 8:
        put(bench, CPTRACE_RING_SUSPEND, is_resumable(function) ? function : 6);
        break;
    case 9:
    case 10:
        put_pair(bench, random_below(state, 5) ? CPTRACE_RING_RESUME : CPTRACE_RING_THROW, is_resumable(function) ? function : 6, address);
        break;
    case 11:
    case 12:
    case 13:
        put(bench, CPTRACE_RING_CALL, is_resumable(function) ? 0 : function);
        break;
    default:
        put(bench, random_below(state, 9) ? CPTRACE_RING_RETURN : CPTRACE_RING_UNWIND, function);
        break;
    }
}

/* ---- what a trace says, whatever its blocks ---- */

struct told {
    uint32_t lane, op, value;
    uint64_t tick, first, second;
};

struct log {
    struct told *events;
    size_t count;
    size_t outer_count; /* omitted outer */
};

static void tell_block(const struct cptrace_block *block, struct cptrace_events *events, struct log *log)
{
    cr_assert_eq(cptrace_events_decode(block, events, NULL), CPTRACE_OK);
    for (size_t i = 0; i < events->event_count; i++) {
        const struct cptrace_event *const event = &events->events[i];
        struct told told = {.lane = events->lane, .op = event->op, .value = event->value, .tick = event->tick};
        if (told.op == CPTRACE_OP_REOPEN) /* which of the two depends on where blocks begin */
            told.op = CPTRACE_OP_RESUME;
        if (told.op >= CPTRACE_OP_ANNOTATION_FIRST && told.op <= CPTRACE_OP_ANNOTATION_LAST) {
            told.first = events->annotations[event->value].cpu_ns;
            told.second = events->annotations[event->value].voluntary_switch_count;
            told.value = events->annotations[event->value].levels;
        }
        log->outer_count += told.op == CPTRACE_ANNOTATION_OMITTED_OUTER;
        cr_assert_lt(log->count, LOG_MAX);
        log->events[log->count++] = told;
    }
}

static enum cptrace_status tell(struct cptrace_reader *reader, struct log *log)
{
    *log = (struct log){.events = calloc(LOG_MAX, sizeof *log->events)};
    struct cptrace_events events = {0};
    struct cptrace_block block;
    enum cptrace_status status;
    while ((status = cptrace_reader_next(reader, &block, NULL)) == CPTRACE_OK)
        if (block.kind == CPTRACE_BLOCK_EVENTS)
            tell_block(&block, &events, log);
    cptrace_events_free(&events);
    size_t damage_count;
    cptrace_reader_damage(reader, &damage_count);
    cr_expect_eq(damage_count, 0);
    return status;
}

/* Lanes one after the other, each in its order: a stable sort. */
static void sort_by_lane(struct log *log)
{
    struct told *const sorted = malloc(LOG_MAX * sizeof *sorted);
    size_t count = 0;
    for (uint32_t lane = 0; count < log->count; lane++)
        for (size_t i = 0; i < log->count; i++)
            if (log->events[i].lane == lane)
                sorted[count++] = log->events[i];
    free(log->events);
    log->events = sorted;
}

static void expect_same(struct log *found, struct log *expected, unsigned seed)
{
    sort_by_lane(found);
    sort_by_lane(expected);
    cr_assert_eq(found->count, expected->count, "seed %u: %zu events, expected %zu", seed, found->count, expected->count);
    for (size_t i = 0; i < found->count; i++)
        cr_assert_eq(memcmp(&found->events[i], &expected->events[i], sizeof *found->events), 0,
                     "seed %u: event %zu of %zu: lane %u op %u value %u tick %llu, expected lane %u op %u value %u tick %llu", seed, i,
                     found->count, found->events[i].lane, found->events[i].op, found->events[i].value,
                     (unsigned long long)found->events[i].tick, expected->events[i].lane, expected->events[i].op, expected->events[i].value,
                     (unsigned long long)expected->events[i].tick);
    free(found->events);
    free(expected->events);
}

/* ---- a run that is drained now and then, and killed ---- */

struct killed_run {
    struct ring_bench bench;
    struct cptrace_ring *rings[RINGS];
    uint8_t *checkpoint;
    size_t checkpoint_bytes;
    uint64_t begun_bytes, file_bytes;
    struct cptrace_transcoder_options options;
};

/* What is read ahead stays in the rings. */
static void read_rings(struct killed_run *run, uint64_t slot_limit, uint64_t consumed[RINGS])
{
    const enum cptrace_status status = cptrace_transcoder_consume_all(run->bench.transcoder, run->rings, RINGS, slot_limit, consumed);
    cr_assert_eq(status, CPTRACE_OK, "%s", cptrace_status_name(status));
}

static void drain_rings(struct killed_run *run, uint64_t slot_limit)
{
    uint64_t consumed[RINGS];
    read_rings(run, slot_limit, consumed);
    cr_assert_eq(cptrace_writer_flush(run->bench.writer, NULL), CPTRACE_OK);
    const uint8_t *bytes;
    cr_assert_eq(cptrace_transcoder_checkpoint(run->bench.transcoder, &bytes, &run->checkpoint_bytes), CPTRACE_OK);
    run->checkpoint = realloc(run->checkpoint, run->checkpoint_bytes);
    memcpy(run->checkpoint, bytes, run->checkpoint_bytes);
    run->file_bytes = run->bench.file.length;
    for (int i = 0; i < RINGS; i++)
        cptrace_ring_release(run->rings[i], consumed[i]);
}

static uint64_t random_slot_limit(uint64_t *state) { return random_below(state, 2) ? UINT64_MAX : random_below(state, 300); }

static void record_random(struct killed_run *run, unsigned seed)
{
    uint64_t state = seed;
    *run =
        (struct killed_run){.options = {.max_depth = random_below(&state, 3) ? 0 : 5, .min_call_ticks = random_below(&state, 3) ? 0 : 9}};
    open_bench(&run->bench, &run->options, 1024);
    cr_assert_eq(cptrace_writer_flush(run->bench.writer, NULL), CPTRACE_OK);
    run->begun_bytes = run->bench.file.length;
    run->rings[0] = run->bench.ring;
    for (uint32_t i = 1; i < RINGS; i++)
        run->rings[i] = make_ring(i, 1024);
    const bool leaves_out = random_below(&state, 2);
    for (int i = 0; i < RINGS; i++) {
        run->bench.ring = run->rings[i];
        define_all(&run->bench, leaves_out);
    }
    /* What is left out is told of at the end of each round: the same in all, but not in the same events. */
    const bool is_whole = !leaves_out && !run->options.max_depth && !run->options.min_call_ticks;
    uint64_t consumed[RINGS];
    for (uint32_t left = random_below(&state, 1500); left > 0; left--) {
        run->bench.ring = run->rings[random_below(&state, RINGS)];
        if (atomic_load(&run->bench.ring->head) - atomic_load(&run->bench.ring->tail) > 900)
            drain_rings(run, UINT64_MAX);
        else if (random_below(&state, 300) == 0)
            drain_rings(run, random_slot_limit(&state));
        else if (is_whole && random_below(&state, 100) == 0)
            read_rings(run, random_slot_limit(&state), consumed);
        put_something(&run->bench, &state);
    }
}

static void free_run(struct killed_run *run)
{
    for (int i = 1; i < RINGS; i++)
        free(run->rings[i]);
    run->bench.ring = run->rings[0];
    free(run->checkpoint);
    close_bench(&run->bench);
}

static struct left_run left_of(const struct killed_run *run, bool spooled)
{
    return (struct left_run){.trace = &run->bench.file,
                             .written_bytes = run->file_bytes ? run->file_bytes : run->begun_bytes,
                             .begun_bytes = run->begun_bytes,
                             .spooled = spooled && run->file_bytes < CPTRACE_RING_FILE_SPOOL_BYTES,
                             .checkpoint = run->checkpoint,
                             .checkpoint_bytes = run->checkpoint_bytes,
                             .rings = run->rings,
                             .ring_count = RINGS,
                             .options = run->options};
}

/* The run as it would have ended. */
static void finish_uninterrupted(struct killed_run *run, struct log *log)
{
    uint64_t consumed[RINGS];
    read_rings(run, UINT64_MAX, consumed);
    cptrace_transcoder_finish(run->bench.transcoder, cptrace_writer_last_tick(run->bench.writer));
    cr_assert_eq(cptrace_writer_finish(run->bench.writer, (struct cptrace_calibration){run->bench.tick, 100000, 1}, NULL, 0, NULL),
                 CPTRACE_OK);
    struct cptrace_reader *reader;
    cr_assert_eq(cptrace_reader_open_source(memory_source(&run->bench.file), &reader, NULL), CPTRACE_OK);
    cr_assert_eq(tell(reader, log), CPTRACE_END);
    cptrace_reader_close(reader);
}

/* How many calls had left-out ones open below them, and recorded ones in those. */
static size_t recover_and_compare(unsigned seed)
{
    struct killed_run run;
    struct left_files files;
    record_random(&run, seed);
    make_folder(&files);
    const struct left_run left = left_of(&run, seed % 2);
    leave_run(&files, &left);
    if (!left.spooled) { /* an append that the kill cut short */
        FILE *const part = fopen(files.part_path, "ab");
        fwrite(run.bench.file.bytes, 1, seed % 50, part);
        fclose(part);
    }
    struct log found, expected;
    struct cptrace_error error = {0};
    struct cptrace_reader *reader;
    cr_assert_eq(cptrace_reader_open(left.spooled || seed % 4 == 0 ? files.ring_path : files.part_path, &reader, &error), CPTRACE_OK,
                 "seed %u: %s", seed, error.message);
    cr_expect_eq(cptrace_recovery_kind(cptrace_reader_recovery(reader)), CPTRACE_LEFTOVER_RUN);
    cr_assert_null(cptrace_recovery_trouble(cptrace_reader_recovery(reader)), "seed %u: %s", seed,
                   cptrace_recovery_trouble(cptrace_reader_recovery(reader)));
    cr_expect_eq(tell(reader, &found), CPTRACE_END);
    cr_expect(cptrace_reader_has_index(reader));
    cptrace_reader_close(reader);
    finish_uninterrupted(&run, &expected);
    expect_same(&found, &expected, seed);
    remove_folder(&files);
    free_run(&run);
    return found.outer_count;
}

Test(recovery, is_the_run_that_was_not_killed)
{
    size_t outer_count = 0;
    for (unsigned seed = 1; seed <= 400; seed++)
        outer_count += recover_and_compare(seed);
    cr_expect_gt(outer_count, 50, "%zu", outer_count);
}

/* ---- what else may lie there ---- */

static void record_some(struct killed_run *run)
{
    unsigned seed = 7;
    for (record_random(run, seed); !run->checkpoint; record_random(run, ++seed))
        free_run(run);
}

static enum cptrace_leftover kind_at(const char *path, bool *troubled)
{
    struct cptrace_recovery *recovery;
    struct cptrace_error error = {0};
    cr_assert_eq(cptrace_recovery_open(path, &recovery, &error), CPTRACE_OK, "%s", error.message);
    const enum cptrace_leftover kind = cptrace_recovery_kind(recovery);
    *troubled = cptrace_recovery_trouble(recovery) != NULL;
    cptrace_recovery_close(recovery);
    return kind;
}

static void expect_kind(const char *path, enum cptrace_leftover expected)
{
    bool troubled;
    cr_expect_eq(kind_at(path, &troubled), expected, "%s", path);
    cr_expect_not(troubled);
}

Test(recovery, a_part_without_its_ring_is_cut)
{
    struct killed_run run;
    struct left_files files;
    record_some(&run);
    make_folder(&files);
    const struct left_run left = left_of(&run, false);
    leave_run(&files, &left);
    remove(files.ring_path);
    expect_kind(files.part_path, CPTRACE_LEFTOVER_CUT);

    struct cptrace_recovery *recovery;
    cr_assert_eq(cptrace_recovery_open(files.part_path, &recovery, NULL), CPTRACE_OK);
    cr_assert_eq(cptrace_recovery_end_cut(recovery, NULL), CPTRACE_OK);
    struct memory_file ended = {.bytes = malloc(1 << 20)};
    ended.length = (size_t)cptrace_recovery_read(recovery, 0, ended.bytes, 1 << 20);
    ended.length += (size_t)cptrace_recovery_read(recovery, ended.length, ended.bytes + ended.length, (1 << 20) - ended.length);
    const struct reading reading = read_everything(&ended);
    cr_expect_eq(reading.final_status, CPTRACE_END);
    cr_expect(reading.has_index);
    cr_expect_eq(reading.damage_count, 0);
    cptrace_recovery_close(recovery);
    memory_file_free(&ended);
    remove_folder(&files);
    free_run(&run);
}

/* Bytes before the last whole block stay in the trace as they are; it is told, so that the part is kept. */
Test(recovery, a_part_that_is_damaged)
{
    struct killed_run run;
    struct left_files files;
    record_some(&run);
    make_folder(&files);
    for (int with_ring = 0; with_ring < 2; with_ring++) {
        const struct left_run left = left_of(&run, false);
        leave_run(&files, &left);
        if (!with_ring)
            remove(files.ring_path);
        run.bench.file.bytes[run.file_bytes - 5] ^= 1; /* in the last block */
        write_bytes(files.part_path, run.bench.file.bytes, run.file_bytes);
        run.bench.file.bytes[run.file_bytes - 5] ^= 1;
        struct cptrace_recovery *recovery;
        cr_assert_eq(cptrace_recovery_open(files.part_path, &recovery, NULL), CPTRACE_OK);
        cr_assert_eq(cptrace_recovery_end_cut(recovery, NULL), CPTRACE_OK);
        cr_assert(cptrace_recovery_trouble(recovery));
        cr_expect(strstr(cptrace_recovery_trouble(recovery), "what was written is damaged, first at offset 0x"), "%s",
                  cptrace_recovery_trouble(recovery));
        cptrace_recovery_close(recovery);
    }
    remove_folder(&files);
    free_run(&run);
}

Test(recovery, a_process_that_lives_is_left_alone)
{
    struct killed_run run;
    struct left_files files;
    record_some(&run);
    make_folder(&files);
    const struct left_run left = left_of(&run, false);
    leave_run(&files, &left);
    const int owner = open(files.ring_path, O_RDWR);
    cr_assert_eq(flock(owner, LOCK_EX | LOCK_NB), 0);
    expect_kind(files.ring_path, CPTRACE_LEFTOVER_LIVE);
    expect_kind(files.part_path, CPTRACE_LEFTOVER_LIVE);
    close(owner);
    expect_kind(files.part_path, CPTRACE_LEFTOVER_RUN);

    struct cptrace_recovery *first, *second;
    cr_assert_eq(cptrace_recovery_open(files.ring_path, &first, NULL), CPTRACE_OK);
    cr_assert_eq(cptrace_recovery_open(files.ring_path, &second, NULL), CPTRACE_OK);
    cr_expect_eq(cptrace_recovery_kind(second), CPTRACE_LEFTOVER_RUN, "two may read it");
    cr_expect_not(cptrace_recovery_claim(first), "but not remove it");
    cptrace_recovery_close(second);
    cr_expect(cptrace_recovery_claim(first));
    cptrace_recovery_close(first);
    remove_folder(&files);
    free_run(&run);
}

Test(recovery, what_was_saved_is_no_leftover)
{
    struct killed_run run;
    struct left_files files;
    record_some(&run);
    make_folder(&files);
    const struct left_run left = left_of(&run, false);
    leave_run(&files, &left);
    rename(files.part_path, files.trace_path);
    expect_kind(files.ring_path, CPTRACE_LEFTOVER_IDLE);
    remove(files.trace_path);
    struct cptrace_recovery *recovery;
    cr_expect_eq(cptrace_recovery_open(files.ring_path, &recovery, NULL), CPTRACE_CORRUPT, "its part is gone");
    remove_folder(&files);
    free_run(&run);
}

Test(recovery, a_trace_that_was_whole_already)
{
    struct killed_run run;
    struct left_files files;
    record_some(&run);
    make_folder(&files);
    struct log log;
    finish_uninterrupted(&run, &log);
    free(log.events);
    struct left_run left = left_of(&run, false);
    left.written_bytes = run.bench.file.length;
    leave_run(&files, &left);
    struct cptrace_recovery *recovery;
    cr_assert_eq(cptrace_recovery_open(files.part_path, &recovery, NULL), CPTRACE_OK);
    cr_assert_eq(cptrace_recovery_end_cut(recovery, NULL), CPTRACE_OK);
    uint8_t *const bytes = malloc(run.bench.file.length + 1);
    cr_assert_eq(cptrace_recovery_read(recovery, 0, bytes, run.bench.file.length + 1), (int64_t)run.bench.file.length);
    cr_expect_eq(memcmp(bytes, run.bench.file.bytes, run.bench.file.length), 0, "as it was");
    free(bytes);
    cptrace_recovery_close(recovery);
    remove_folder(&files);
    free_run(&run);
}

/* A ring that went round without being drained, since its run could write no more. */
Test(recovery, rings_that_were_overrun_hold_nothing)
{
    struct killed_run run;
    struct left_files files;
    record_some(&run);
    make_folder(&files);
    for (int i = 0; i < RINGS; i++)
        atomic_store(&run.rings[i]->head, atomic_load(&run.rings[i]->tail) + 5000);
    const struct left_run left = left_of(&run, false);
    leave_run(&files, &left);
    bool troubled;
    cr_expect_eq(kind_at(files.part_path, &troubled), CPTRACE_LEFTOVER_RUN);
    cr_expect(troubled);
    remove_folder(&files);
    free_run(&run);
}

/* ---- hostile ring files ---- */

static void open_and_read(const char *path)
{
    struct cptrace_reader *reader;
    if (cptrace_reader_open(path, &reader, NULL) != CPTRACE_OK)
        return;
    struct cptrace_events events = {0};
    struct cptrace_block block;
    while (cptrace_reader_next(reader, &block, NULL) == CPTRACE_OK)
        if (block.kind == CPTRACE_BLOCK_EVENTS)
            cptrace_events_decode(&block, &events, NULL);
    cptrace_events_free(&events);
    cptrace_reader_close(reader);
}

/* Bytes of the ring file change, and the checkpoint's checksum is made to fit: nothing but the bounds protects the reader. */
Test(recovery, hostile_ring_files)
{
    struct killed_run run;
    struct left_files files;
    record_some(&run);
    make_folder(&files);
    const struct left_run left = left_of(&run, false);
    leave_run(&files, &left);
    size_t length;
    uint8_t *const bytes = read_bytes(files.ring_path, &length), *const changed = malloc(length);
    uint8_t *const checkpoint = changed + CPTRACE_RING_FILE_HEAD_BYTES + CPTRACE_RING_HEADER_BYTES;
    uint64_t state = 3;
    for (int round = 0; round < 3000; round++) {
        memcpy(changed, bytes, length);
        for (uint32_t left_to_do = 1 + random_below(&state, 3); left_to_do > 0; left_to_do--) {
            static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
            const uint32_t where = random_below(&state, 4);
            const size_t at = where == 0   ? random_below(&state, 512)
                              : where == 1 ? CPTRACE_RING_FILE_HEAD_BYTES + random_below(&state, 600)
                              : where == 2 ? (size_t)(checkpoint - changed) + random_below(&state, (uint32_t)run.checkpoint_bytes)
                                           : random_below(&state, (uint32_t)length);
            changed[at] = random_below(&state, 2) ? values[random_below(&state, sizeof values)] : (uint8_t)random_below(&state, 256);
        }
        const uint32_t crc = cptrace_crc32(0, checkpoint, run.checkpoint_bytes - 4);
        store_u32(checkpoint + run.checkpoint_bytes - 4, crc);
        write_bytes(files.ring_path, changed, length);
        open_and_read(files.ring_path);
    }
    free(changed);
    free(bytes);
    remove_folder(&files);
    free_run(&run);
}

Test(recovery, ring_files_that_end_anywhere)
{
    struct killed_run run;
    struct left_files files;
    record_some(&run);
    make_folder(&files);
    const struct left_run left = left_of(&run, false);
    leave_run(&files, &left);
    size_t length;
    uint8_t *const bytes = read_bytes(files.ring_path, &length);
    for (size_t cut = 0; cut < length; cut += 997) {
        write_bytes(files.ring_path, bytes, cut);
        open_and_read(files.ring_path);
    }
    free(bytes);
    remove_folder(&files);
    free_run(&run);
}

/* The 1st, 2nd, 3rd … allocation of opening and replaying a trace, or a part of it, or of writing it anew, fails, until none is left to
 * fail: "no memory" each time, no leak, no crash, no hang of the helper thread. Linked with --wrap, as test_memory.c. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "cptrace/writer.h"
#include "platform/platform.h"
#include "replay/replay.h"
#include "rewrite/rewrite.h"

static _Atomic long allocations_left = -1; /* negative: none fails */
static _Atomic long allocation_count;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

/* From the first failure on all fail, as when memory is really out. */
static bool fails(void)
{
    ++allocation_count;
    long left = allocations_left;
    while (left > 0 && !atomic_compare_exchange_weak(&allocations_left, &left, left - 1))
        continue;
    return left == 0;
}

void *__wrap_malloc(size_t size) { return fails() ? NULL : __real_malloc(size); }

void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : __real_calloc(count, size); }

void *__wrap_realloc(void *old, size_t size) { return fails() ? NULL : __real_realloc(old, size); }

static int append_to_file(void *context, const void *bytes, size_t length)
{
    return fwrite(bytes, 1, length, context) == length ? 0 : errno;
}

/* Deep stacks, many paths, many suspended generators, several lanes and blocks: every table grows. */
static char *write_trace(uint32_t size, uint32_t idle_lanes)
{
    char *path;
    FILE *file = platform_temporary_file(NULL, &path);
    const struct cptrace_writer_options options = {.file_id = 3, .ns_per_tick_q32 = (uint64_t)4 << 32, .block_event_count = 400};
    struct cptrace_error error;
    struct cptrace_writer *writer = cptrace_writer_create((struct cptrace_sink){append_to_file, file}, &options, &error);
    cr_assert(writer);
    const struct cptrace_pair labels[] = {{{"label:route", 11}, {"/", 1}}, {{"label:user", 10}, {"7", 1}}};
    cptrace_writer_info(writer, labels, 2);
    for (uint32_t i = 0; i < 4; ++i) {
        const struct cptrace_function function = {.file = CPTRACE_NO_NUMBER, .line = i, .category = CPTRACE_CATEGORY_USER};
        cptrace_writer_define_function(writer, &function);
    }
    uint64_t tick = 0;
    for (uint32_t lane_number = 0; lane_number < 3; ++lane_number) {
        struct cptrace_lane_writer *lane = cptrace_writer_define_lane(writer, lane_number, (struct cptrace_string){"lane", 4});
        for (uint32_t i = 0; i < size; ++i) {
            const uint32_t activation = cptrace_lane_start(lane, ++tick, 3);
            if (i % 100 == 0)
                cptrace_writer_define_task(writer, (struct cptrace_string){"task", 4}, activation, activation / 2);
            cptrace_lane_arguments(lane, tick, (struct cptrace_string){"x=1", 3});
            cptrace_lane_suspend(lane, ++tick);
            cptrace_lane_call(lane, ++tick, i % 3);
            cptrace_lane_cpu(lane, ++tick, i, 0);
            cptrace_lane_arguments(lane, tick, (struct cptrace_string){"y=2", 3});
            cptrace_lane_omitted(lane, ++tick, 1, 1);
        }
    }
    for (uint32_t i = 0; i < idle_lanes; ++i)
        cptrace_writer_define_idle_lane(writer, i, (struct cptrace_string){"idle", 4});
    const struct cptrace_calibration end = {tick, tick * 4, tick * 4};
    cr_assert_eq(cptrace_writer_finish(writer, end, labels, 1, &error), CPTRACE_OK);
    cptrace_writer_free(writer);
    cr_assert_eq(fclose(file), 0);
    return path;
}

static enum cptrace_status open_and_replay(const char *path)
{
    struct trace *trace;
    struct cptrace_error error = {0};
    const enum cptrace_status status = trace_open(path, &trace, &error);
    if (status != CPTRACE_OK) {
        cr_assert_null(trace);
        return status;
    }
    struct replay_result result;
    const int stopped = trace_replay(trace, NULL, 0, NULL, NULL, &result, &error);
    trace_close(trace);
    cr_assert_leq(stopped, 0);
    return (enum cptrace_status) - stopped;
}

static enum cptrace_status replay_a_part(const char *path)
{
    const bool functions[] = {true, false, false, false};
    const struct trace_selection selection = {100, UINT64_MAX, NULL, functions};
    struct trace *trace;
    struct cptrace_error error = {0};
    struct replay_result result;
    enum cptrace_status status = trace_survey(path, &trace, &error);
    if (status == CPTRACE_OK)
        status = trace_select(trace, &selection);
    if (status == CPTRACE_OK)
        status = (enum cptrace_status) - trace_replay(trace, NULL, 0, NULL, NULL, &result, &error);
    trace_close(trace);
    return status;
}

static int forget_bytes(void *context, const void *bytes, size_t length)
{
    (void)context;
    (void)bytes;
    (void)length;
    return 0;
}

static enum cptrace_status write_anew(struct trace *trace)
{
    static const struct redaction redaction = {.texts = true};
    struct timeline timeline = {0};
    struct rewrite *rewrite = NULL;
    struct cptrace_error error = {0};
    if (!timeline_init(&timeline, trace))
        return CPTRACE_NO_MEMORY;
    const struct rewrite_options options = {
        .sink = {forget_bytes, NULL},
        .run_id = trace_facts(trace)->header->run_id,
        .start_ns = trace_facts(trace)->header->start.monotonic_ns,
        .timeline = &timeline,
        .redaction = &redaction,
    };
    const struct rewrite_input input = {.trace = trace, .owns_timeline = true, .lane_owner = "pid 1"};
    enum cptrace_status status = rewrite_create(&options, &rewrite, &error);
    if (status == CPTRACE_OK)
        status = rewrite_add(rewrite, &input, &error);
    if (status == CPTRACE_OK)
        status = rewrite_finish(rewrite, options.start_ns + trace_facts(trace)->wall_ns, NULL, 0, &error);
    cr_assert_eq(status == CPTRACE_OK, error.status == CPTRACE_OK);
    rewrite_free(rewrite);
    timeline_free(&timeline);
    return status;
}

static enum cptrace_status open_and_write_anew(const char *path)
{
    struct trace *trace;
    const enum cptrace_status opened = trace_open(path, &trace, NULL);
    if (opened != CPTRACE_OK)
        return opened;
    const enum cptrace_status status = write_anew(trace);
    trace_close(trace);
    return status;
}

static void let_every_allocation_fail(enum cptrace_status (*work)(const char *path), uint32_t size)
{
    char *path = write_trace(size, 0);
    long failures = 0;
    for (;; ++failures) {
        allocations_left = failures;
        const enum cptrace_status status = work(path);
        const bool none_failed = allocations_left > 0;
        allocations_left = -1;
        if (none_failed) {
            cr_assert_eq(status, CPTRACE_OK);
            break;
        }
        /* OK: without a helper thread the replay works alone. IO_ERROR: the file was not opened, with ENOMEM as the reason. */
        cr_assert(status == CPTRACE_NO_MEMORY || status == CPTRACE_OK || status == CPTRACE_IO_ERROR, "allocation %ld: status %d", failures,
                  (int)status);
    }
    cr_assert_gt(failures, 30);
    platform_remove_file(path);
    free(path);
}

Test(replay_memory, replay) { let_every_allocation_fail(open_and_replay, 500); }

Test(replay_memory, part) { let_every_allocation_fail(replay_a_part, 150); }

static long count_allocations(enum cptrace_status (*work)(const char *path), uint32_t idle_lanes)
{
    char *path = write_trace(20, idle_lanes);
    allocation_count = 0;
    cr_assert_eq(work(path), CPTRACE_OK);
    const long count = allocation_count;
    platform_remove_file(path);
    free(path);
    return count;
}

/* Tables of lanes grow a little more often. */
Test(replay_memory, lanes_without_events_allocate_nothing)
{
    enum { IDLE_LANES = 20000, GROWTHS = 200 };
    cr_assert_lt(count_allocations(open_and_replay, IDLE_LANES), count_allocations(open_and_replay, 0) + GROWTHS);
    cr_assert_lt(count_allocations(open_and_write_anew, IDLE_LANES), count_allocations(open_and_write_anew, 0) + GROWTHS);
}

Test(replay_memory, rewrite) { let_every_allocation_fail(open_and_write_anew, 150); }

/* The 1st, 2nd, 3rd … allocation of the library fails until none is left to fail: a status each time, no leak, no crash. Linked with
 * --wrap, so that only calls from this program and the library are counted. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "cptrace/recovery.h"
#include "ring_bench.h"
#include "ring_file_bench.h"

static long allocations_left = -1; /* negative: none fails */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool fails(void)
{
    if (allocations_left < 0)
        return false;
    return allocations_left == 0 || allocations_left-- == 0;
}

void *__wrap_malloc(size_t size) { return fails() ? NULL : __real_malloc(size); }

void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : __real_calloc(count, size); }

void *__wrap_realloc(void *old, size_t size) { return fails() ? NULL : __real_realloc(old, size); }

/* The test's own file grows without failing. */
static int append(void *context, const void *bytes, size_t length)
{
    const long left = allocations_left;
    allocations_left = -1;
    const int result = memory_sink(context).append(context, bytes, length);
    allocations_left = left;
    return result;
}

static void use_lane(struct cptrace_writer *writer, struct cptrace_lane_writer *lane)
{
    for (uint64_t i = 0; lane && i < 3000; i++) {
        cptrace_lane_call(lane, 2000 + i * 9, (uint32_t)(i % 40));
        cptrace_lane_suspend(lane, 2001 + i * 9);
        cptrace_lane_resume(lane, 2002 + i * 9, cptrace_lane_start(lane, 2002 + i * 9, 1));
        cptrace_lane_resume(lane, 2003 + i * 9, cptrace_writer_adopt(writer, 2));
        cptrace_lane_cpu(lane, 2004 + i * 9, i, i);
        cptrace_lane_counter(lane, 2004 + i * 9, 0.5, text("a counter whose name needs room"));
        cptrace_lane_arguments(lane, 2004 + i * 9, text("x=1"));
        cptrace_lane_omitted(lane, 2004 + i * 9, 1, i);
        cptrace_lane_suspend(lane, 2004 + i * 9);
    }
}

static enum cptrace_status write_file(struct memory_file *file)
{
    *file = (struct memory_file){.appends_left = -1};
    const struct cptrace_writer_options options = {.file_id = 1, .ns_per_tick_q32 = 1, .block_event_count = 500};
    struct cptrace_error error = {0};
    struct cptrace_writer *const writer = cptrace_writer_create((struct cptrace_sink){append, file}, &options, &error);
    if (!writer)
        return error.status;
    define_functions(writer, 200);
    for (int i = 0; i < 2; i++)
        use_lane(writer, cptrace_writer_define_lane(writer, 1, text("MainThread")));
    const enum cptrace_status status = cptrace_writer_finish(writer, (struct cptrace_calibration){90000, 1, 1}, NULL, 0, &error);
    cptrace_writer_free(writer);
    return status;
}

Test(memory, every_allocation_of_the_writer_fails)
{
    enum cptrace_status status = CPTRACE_NO_MEMORY;
    for (long n = 0; status == CPTRACE_NO_MEMORY; n++) {
        struct memory_file file;
        allocations_left = n;
        status = write_file(&file);
        allocations_left = -1;
        cr_assert(status == CPTRACE_OK || status == CPTRACE_NO_MEMORY);
        if (file.length > 0) {
            const struct reading reading = read_everything(&file);
            cr_assert_eq(reading.damage_count, 0, "allocation %ld: %s", n, reading.damage.message);
            /* When it is the index that has no memory, the file ends behind its end block. */
            cr_assert_eq(reading.has_index, status == CPTRACE_OK);
        }
        memory_file_free(&file);
    }
}

Test(memory, every_allocation_of_the_reader_fails)
{
    struct memory_file file;
    cr_assert_eq(write_file(&file), CPTRACE_OK);
    enum cptrace_status status = CPTRACE_NO_MEMORY;
    for (long n = 0; status == CPTRACE_NO_MEMORY; n++) {
        allocations_left = n;
        const struct reading reading = read_everything(&file);
        allocations_left = -1;
        status = reading.open_status == CPTRACE_OK ? reading.final_status : reading.open_status;
        if (status == CPTRACE_END && reading.decode_failures) /* decoding alone ran out of memory */
            status = reading.damage.status;
    }
    cr_assert_eq(status, CPTRACE_END);
    memory_file_free(&file);
}

/* Spans, tasks, text, pending calls with cpu times, and enough frames that every table grows. */
static void fill_ring(struct ring_bench *bench)
{
    put_definition_as(bench, CPTRACE_RING_DEFINE, 0, "coroutine", CPTRACE_FUNCTION_COROUTINE);
    put_definition_as(bench, CPTRACE_RING_DEFINE, 300, "span", CPTRACE_FUNCTION_SPAN);
    put_definition_as(bench, CPTRACE_RING_DEFINE_OMITTED, 1, "hidden", 0);
    put_definition(bench, 2, "plain");
    for (uint64_t frame = 1; frame <= 300; frame++) {
        put_pair(bench, CPTRACE_RING_TASK, 0, frame * 64);
        put_pair(bench, CPTRACE_RING_START, 0, frame * 64);
        put_text(bench, CPTRACE_RING_TASK_NAME, "Task");
        put(bench, CPTRACE_RING_SPAN_BEGIN, 300);
        put_text(bench, CPTRACE_RING_MARK, "a mark of more than one slot");
        put(bench, CPTRACE_RING_SUSPEND, 0);
        put(bench, CPTRACE_RING_CALL, frame % 2 ? 1 : 2);
        put_pair(bench, CPTRACE_RING_CPU, frame, frame);
    }
}

static enum cptrace_status transcode(struct cptrace_ring *ring, struct memory_file *file)
{
    *file = (struct memory_file){.appends_left = -1};
    const struct cptrace_writer_options options = {.file_id = 1, .ns_per_tick_q32 = 1};
    const struct cptrace_transcoder_options filters = {.min_call_ticks = 1000000};
    struct cptrace_writer *const writer = cptrace_writer_create((struct cptrace_sink){append, file}, &options, NULL);
    struct cptrace_transcoder *const transcoder = writer ? cptrace_transcoder_create(writer, &filters) : NULL;
    enum cptrace_status status = transcoder ? CPTRACE_OK : CPTRACE_NO_MEMORY;
    uint64_t consumed;
    if (status == CPTRACE_OK)
        status = cptrace_transcoder_consume_all(transcoder, &ring, 1, UINT64_MAX, &consumed);
    if (status == CPTRACE_OK) {
        cptrace_transcoder_finish(transcoder, 1000000);
        status = cptrace_writer_finish(writer, (struct cptrace_calibration){1000000, 1, 1}, NULL, 0, NULL);
    }
    cptrace_transcoder_free(transcoder);
    cptrace_writer_free(writer);
    return status;
}

Test(memory, every_allocation_of_the_transcoder_fails)
{
    struct ring_bench bench = {.ring = make_ring(0, 8192), .tick = 2000};
    fill_ring(&bench);
    enum cptrace_status status = CPTRACE_NO_MEMORY;
    long n = 0;
    for (; status == CPTRACE_NO_MEMORY; n++) {
        struct memory_file file;
        allocations_left = n;
        status = transcode(bench.ring, &file);
        allocations_left = -1;
        memory_file_free(&file);
    }
    cr_expect_eq(status, CPTRACE_OK);
    cr_expect_gt(n, 20);
    free(bench.ring);
}

/* Drains, checkpoints and leaves the run. */
static void leave(struct ring_bench *bench, const struct left_files *files)
{
    struct memory_file file = {.appends_left = -1};
    const struct cptrace_writer_options options = {.file_id = 1, .ns_per_tick_q32 = 1};
    const struct cptrace_transcoder_options filters = {.min_call_ticks = 1000000};
    struct cptrace_writer *const writer = cptrace_writer_create((struct cptrace_sink){append, &file}, &options, NULL);
    struct cptrace_transcoder *const transcoder = cptrace_transcoder_create(writer, &filters);
    uint64_t consumed;
    const uint8_t *checkpoint;
    struct left_run left = {.trace = &file, .rings = &bench->ring, .ring_count = 1, .options = filters};
    cr_assert_eq(cptrace_transcoder_consume_all(transcoder, &bench->ring, 1, UINT64_MAX, &consumed), CPTRACE_OK);
    cr_assert_eq(cptrace_writer_flush(writer, NULL), CPTRACE_OK);
    cr_assert_eq(cptrace_transcoder_checkpoint(transcoder, &checkpoint, &left.checkpoint_bytes), CPTRACE_OK);
    left.checkpoint = checkpoint;
    left.written_bytes = left.begun_bytes = file.length;
    cptrace_ring_release(bench->ring, consumed);
    fill_ring(bench);
    leave_run(files, &left);
    cptrace_transcoder_free(transcoder);
    cptrace_writer_free(writer);
    memory_file_free(&file);
}

Test(memory, every_allocation_of_a_recovery_fails)
{
    struct ring_bench bench = {.ring = make_ring(0, 8192), .tick = 2000};
    struct left_files files;
    fill_ring(&bench);
    make_folder(&files);
    leave(&bench, &files);
    enum cptrace_status status = CPTRACE_NO_MEMORY;
    struct cptrace_error error;
    long n = 0;
    for (; status == CPTRACE_NO_MEMORY; n++) {
        struct cptrace_recovery *recovery;
        error = (struct cptrace_error){0};
        allocations_left = n;
        status = cptrace_recovery_open(files.part_path, &recovery, &error);
        allocations_left = -1;
        cr_assert(status != CPTRACE_OK || cptrace_recovery_kind(recovery) == CPTRACE_LEFTOVER_RUN);
        cptrace_recovery_close(recovery);
    }
    cr_expect_eq(status, CPTRACE_OK, "allocation %ld: %s: %s", n, cptrace_status_name(status), error.message);
    cr_expect_gt(n, 40);
    remove_folder(&files);
    free(bench.ring);
}

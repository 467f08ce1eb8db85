/* The 1st, 2nd, 3rd … allocation of the library fails until none is left to fail: a status each time, no leak, no crash. Linked with
 * --wrap, so that only calls from this program and the library are counted. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "memory_file.h"

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

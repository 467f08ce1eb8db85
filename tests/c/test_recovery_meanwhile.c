/* What happens to the files while they are read is done here by wrappers of what the reader asks of the system: a process that goes on, and
 * dies, between the moment when the head of its ring file is read and the moment when the file is locked; and files that somebody
 * truncates.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cptrace/recovery.h"
#include "os_files.h"
#include "ring_bench.h"
#include "ring_file_bench.h"

bool __real_cptrace_file_is_owned(const struct cptrace_file *file, uint64_t process_id);
bool __wrap_cptrace_file_is_owned(const struct cptrace_file *file, uint64_t process_id);
int64_t __real_cptrace_file_read_at(const struct cptrace_file *file, uint64_t offset, void *buffer, size_t capacity);
int64_t __wrap_cptrace_file_read_at(const struct cptrace_file *file, uint64_t offset, void *buffer, size_t capacity);

static struct left_files files;
static void (*meanwhile)(void);
static int times_asked;

bool __wrap_cptrace_file_is_owned(const struct cptrace_file *file, uint64_t process_id)
{
    times_asked++;
    if (meanwhile)
        meanwhile();
    return __real_cptrace_file_is_owned(file, process_id);
}

static int reads_until_truncated; /* 0: it is not, or it was */
static off_t truncated_to;

int64_t __wrap_cptrace_file_read_at(const struct cptrace_file *file, uint64_t offset, void *buffer, size_t capacity)
{
    if (reads_until_truncated > 0 && --reads_until_truncated == 0) {
        truncate(files.ring_path, truncated_to);
        truncate(files.part_path, truncated_to);
    }
    return __real_cptrace_file_read_at(file, offset, buffer, capacity);
}

/* ---- what the process did ---- */

static void change_head(size_t offset, const void *bytes, size_t length)
{
    const int file = open(files.ring_path, O_WRONLY);
    cr_assert_geq(file, 0);
    cr_assert_eq(pwrite(file, bytes, length, (off_t)offset), (ssize_t)length);
    close(file);
}

static void ended_its_run(void)
{
    const uint32_t idle = CPTRACE_RING_FILE_IDLE;
    rename(files.part_path, files.trace_path);
    change_head(offsetof(struct cptrace_ring_file, state), &idle, sizeof idle);
}

static void began_another_run(void)
{
    const uint32_t file_id = 0x5eed;
    change_head(offsetof(struct cptrace_ring_file, file_id), &file_id, sizeof file_id);
}

static void drained(void)
{
    const uint64_t offset = CPTRACE_RING_FILE_HEAD_BYTES + 8192;
    change_head(offsetof(struct cptrace_ring_file, checkpoint_offset), &offset, sizeof offset);
}

static void moved_its_spool(void)
{
    const uint64_t none = 0;
    change_head(offsetof(struct cptrace_ring_file, spool_bytes), &none, sizeof none);
}

static void cut_the_file(void) { cr_assert_eq(truncate(files.ring_path, 100), 0); }

/* ---- what is told of it ---- */

/* f is called, and the process dies. */
static void leave_one_call(bool spooled)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, 256);
    cr_assert_eq(cptrace_writer_flush(bench.writer, NULL), CPTRACE_OK);
    put_definition(&bench, 0, "f");
    put(&bench, CPTRACE_RING_CALL, 0);
    make_folder(&files);
    leave_run(&files, &(struct left_run){.trace = &bench.file,
                                         .written_bytes = bench.file.length,
                                         .begun_bytes = bench.file.length,
                                         .spooled = spooled,
                                         .rings = &bench.ring,
                                         .ring_count = 1});
    close_bench(&bench);
    times_asked = 0;
}

static void expect_kind(const char *path, enum cptrace_leftover kind)
{
    struct cptrace_recovery *recovery;
    struct cptrace_error error = {0};
    meanwhile = NULL;
    cr_assert_eq(cptrace_recovery_open(path, &recovery, &error), CPTRACE_OK, "%s", error.message);
    cr_expect_eq(cptrace_recovery_kind(recovery), kind);
    cptrace_recovery_close(recovery);
}

static void expect_try_again(void (*what)(void), bool spooled, bool from_part)
{
    leave_one_call(spooled);
    meanwhile = what;
    struct cptrace_recovery *recovery;
    struct cptrace_error error = {0};
    cr_expect_eq(cptrace_recovery_open(from_part ? files.part_path : files.ring_path, &recovery, &error), CPTRACE_IO_ERROR);
    cr_expect_null(recovery);
    cr_expect(strstr(error.message, "its process ended while it was being read: try again"), "%s", error.message);
    cr_expect_eq(times_asked, 1);
    meanwhile = NULL;
}

Test(recovery_meanwhile, nothing_happened)
{
    leave_one_call(false);
    expect_kind(files.ring_path, CPTRACE_LEFTOVER_RUN);
    expect_kind(files.part_path, CPTRACE_LEFTOVER_RUN);
    cr_expect_eq(times_asked, 2);
    remove_folder(&files);
}

Test(recovery_meanwhile, the_run_ended)
{
    expect_try_again(ended_its_run, false, false);
    expect_kind(files.ring_path, CPTRACE_LEFTOVER_IDLE);
    remove_folder(&files);
    expect_try_again(ended_its_run, false, true);
    remove_folder(&files);
}

Test(recovery_meanwhile, another_run_began)
{
    expect_try_again(began_another_run, false, false);
    remove_folder(&files);
}

Test(recovery_meanwhile, a_checkpoint_was_written)
{
    expect_try_again(drained, false, true);
    remove_folder(&files);
}

Test(recovery_meanwhile, the_spool_became_a_part)
{
    expect_try_again(moved_its_spool, true, false);
    remove_folder(&files);
}

Test(recovery_meanwhile, the_file_was_truncated)
{
    expect_try_again(cut_the_file, true, false);
    expect_kind(files.ring_path, CPTRACE_LEFTOVER_IDLE);
    remove_folder(&files);
}

/* ---- truncated at any of the reads ---- */

/* All bytes of the trace; false: it could not be read to its end, and that was told. */
static bool read_trace(const struct cptrace_recovery *recovery, struct memory_file *trace)
{
    int64_t count;
    trace->bytes = malloc(1 << 16);
    while ((count = cptrace_recovery_read(recovery, trace->length, trace->bytes + trace->length, 777)) > 0) {
        trace->length += (size_t)count;
        cr_assert_lt(trace->length, (1 << 16) - 777);
    }
    return count == 0;
}

struct outcome {
    bool told; /* an error, or what the trace lacks */
    size_t event_count;
};

static struct outcome recover_truncated(const char *path, int reads, off_t to)
{
    struct outcome outcome = {.told = true};
    struct cptrace_recovery *recovery;
    struct memory_file trace = {0};
    reads_until_truncated = reads;
    truncated_to = to;
    if (cptrace_recovery_open(path, &recovery, NULL) != CPTRACE_OK)
        return outcome;
    if (cptrace_recovery_kind(recovery) == CPTRACE_LEFTOVER_RUN && cptrace_recovery_end_cut(recovery, NULL) == CPTRACE_OK &&
        read_trace(recovery, &trace)) {
        const struct reading reading = read_everything(&trace);
        cr_expect_eq(reading.final_status, CPTRACE_END, "%s after %d reads, to %d bytes: a trace without its end", path, reads, (int)to);
        outcome = (struct outcome){cptrace_recovery_trouble(recovery) != NULL, reading.event_count};
    }
    memory_file_free(&trace);
    cptrace_recovery_close(recovery);
    return outcome;
}

/* What was read before is the run; what could not be read is told: never a trace that lacks something in silence. */
static void expect_whole_or_told(bool spooled, bool from_part)
{
    static const off_t lengths[] = {0, 100, CPTRACE_RING_FILE_HEAD_BYTES, CPTRACE_RING_FILE_HEAD_BYTES + 100,
                                    CPTRACE_RING_FILE_HEAD_BYTES + CPTRACE_RING_HEADER_BYTES + 16};
    int told = 0, whole = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int reads = 1, more = 1; more; reads++) {
            leave_one_call(spooled);
            const struct outcome outcome = recover_truncated(from_part ? files.part_path : files.ring_path, reads, lengths[i]);
            more = reads_until_truncated == 0;
            reads_until_truncated = 0;
            cr_expect(outcome.told || outcome.event_count == 1, "after %d reads, to %d bytes", reads, (int)lengths[i]);
            told += outcome.told;
            whole += !outcome.told;
            remove_folder(&files);
        }
    }
    cr_expect_gt(told, 4);
    cr_expect_gt(whole, 3);
}

Test(recovery_meanwhile, truncated_while_it_is_read)
{
    expect_whole_or_told(true, false);
    expect_whole_or_told(false, false);
    expect_whole_or_told(false, true);
}

/* A process that goes on, and dies, between the moment when the head of its ring file is read and the moment when the file is locked: what
 * it did in between is done here, by a wrapper of what stands between the two. */
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

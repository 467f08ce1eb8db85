/* Every status has a file that produces it; a writer whose sink fails leaves a valid, cut file. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "crc32.h"
#include "memory_file.h"
#include "spec_example.h"

/* A file of several blocks whose sink fails at append number appends; returns the status of finish. */
static enum cptrace_status write_failing(struct memory_file *file, int appends, struct cptrace_error *error)
{
    struct cptrace_writer *const writer = memory_writer(file, 16);
    file->appends_left = appends;
    define_functions(writer, 3);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 1, text("MainThread"));
    for (uint64_t tick = 1000; lane && tick < 1400; tick += 4) {
        cptrace_lane_call(lane, tick, 0);
        const uint32_t activation = cptrace_lane_start(lane, tick + 1, 1);
        cptrace_lane_suspend(lane, tick + 2);
        cptrace_lane_resume(lane, tick + 2, activation);
        cptrace_lane_return(lane, tick + 3);
    }
    cptrace_writer_flush(writer, NULL);
    const enum cptrace_status status = cptrace_writer_finish(writer, (struct cptrace_calibration){1400, 1, 1}, NULL, 0, error);
    cr_assert_eq(status, cptrace_writer_status(writer));
    cptrace_writer_free(writer);
    return status;
}

Test(failures, the_sink_fails_at_every_append)
{
    struct cptrace_error error;
    enum cptrace_status status = CPTRACE_IO_ERROR;
    for (int appends = 0; status == CPTRACE_IO_ERROR; appends++) {
        struct memory_file file;
        status = write_failing(&file, appends, &error);
        cr_assert(status == CPTRACE_OK || status == CPTRACE_IO_ERROR);
        const struct reading reading = read_everything(&file);
        cr_assert_eq(reading.damage_count, 0);
        cr_assert_eq(reading.decode_failures, 0);
        if (status == CPTRACE_OK) {
            cr_assert_eq(reading.final_status, CPTRACE_END);
        } else {
            cr_assert(strstr(error.message, strerror(ENOSPC)), "%s", error.message);
            cr_assert_eq(reading.final_status, CPTRACE_TRUNCATED);
            /* The header was written; each further append but the failed one is a block (the last may be the end block). */
            cr_assert_eq(reading.block_count, (size_t)appends);
        }
        memory_file_free(&file);
    }
}

Test(failures, a_header_that_cannot_be_written)
{
    struct memory_file file = {.appends_left = 0};
    const struct cptrace_writer_options options = {.file_id = 1, .ns_per_tick_q32 = 1};
    struct cptrace_error error;
    cr_assert_null(cptrace_writer_create(memory_sink(&file), &options, &error));
    cr_assert_eq(error.status, CPTRACE_IO_ERROR);
    memory_file_free(&file);
}

Test(failures, misuse_is_told)
{
    struct memory_file file = {.appends_left = -1};
    struct cptrace_error error;
    cr_assert_null(cptrace_writer_create(memory_sink(&file), &(struct cptrace_writer_options){.file_id = 0}, &error));
    cr_assert_eq(error.status, CPTRACE_INVALID_ARGUMENT);

    struct cptrace_writer *writer = memory_writer(&file, 0);
    cptrace_writer_info(writer, NULL, 0);
    cptrace_writer_info(writer, NULL, 0);
    cr_assert_eq(cptrace_writer_flush(writer, &error), CPTRACE_INVALID_ARGUMENT);
    cptrace_writer_free(writer);
    memory_file_free(&file);

    writer = memory_writer(&file, 0);
    const struct cptrace_calibration end = {2000, 2, 2};
    cr_assert_eq(cptrace_writer_finish(writer, end, NULL, 0, NULL), CPTRACE_OK);
    cr_assert_eq(cptrace_writer_finish(writer, end, NULL, 0, NULL), CPTRACE_INVALID_ARGUMENT);
    cptrace_writer_free(writer);
    cr_assert_eq(read_everything(&file).final_status, CPTRACE_END);
    memory_file_free(&file);
    cptrace_writer_free(NULL);
    cptrace_reader_close(NULL);
}

static enum cptrace_status open_status(struct memory_file *file) { return read_everything(file).open_status; }

Test(statuses, not_a_trace)
{
    struct memory_file file = {.appends_left = -1};
    cr_assert_eq(open_status(&file), CPTRACE_NOT_A_TRACE);
    uint8_t zeros[4096] = {0};
    file = (struct memory_file){.bytes = zeros, .length = sizeof zeros};
    cr_assert_eq(open_status(&file), CPTRACE_NOT_A_TRACE);
}

static void seal_header(struct memory_file *file) { store_u32(file->bytes + 76, cptrace_crc32(0, file->bytes + 8, 68)); }

Test(statuses, newer_version)
{
    struct memory_file file;
    write_spec_example(&file);
    file.bytes[16] = CPTRACE_FORMAT_VERSION + 1;
    seal_header(&file);
    cr_assert_eq(open_status(&file), CPTRACE_NEWER_VERSION);
    file.bytes[76] ^= 1; /* whatever follows the version */
    cr_assert_eq(open_status(&file), CPTRACE_NEWER_VERSION);
    memory_file_free(&file);
}

Test(statuses, corrupt_header)
{
    struct memory_file file;
    write_spec_example(&file);
    file.bytes[30] ^= 3; /* one bit alone would be put back */
    cr_assert_eq(open_status(&file), CPTRACE_CORRUPT);
    file.bytes[30] ^= 3;
    static const uint8_t reserved[] = {18, 19, 72, 73, 74, 75};
    for (size_t i = 0; i < sizeof reserved; i++) {
        file.bytes[reserved[i]] = 1;
        seal_header(&file);
        cr_assert_eq(open_status(&file), CPTRACE_CORRUPT);
        file.bytes[reserved[i]] = 0;
    }
    memory_file_free(&file);
}

Test(statuses, end_and_truncated)
{
    struct memory_file file;
    write_spec_example(&file);
    cr_assert_eq(read_everything(&file).final_status, CPTRACE_END);
    file.length -= 100;
    cr_assert_eq(read_everything(&file).final_status, CPTRACE_TRUNCATED);
    memory_file_free(&file);
}

static int64_t failing_read(void *context, void *buffer, size_t capacity)
{
    struct memory_file *const file = context;
    if (file->position >= 100)
        return -EIO;
    const size_t count = capacity < 100 ? capacity : 100;
    memcpy(buffer, file->bytes, count);
    file->position += count;
    return (int64_t)count;
}

Test(statuses, io_error)
{
    struct memory_file file;
    struct cptrace_reader *reader;
    struct cptrace_block block;
    struct cptrace_error error;
    write_spec_example(&file);
    cr_assert_eq(cptrace_reader_open_source((struct cptrace_source){failing_read, &file}, &reader, &error), CPTRACE_OK);
    cr_assert_eq(cptrace_reader_next(reader, &block, &error), CPTRACE_IO_ERROR);
    cr_assert_eq(error.offset, 100);
    cr_assert_eq(cptrace_reader_next(reader, &block, NULL), CPTRACE_IO_ERROR);
    cptrace_reader_close(reader);
    cr_assert_eq(cptrace_reader_open("no/such/folder/x.cptrace", &reader, &error), CPTRACE_IO_ERROR);
    cr_assert_null(reader);
    memory_file_free(&file);
}

Test(statuses, read_block_needs_a_path)
{
    struct memory_file file;
    struct cptrace_reader *reader;
    struct cptrace_block block;
    struct cptrace_block_buffer buffer = {0};
    write_spec_example(&file);
    cptrace_reader_open_source(memory_source(&file), &reader, NULL);
    cptrace_reader_next(reader, &block, NULL);
    size_t count;
    const struct cptrace_block_entry *const entries = cptrace_reader_blocks(reader, &count);
    cr_assert_eq(count, 1);
    cr_assert_eq(cptrace_reader_read_block(reader, &entries[0], &buffer, &block, NULL), CPTRACE_INVALID_ARGUMENT);
    cptrace_block_buffer_free(&buffer);
    cptrace_reader_close(reader);
    memory_file_free(&file);
}

Test(statuses, all_have_names)
{
    for (int status = CPTRACE_OK; status <= CPTRACE_INVALID_ARGUMENT; status++)
        cr_assert_str_neq(cptrace_status_name((enum cptrace_status)status), "unknown status");
    cr_assert_str_eq(cptrace_status_name((enum cptrace_status)99), "unknown status");
}

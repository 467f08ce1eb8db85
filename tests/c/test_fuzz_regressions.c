/* Inputs that the fuzzers found, made by hand: each with what went wrong. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "bytes.h"
#include "checkpoint.h"
#include "cptrace/recovery.h"
#include "crc32.h"
#include "frame.h"
#include "ring_bench.h"
#include "ring_file_bench.h"

/* Appends a block of this content, with what is right around it. */
static void append_block(struct memory_file *file, uint8_t kind, uint32_t sequence, const void *body, size_t body_bytes)
{
    uint8_t content[256] = {kind};
    store_u32(store_u32(content + 4, 0xC0FFEE01), sequence);
    memcpy(content + BLOCK_HEADER_BYTES, body, body_bytes);
    uint8_t frame[512];
    ZSTD_CCtx *const compressor = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(compressor, ZSTD_c_checksumFlag, 1);
    const size_t length = ZSTD_compress2(compressor, frame, sizeof frame, content, BLOCK_HEADER_BYTES + body_bytes);
    ZSTD_freeCCtx(compressor);
    cr_assert_eq(memory_sink(file).append(file, frame, length), 0);
}

/* A header, and nothing behind it. */
static void write_header(struct memory_file *file)
{
    struct cptrace_writer *const writer = memory_writer(file, 0);
    cptrace_writer_free(writer);
    cr_assert_eq(file->length, HEADER_BYTES);
}

/* The sequence came round, so that a second info block was taken, and the pairs of the first one leaked. */
Test(fuzz_regressions, the_highest_sequence)
{
    struct memory_file file;
    write_header(&file);
    append_block(&file, CPTRACE_BLOCK_INFO, 0, "\1\1a\1b", 5);
    append_block(&file, 99, UINT32_MAX, "", 0);
    append_block(&file, CPTRACE_BLOCK_INFO, 0, "\1\1a\1b", 5);
    const struct reading reading = read_everything(&file);
    cr_expect_eq(reading.final_status, CPTRACE_TRUNCATED);
    cr_expect_eq(reading.damage_count, 2);
    cr_expect_eq(reading.info_count, 1);
    memory_file_free(&file);
}

static enum cptrace_status recover(struct memory_file *file, uint64_t begun_bytes, char *trouble, size_t capacity)
{
    struct left_files files;
    make_folder(&files);
    leave_run(&files, &(struct left_run){.trace = file, .written_bytes = file->length, .begun_bytes = begun_bytes, .spooled = true});
    struct cptrace_recovery *recovery;
    const enum cptrace_status status = cptrace_recovery_open(files.ring_path, &recovery, NULL);
    trouble[0] = 0;
    if (status == CPTRACE_OK) {
        if (cptrace_recovery_trouble(recovery))
            strncpy(trouble, cptrace_recovery_trouble(recovery), capacity - 1);
        cptrace_recovery_end_cut(recovery, NULL);
    }
    cptrace_recovery_close(recovery);
    remove_folder(&files);
    return status;
}

/* A trace that is cut inside its header was taken for one that has been read. */
Test(fuzz_regressions, a_spool_that_ends_in_its_header)
{
    struct memory_file file;
    char trouble[300] = "";
    write_header(&file);
    file.length = HEADER_BYTES - 30;
    cr_expect_eq(recover(&file, HEADER_BYTES - 30, trouble, sizeof trouble), CPTRACE_OK);
    cr_expect_neq(trouble[0], 0);
    memory_file_free(&file);
}

/* Strings that are all empty have no memory to point to. */
Test(fuzz_regressions, definitions_of_empty_strings)
{
    struct memory_file file;
    char trouble[300] = "";
    write_header(&file);
    append_block(&file, CPTRACE_BLOCK_INFO, 0, "\0", 1);
    uint8_t body[128] = {1, 100}; /* strings from number 1: 100, of no bytes; then four empty tables */
    append_block(&file, CPTRACE_BLOCK_DEFINITIONS, 1, body, 2 + 100 + 8);
    cr_expect_eq(recover(&file, file.length, trouble, sizeof trouble), CPTRACE_OK);
    cr_expect_str_eq(trouble, "");
    memory_file_free(&file);
}

/* A padding that is cut right behind its header, or its zeros: the search went on behind the end of what was read. */
Test(fuzz_regressions, a_padding_that_ends_the_file)
{
    for (size_t zeros = 0; zeros < 20; zeros++) {
        struct memory_file file;
        uint8_t padding[40] = {0};
        write_header(&file);
        store_u32(store_u32(padding, MAGIC_PADDING), 20);
        cr_assert_eq(memory_sink(&file).append(&file, padding, SKIPPABLE_HEADER_BYTES + zeros), 0);
        const struct reading reading = read_everything(&file);
        cr_expect_eq(reading.final_status, CPTRACE_TRUNCATED);
        memory_file_free(&file);
    }
}

/* A function with a huge number took a table of gigabytes. */
Test(fuzz_regressions, a_ring_that_defines_a_function_of_a_huge_number)
{
    struct ring_bench bench;
    struct left_files files;
    open_bench(&bench, NULL, RING_CAPACITY);
    cr_assert_eq(cptrace_writer_flush(bench.writer, NULL), CPTRACE_OK);
    put_definition(&bench, (1u << 24) + 1, "f");
    make_folder(&files);
    leave_run(&files, &(struct left_run){.trace = &bench.file,
                                         .written_bytes = bench.file.length,
                                         .begun_bytes = bench.file.length,
                                         .rings = &bench.ring,
                                         .ring_count = 1});
    struct cptrace_recovery *recovery;
    cr_assert_eq(cptrace_recovery_open(files.part_path, &recovery, NULL), CPTRACE_OK);
    cr_expect_str_eq(cptrace_recovery_trouble(recovery), "a ring holds a slot that makes no sense: what comes after it is lost");
    cptrace_recovery_close(recovery);
    remove_folder(&files);
    close_bench(&bench);
}

/* A checkpoint said of a function that a filter left it out, in a run without filters: its number then took a table of gigabytes. */
Test(fuzz_regressions, a_checkpoint_that_leaves_a_function_out_without_a_filter)
{
    struct ring_bench bench;
    struct left_files files;
    open_bench(&bench, NULL, RING_CAPACITY);
    put_definition(&bench, 0, "f");
    put(&bench, CPTRACE_RING_CALL, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    const uint8_t *bytes;
    size_t length;
    cr_assert_eq(cptrace_transcoder_checkpoint(bench.transcoder, &bytes, &length), CPTRACE_OK);
    uint8_t *const checkpoint = malloc(length);
    memcpy(checkpoint, bytes, length);
    /* It ends with the functions by number, and its crc32. */
    uint8_t *const crc = checkpoint + length - 4, *function = crc - 4;
    while (load_u32(function) == 0)
        function -= 4;
    cr_assert_eq(load_u32(function), 1u, "the file's function 0, plus 1");
    store_u32(function, UINT32_C(0x80FFFFFF));
    store_u32(crc, cptrace_crc32(0, checkpoint, length - 4));
    put(&bench, CPTRACE_RING_CALL, 0);
    make_folder(&files);
    leave_run(&files, &(struct left_run){.trace = &bench.file,
                                         .written_bytes = bench.file.length,
                                         .begun_bytes = bench.file.length,
                                         .checkpoint = checkpoint,
                                         .checkpoint_bytes = length,
                                         .rings = &bench.ring,
                                         .ring_count = 1});
    struct cptrace_recovery *recovery;
    cr_assert_eq(cptrace_recovery_open(files.part_path, &recovery, NULL), CPTRACE_OK);
    cr_expect_str_eq(cptrace_recovery_trouble(recovery),
                     "what its rings held is lost: checkpoint: its state of the rings contradicts itself");
    cptrace_recovery_close(recovery);
    free(checkpoint);
    remove_folder(&files);
    close_bench(&bench);
}

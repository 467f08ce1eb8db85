/* A file surveyed by its index: it tells what a scan tells, reads no events for it, and nothing that is changed passes unnoticed. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "crc32.h"
#include "frame.h"
#include "memory_file.h"

struct copy {
    char path[64];
    int descriptor;
};

static struct copy open_copy(void)
{
    struct copy copy = {.path = "survey_XXXXXX"};
    copy.descriptor = mkstemp(copy.path);
    cr_assert_geq(copy.descriptor, 0);
    return copy;
}

static void put(const struct copy *copy, const uint8_t *bytes, size_t length)
{
    cr_assert_eq(ftruncate(copy->descriptor, 0), 0);
    cr_assert_eq(pwrite(copy->descriptor, bytes, length, 0), (ssize_t)length);
}

static void remove_copy(struct copy *copy)
{
    close(copy->descriptor);
    unlink(copy->path);
}

/* Two lanes, generators, calibration that changes, functions that only some blocks mention. */
static void write_file(struct memory_file *file)
{
    struct cptrace_writer *const writer = memory_writer(file, 6);
    define_functions(writer, 40);
    struct cptrace_lane_writer *const lanes[] = {cptrace_writer_define_lane(writer, 1, text("MainThread")),
                                                 cptrace_writer_define_lane(writer, 2, text("Thread-1"))};
    uint32_t activation = CPTRACE_NO_NUMBER;
    for (uint32_t i = 0; i < 24; i++) {
        struct cptrace_lane_writer *const lane = lanes[i % 3 == 0];
        cptrace_lane_call(lane, 1000 + i * 10, i);
        cptrace_lane_mark(lane, 1001 + i * 10, text("here"));
        if (i % 5 == 0)
            activation = cptrace_lane_start(lane, 1002 + i * 10, 39 - i);
        if (i % 5 == 0)
            cptrace_lane_suspend(lane, 1003 + i * 10);
        if (i % 5 == 2 && cptrace_lane_resume(lane, 1004 + i * 10, activation))
            cptrace_lane_return(lane, 1005 + i * 10);
        if (i % 4)
            cptrace_lane_return(lane, 1006 + i * 10);
        if (i % 8 == 0)
            cptrace_writer_calibrate(writer, (struct cptrace_calibration){1007 + i * 10, 4000 + i * 41, i * 40});
    }
    const struct cptrace_pair pairs[] = {{text("outcome"), text("returned")}};
    cr_assert_eq(cptrace_writer_finish(writer, (struct cptrace_calibration){2000, 9000, 9000}, pairs, 1, NULL), CPTRACE_OK);
    cptrace_writer_free(writer);
}

static struct cptrace_reader *open_reader(const struct copy *copy)
{
    struct cptrace_reader *reader;
    return cptrace_reader_open(copy->path, &reader, NULL) == CPTRACE_OK ? reader : NULL;
}

static struct cptrace_reader *scanned(const struct copy *copy)
{
    struct cptrace_reader *const reader = open_reader(copy);
    struct cptrace_block block;
    cr_assert(reader);
    while (cptrace_reader_next(reader, &block, NULL) == CPTRACE_OK)
        ;
    return reader;
}

static bool same_pairs(const struct cptrace_info_pair *a, const struct cptrace_info_pair *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (a[i].key.length != b[i].key.length || a[i].value.length != b[i].value.length ||
            memcmp(a[i].key.bytes, b[i].key.bytes, a[i].key.length) != 0)
            return false;
    return true;
}

static bool same_entry(const struct cptrace_block_entry *a, const struct cptrace_block_entry *b)
{
    return a->offset == b->offset && a->compressed_bytes == b->compressed_bytes && a->sequence == b->sequence &&
           a->frame_crc32 == b->frame_crc32 && a->kind == b->kind && a->lane == b->lane && a->event_count == b->event_count &&
           a->first_tick == b->first_tick && a->last_tick == b->last_tick && calibration_equal(&a->calibration, &b->calibration) &&
           a->functions_bytes == b->functions_bytes;
}

static void check_same(const struct cptrace_reader *surveyed, const struct cptrace_reader *read)
{
    size_t count, other_count;
    const struct cptrace_block_entry *const entries = cptrace_reader_blocks(surveyed, &count);
    const struct cptrace_block_entry *const others = cptrace_reader_blocks(read, &other_count);
    cr_assert_eq(count, other_count);
    for (size_t i = 0; i < count; i++)
        cr_assert(same_entry(&entries[i], &others[i]), "block %zu", i);
    const struct cptrace_info_pair *const end = cptrace_reader_end_info(surveyed, &count), *const other_end =
                                                                                               cptrace_reader_end_info(read, &other_count);
    cr_assert_eq(count, other_count);
    cr_assert(same_pairs(end, other_end, count));
    cr_assert_eq(cptrace_reader_end(surveyed)->present, cptrace_reader_end(read)->present);
    cr_assert_eq(cptrace_reader_end(surveyed)->end_tick, cptrace_reader_end(read)->end_tick);
    cr_assert_eq(cptrace_reader_bytes_read(surveyed), cptrace_reader_bytes_read(read));
    const struct cptrace_definitions *const told = cptrace_reader_definitions(surveyed), *const known = cptrace_reader_definitions(read);
    cr_assert_eq(told->function_count, known->function_count);
    cr_assert_eq(told->file_count, known->file_count);
    cr_assert_eq(told->lane_count, known->lane_count);
}

Test(survey, tells_what_a_scan_tells)
{
    struct memory_file file;
    struct copy copy = open_copy();
    write_file(&file);
    put(&copy, file.bytes, file.length);
    struct cptrace_reader *const surveyed = open_reader(&copy), *const read = scanned(&copy);
    struct cptrace_error error;
    cr_assert_eq(cptrace_reader_survey(surveyed, &error), CPTRACE_END, "%s", error.message);
    cr_assert_eq(cptrace_reader_survey(surveyed, &error), CPTRACE_END, "once more changes nothing");
    cr_assert(cptrace_reader_statistics(surveyed).by_index);
    cr_assert(cptrace_reader_has_index(surveyed));
    check_same(surveyed, read);
    size_t count, others = 0;
    const struct cptrace_block_entry *const entries = cptrace_reader_blocks(surveyed, &count);
    for (size_t i = 0; i < count; i++)
        others += entries[i].kind != CPTRACE_BLOCK_EVENTS;
    cr_assert_gt(count, others + 10);
    cr_assert_eq(cptrace_reader_statistics(surveyed).decompressed_count, others);
    cr_assert_eq(cptrace_reader_statistics(read).decompressed_count, count);
    cptrace_reader_close(surveyed);
    cptrace_reader_close(read);
    remove_copy(&copy);
    memory_file_free(&file);
}

/* The functions that decoding finds in a block, and no others. */
static void check_mentions(const struct cptrace_reader *reader, const struct cptrace_block_entry *entry,
                           const struct cptrace_events *events)
{
    bool mentioned[40] = {false};
    for (size_t i = 0; i < events->open_count; i++)
        mentioned[events->open[i].function] = true;
    for (size_t i = 0; i < events->start_count; i++)
        mentioned[events->starts[i].function] = true;
    for (size_t i = 0; i < events->event_count; i++)
        if (events->events[i].op == CPTRACE_OP_CALL)
            mentioned[events->events[i].value] = true;
    for (size_t function = 0; function < 40; function++) {
        bool wanted[40] = {false};
        wanted[function] = true;
        cr_assert_eq(cptrace_reader_block_mentions(reader, entry, wanted, 40), mentioned[function]);
    }
}

/* How many events blocks read as the table has them. */
static size_t read_all(const struct cptrace_reader *reader, size_t *event_blocks, bool mentions)
{
    struct cptrace_block_buffer buffer = {0};
    struct cptrace_events events = {0};
    struct cptrace_block block;
    size_t count, good = 0;
    const struct cptrace_block_entry *const entries = cptrace_reader_blocks(reader, &count);
    *event_blocks = 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].kind != CPTRACE_BLOCK_EVENTS)
            continue;
        ++*event_blocks;
        const bool same = cptrace_reader_read_block(reader, &entries[i], &buffer, &block, NULL) == CPTRACE_OK &&
                          cptrace_reader_check_entry(reader, &entries[i], &block, NULL) == CPTRACE_OK &&
                          cptrace_events_decode(&block, &events, NULL) == CPTRACE_OK;
        if (same && mentions)
            check_mentions(reader, &entries[i], &events);
        good += same;
    }
    cptrace_block_buffer_free(&buffer);
    cptrace_events_free(&events);
    return good;
}

Test(survey, blocks_mention_their_functions)
{
    struct memory_file file;
    struct copy copy = open_copy();
    write_file(&file);
    put(&copy, file.bytes, file.length);
    struct cptrace_reader *const reader = open_reader(&copy);
    size_t event_blocks;
    cr_assert_eq(cptrace_reader_survey(reader, NULL), CPTRACE_END);
    cr_assert_eq(read_all(reader, &event_blocks, true), event_blocks);
    cptrace_reader_close(reader);
    remove_copy(&copy);
    memory_file_free(&file);
}

Test(survey, a_cut_file_is_scanned)
{
    struct memory_file file;
    struct copy copy = open_copy();
    write_file(&file);
    for (size_t length = HEADER_BYTES; length < file.length; length++) {
        put(&copy, file.bytes, length);
        struct cptrace_reader *const surveyed = open_reader(&copy), *const read = scanned(&copy);
        const enum cptrace_status status = cptrace_reader_survey(surveyed, NULL);
        cr_assert(status == CPTRACE_TRUNCATED || status == CPTRACE_END);
        cr_assert_not(cptrace_reader_statistics(surveyed).by_index);
        check_same(surveyed, read);
        cptrace_reader_close(surveyed);
        cptrace_reader_close(read);
    }
    remove_copy(&copy);
    memory_file_free(&file);
}

/* Any byte: the survey scans instead, or the block that has it does not read. */
Test(survey, a_changed_byte_is_found)
{
    struct memory_file file;
    struct copy copy = open_copy();
    write_file(&file);
    for (size_t offset = 0; offset < file.length; offset++) {
        file.bytes[offset] ^= (uint8_t)(1u << offset % 8);
        put(&copy, file.bytes, file.length);
        file.bytes[offset] ^= (uint8_t)(1u << offset % 8);
        struct cptrace_reader *const reader = open_reader(&copy);
        if (!reader)
            continue; /* the header */
        size_t damage_count, event_blocks;
        /* The index may seem to be longer than the file: then that is cut. */
        const bool cut = cptrace_reader_survey(reader, NULL) == CPTRACE_TRUNCATED;
        cptrace_reader_damage(reader, &damage_count);
        const bool by_index = cptrace_reader_statistics(reader).by_index;
        const size_t good = read_all(reader, &event_blocks, false);
        cr_assert(by_index || damage_count > 0 || cut, "offset %zu", offset);
        cr_assert(good < event_blocks || damage_count > 0 || cut, "offset %zu", offset);
        cr_assert(!by_index || good + 1 >= event_blocks, "one block at most");
        cptrace_reader_close(reader);
    }
    remove_copy(&copy);
    memory_file_free(&file);
}

/* --- an index that lies, and whose crc32 is right --- */

static size_t index_offset(const struct memory_file *file) { return file->length - load_u32(file->bytes + file->length - 12); }

static void seal_index(struct memory_file *file, size_t index)
{
    const size_t guarded = index + SKIPPABLE_HEADER_BYTES, trailer = file->length - INDEX_TRAILER_BYTES;
    store_u32(file->bytes + trailer, cptrace_crc32(0, file->bytes + guarded, trailer - guarded));
}

/* Whatever a byte of the index is changed to: no crash, and what it says differently of a block is found when the block is read. */
Test(survey, an_index_that_lies_is_found)
{
    struct memory_file file;
    struct copy copy = open_copy();
    write_file(&file);
    const size_t index = index_offset(&file);
    size_t by_index = 0, found_when_read = 0;
    for (size_t offset = index + SKIPPABLE_HEADER_BYTES + SIGNATURE_BYTES; offset < file.length - INDEX_TRAILER_BYTES; offset++) {
        const uint8_t kept = file.bytes[offset];
        for (unsigned change = 1; change < 256; change = change * 3 + 1) {
            file.bytes[offset] = kept ^ (uint8_t)change;
            seal_index(&file, index);
            put(&copy, file.bytes, file.length);
            struct cptrace_reader *const reader = open_reader(&copy);
            size_t damage_count, event_blocks;
            cr_assert_eq(cptrace_reader_survey(reader, NULL), CPTRACE_END);
            cptrace_reader_damage(reader, &damage_count);
            if (cptrace_reader_statistics(reader).by_index) {
                by_index++;
                found_when_read += read_all(reader, &event_blocks, false) < event_blocks;
            } else {
                cr_assert_gt(damage_count, 0, "offset %zu", offset);
            }
            cptrace_reader_close(reader);
        }
        file.bytes[offset] = kept;
    }
    cr_assert_gt(by_index, 100);
    cr_assert_eq(found_when_read, by_index);
    remove_copy(&copy);
    memory_file_free(&file);
}

/* What a file holds, learnt from its index instead of all its blocks; SPEC.md 5. Whatever is odd makes the index of no use: then the scan
 * by next tells what is wrong. */
#include <stdlib.h>
#include <string.h>

#include "byte_buffer.h"
#include "error.h"
#include "events_header.h"
#include "frame.h"
#include "reader_state.h"

/* Of a zstd frame: magic, descriptor, content size, one block of one byte, checksum. So the table of blocks is bounded by the file. */
#define FRAME_MIN_BYTES (4 + 1 + 1 + 3 + 1 + 4)

static bool read_exactly(const struct cptrace_file *file, uint64_t offset, uint8_t *to, size_t length)
{
    while (length > 0) {
        const int64_t count = cptrace_file_read_at(file, offset, to, length);
        if (count <= 0)
            return false;
        offset += (uint64_t)count;
        to += count;
        length -= (size_t)count;
    }
    return true;
}

/* The index frame, checked, which the caller frees; NULL when the file does not end with one. */
static uint8_t *load_index(const struct cptrace_file *file, uint64_t *index_offset, size_t *index_bytes)
{
    uint8_t trailer[INDEX_TRAILER_BYTES];
    const int64_t size = cptrace_file_size(file);
    if (size < HEADER_BYTES + INDEX_MIN_BYTES || !read_exactly(file, (uint64_t)size - sizeof trailer, trailer, sizeof trailer))
        return NULL;
    *index_bytes = load_u32(trailer + 4);
    if (*index_bytes < INDEX_MIN_BYTES || *index_bytes > INDEX_MAX_BYTES || *index_bytes > (uint64_t)size - HEADER_BYTES)
        return NULL;
    *index_offset = (uint64_t)size - *index_bytes;
    uint8_t *const frame = malloc(*index_bytes);
    if (frame && read_exactly(file, *index_offset, frame, *index_bytes) &&
        cptrace_index_check_frame(frame, *index_bytes, *index_offset, NULL) == CPTRACE_OK)
        return frame;
    free(frame);
    return NULL;
}

/* Every block begins where the one before ended, or behind padding, and ends before the index. */
static bool stands_in_file(const struct cptrace_block_entry *entry, uint64_t previous_end, uint64_t index_offset)
{
    return entry->offset >= previous_end && entry->offset <= index_offset && entry->compressed_bytes >= FRAME_MIN_BYTES &&
           entry->compressed_bytes <= index_offset - entry->offset;
}

static bool add_entries(struct cptrace_reader *reader, struct index_walk *walk, uint64_t index_offset)
{
    uint64_t count;
    if (!cursor_varint(&walk->cursor, &count) || count > cursor_left(&walk->cursor) || count > UINT32_MAX)
        return false;
    for (uint64_t sequence = 0; sequence < count; sequence++) {
        if (!cptrace_array_reserve(&reader->entries, &reader->entry_capacity, reader->entry_count + 1, sizeof *reader->entries))
            return false;
        struct cptrace_block_entry *const entry = &reader->entries[reader->entry_count];
        const uint64_t previous_end = walk->previous_end;
        struct cursor functions;
        if (!cptrace_index_next_entry(walk, entry, &functions) || !stands_in_file(entry, previous_end, index_offset) ||
            !cptrace_reader_add_functions(reader, entry, functions))
            return false;
        entry->sequence = (uint32_t)sequence;
        reader->event_count += entry->event_count;
        reader->entry_count++;
    }
    return true;
}

static bool is_known_kind(uint8_t kind) { return kind >= CPTRACE_BLOCK_INFO && kind <= CPTRACE_BLOCK_END; }

/* The blocks that are no events are taken in as next would, in the same order. */
static bool take_block(struct cptrace_reader *reader, struct cptrace_block_entry *entry, struct cptrace_block_buffer *buffer)
{
    struct cptrace_block block;
    if (reader->end.present || (entry->sequence == 0) != (entry->kind == CPTRACE_BLOCK_INFO))
        return false;
    if (entry->kind == CPTRACE_BLOCK_EVENTS)
        return entry->event_count > 0 && entry->last_tick >= entry->first_tick &&
               cptrace_reader_check_lane(reader, entry->lane, entry->first_tick, entry->last_tick, entry->offset, NULL) == CPTRACE_OK;
    return !is_known_kind(entry->kind) || (cptrace_reader_read_block(reader, entry, buffer, &block, NULL) == CPTRACE_OK &&
                                           cptrace_reader_take_body(reader, &block, entry, NULL) == CPTRACE_OK);
}

static bool take_blocks(struct cptrace_reader *reader)
{
    struct cptrace_block_buffer buffer = {0};
    bool taken = true;
    for (size_t i = 0; taken && i < reader->entry_count; i++)
        taken = take_block(reader, &reader->entries[i], &buffer);
    reader->blocks.decompressed_count += buffer.decompressed_count;
    cptrace_block_buffer_free(&buffer);
    return taken && reader->end.present;
}

static bool check_totals(const struct cptrace_reader *reader, struct cursor *cursor)
{
    const uint64_t expected[] = {
        reader->event_count,
        reader->end.call_count,
        reader->definitions.function_count,
        reader->definitions.file_count,
        reader->definitions.lane_count,
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        uint64_t total;
        if (!cursor_varint(cursor, &total) || total != expected[i])
            return false;
    }
    return cursor_left(cursor) == 0;
}

static bool survey_by_index(struct cptrace_reader *reader)
{
    uint64_t index_offset;
    size_t index_bytes;
    uint8_t *const frame = load_index(reader->file, &index_offset, &index_bytes);
    if (!frame)
        return false;
    struct index_walk walk = cptrace_index_walk(frame, index_bytes, &reader->header);
    const bool surveyed = add_entries(reader, &walk, index_offset) && take_blocks(reader) && check_totals(reader, &walk.cursor);
    free(frame);
    reader->surveyed_by_index = reader->has_index = surveyed;
    if (surveyed)
        reader->input.offset = index_offset + index_bytes;
    return surveyed;
}

/* Back to what it was when opened; buffers are kept. */
static void forget(struct cptrace_reader *reader)
{
    reader->entry_count = reader->lane_last_count = 0;
    reader->event_count = 0;
    reader->function_runs.length = 0;
    reader->end = (struct cptrace_end){0};
    cptrace_definitions_reader_free(&reader->definitions);
    cptrace_pairs_free(&reader->info);
    cptrace_pairs_free(&reader->end_info);
}

enum cptrace_status cptrace_reader_survey(struct cptrace_reader *reader, struct cptrace_error *error)
{
    if (reader->file && reader->input.offset == HEADER_BYTES && reader->final == CPTRACE_OK) {
        if (survey_by_index(reader))
            reader->final = cptrace_error_set(&reader->final_error, CPTRACE_END, reader->input.offset, "end of file");
        else
            forget(reader);
    }
    struct cptrace_block block;
    enum cptrace_status status;
    while ((status = cptrace_reader_next(reader, &block, error)) == CPTRACE_OK)
        ;
    return status;
}

bool cptrace_reader_block_mentions(const struct cptrace_reader *reader, const struct cptrace_block_entry *entry, const bool *wanted,
                                   size_t count)
{
    if (entry->functions_bytes == 0)
        return false;
    const uint8_t *const at = reader->function_runs.bytes + entry->functions_at;
    struct cursor runs = {at, at + entry->functions_bytes};
    uint32_t begin = 0, end = 0;
    while (cptrace_function_run_next(&runs, &begin, &end) && begin < count)
        for (uint32_t function = begin; function < end && function < count; function++)
            if (wanted[function])
                return true;
    return false;
}

static bool same_functions(const struct cptrace_reader *reader, const struct cptrace_block_entry *entry, const struct byte_buffer *runs)
{
    if (entry->functions_bytes != runs->length)
        return false;
    return runs->length == 0 || memcmp(reader->function_runs.bytes + entry->functions_at, runs->bytes, runs->length) == 0;
}

enum cptrace_status cptrace_reader_check_entry(const struct cptrace_reader *reader, const struct cptrace_block_entry *entry,
                                               const struct cptrace_block *block, struct cptrace_error *error)
{
    struct events_header header;
    enum cptrace_status status = cptrace_events_header_parse(block, &header, error);
    if (status != CPTRACE_OK)
        return status;
    if (header.lane != entry->lane || header.event_count != entry->event_count || header.first_tick != entry->first_tick ||
        header.last_tick != entry->last_tick || !calibration_equal(&header.calibration, &entry->calibration))
        return cptrace_error_set(error, CPTRACE_CORRUPT, block->offset,
                                 "index: it tells of other events of a block (the blocks are trusted)");
    struct function_set mentioned = {0};
    if (!cptrace_function_set_gather(&mentioned, header.callee, header.kind_bits, header.places_bytes,
                                     (uint32_t)reader->definitions.function_count))
        status = cptrace_error_no_memory(error, block->offset);
    else if (!same_functions(reader, entry, &mentioned.runs))
        status = cptrace_error_set(error, CPTRACE_CORRUPT, block->offset,
                                   "index: it tells of other functions of a block (the blocks are trusted)");
    cptrace_function_set_free(&mentioned);
    return status;
}

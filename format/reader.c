#include "cptrace/reader.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "byte_buffer.h"
#include "crc32.h"
#include "error.h"
#include "events_header.h"
#include "frame.h"
#include "reader_state.h"

/* An index ends a file. Hostile bytes may begin one everywhere, each of them as long as the rest of the file. */
#define INDEX_ATTEMPTS_MAX 64

/* --- Bodies, SPEC.md 4 --- */

static enum cptrace_status take_pairs(const struct cptrace_block *block, size_t from, struct pair_list *list, struct cptrace_error *error)
{
    struct cursor cursor = {block->content + from, block->content + block->content_bytes};
    switch (cptrace_pairs_decode(&cursor, list)) {
    case PAIRS_OK:
        return CPTRACE_OK;
    case PAIRS_NO_MEMORY:
        cptrace_pairs_free(list);
        return cptrace_error_no_memory(error, block->offset);
    case PAIRS_CORRUPT:
        break;
    }
    cptrace_pairs_free(list);
    return cptrace_error_set(error, CPTRACE_CORRUPT, block->offset, "%s block: its pairs do not fill it",
                             block->kind == CPTRACE_BLOCK_INFO ? "info" : "end");
}

static enum cptrace_status take_info(struct cptrace_reader *reader, const struct cptrace_block *block, struct cptrace_error *error)
{
    if (block->sequence != 0)
        return cptrace_error_set(error, CPTRACE_CORRUPT, block->offset, "info block: expected sequence 0, found %u", block->sequence);
    return take_pairs(block, BLOCK_HEADER_BYTES, &reader->info, error);
}

static enum cptrace_status take_end(struct cptrace_reader *reader, const struct cptrace_block *block, struct cptrace_error *error)
{
    if (block->content_bytes < END_FIXED_BYTES)
        return cptrace_error_set(error, CPTRACE_CORRUPT, block->offset, "end block: expected at least %d bytes, found %zu", END_FIXED_BYTES,
                                 block->content_bytes);
    const uint8_t *const at = block->content + BLOCK_HEADER_BYTES;
    const struct cptrace_end end = {true, load_calibration(at), load_u64(at + 24), load_u64(at + 32), load_u64(at + 40)};
    if (!reader->lossy && end.event_count != reader->event_count)
        return cptrace_error_set(error, CPTRACE_CORRUPT, block->offset, "end block: expected %llu events, found %llu",
                                 (unsigned long long)reader->event_count, (unsigned long long)end.event_count);
    const enum cptrace_status status = take_pairs(block, END_FIXED_BYTES, &reader->end_info, error);
    if (status == CPTRACE_OK)
        reader->end = end;
    return status;
}

/* The blocks of a lane follow each other in time. Lanes that a lost block defined are not known, and not checked. */
enum cptrace_status cptrace_reader_check_lane(struct cptrace_reader *reader, uint32_t lane, uint64_t first_tick, uint64_t last_tick,
                                              uint64_t offset, struct cptrace_error *error)
{
    const size_t lane_count = reader->definitions.lane_count;
    if (lane >= lane_count)
        return reader->lossy ? CPTRACE_OK : cptrace_error_set(error, CPTRACE_CORRUPT, offset, "lane: %u is not defined", lane);
    if (!cptrace_array_reserve(&reader->lane_last_ticks, &reader->lane_last_capacity, lane_count, sizeof *reader->lane_last_ticks))
        return cptrace_error_no_memory(error, offset);
    for (; reader->lane_last_count < lane_count; reader->lane_last_count++)
        reader->lane_last_ticks[reader->lane_last_count] = 0;
    if (first_tick < reader->lane_last_ticks[lane])
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "first tick: before the last tick of the lane's block before");
    reader->lane_last_ticks[lane] = last_tick;
    return CPTRACE_OK;
}

bool cptrace_reader_add_functions(struct cptrace_reader *reader, struct cptrace_block_entry *entry, struct cursor functions)
{
    entry->functions_at = reader->function_runs.length;
    entry->functions_bytes = cursor_left(&functions);
    return cptrace_buffer_append(&reader->function_runs, functions.at, entry->functions_bytes);
}

/* What the index should tell of the block. */
static bool gather_functions(struct cptrace_reader *reader, const struct events_header *header, struct cptrace_block_entry *entry)
{
    if (!cptrace_function_set_gather(&reader->mentioned, header->callee, header->kind_bits, header->places_bytes,
                                     (uint32_t)reader->definitions.function_count))
        return false;
    const struct byte_buffer *const runs = &reader->mentioned.runs;
    return cptrace_reader_add_functions(reader, entry, (struct cursor){runs->bytes, runs->bytes ? runs->bytes + runs->length : NULL});
}

static enum cptrace_status take_events(struct cptrace_reader *reader, const struct cptrace_block *block, struct cptrace_block_entry *entry,
                                       struct cptrace_error *error)
{
    struct events_header header;
    enum cptrace_status status = cptrace_events_header_parse(block, &header, error);
    if (status == CPTRACE_OK)
        status = cptrace_reader_check_lane(reader, header.lane, header.first_tick, header.last_tick, block->offset, error);
    if (status != CPTRACE_OK)
        return status;
    if (!gather_functions(reader, &header, entry))
        return cptrace_error_no_memory(error, block->offset);
    entry->lane = header.lane;
    entry->event_count = header.event_count;
    entry->first_tick = header.first_tick;
    entry->last_tick = header.last_tick;
    entry->calibration = header.calibration;
    reader->event_count += header.event_count;
    return CPTRACE_OK;
}

enum cptrace_status cptrace_reader_take_body(struct cptrace_reader *reader, const struct cptrace_block *block,
                                             struct cptrace_block_entry *entry, struct cptrace_error *error)
{
    if (block->sequence == 0 && block->kind != CPTRACE_BLOCK_INFO)
        return cptrace_error_set(error, CPTRACE_CORRUPT, block->offset, "first block: expected kind info, found %u", block->kind);
    switch (block->kind) {
    case CPTRACE_BLOCK_INFO:
        return take_info(reader, block, error);
    case CPTRACE_BLOCK_DEFINITIONS:
        return cptrace_definitions_read(&reader->definitions, block, reader->lossy, error);
    case CPTRACE_BLOCK_EVENTS:
        return take_events(reader, block, entry, error);
    case CPTRACE_BLOCK_END:
        return take_end(reader, block, error);
    default:
        return CPTRACE_OK; /* a later addition: skipped */
    }
}

/* --- The order of blocks --- */

static enum cptrace_status check_order(const struct cptrace_reader *reader, const struct cptrace_block *block, struct cptrace_error *error)
{
    if (reader->end.present)
        return cptrace_error_set(error, CPTRACE_CORRUPT, block->offset, "block behind the end block");
    if (block->sequence < reader->next_sequence)
        return cptrace_error_set(error, CPTRACE_CORRUPT, block->offset, "sequence: expected %u, found %u, a block repeated or out of order",
                                 reader->next_sequence, block->sequence);
    if (block->sequence == UINT32_MAX) /* the next one would be 0 again */
        return cptrace_error_set(error, CPTRACE_CORRUPT, block->offset, "sequence: more than any file has");
    return CPTRACE_OK;
}

/* Blocks missing before this one are what the damaged stretch just passed held, if there was one. */
static void note_missing(struct cptrace_reader *reader, const struct cptrace_block *block)
{
    const uint32_t missing = block->sequence - reader->next_sequence;
    if (missing == 0)
        return;
    reader->lossy = true;
    reader->missing_before += missing;
    struct cptrace_damage *const last = reader->damage_count ? &reader->damage[reader->damage_count - 1] : NULL;
    if (last && last->offset >= HEADER_BYTES && last->offset + last->bytes == block->offset && last->blocks == 0) {
        last->blocks = missing;
        return;
    }
    struct cptrace_error error;
    cptrace_error_set(&error, CPTRACE_CORRUPT, block->offset, "sequence: expected %u, found %u, blocks are missing", reader->next_sequence,
                      block->sequence);
    cptrace_reader_add_damage(reader, block->offset, 0, missing, &error);
}

static bool failed(enum cptrace_status status) { return status == CPTRACE_IO_ERROR || status == CPTRACE_NO_MEMORY; }

/* Takes a verified block in. CORRUPT: it is damage, and was noted as such. */
static enum cptrace_status admit(struct cptrace_reader *reader, struct cptrace_block *block, uint32_t frame_crc32,
                                 struct cptrace_error *error)
{
    struct cptrace_error reason;
    enum cptrace_status status = check_order(reader, block, &reason);
    if (status != CPTRACE_OK) {
        cptrace_reader_add_damage(reader, block->offset, block->compressed_bytes, 0, &reason);
        return status;
    }
    note_missing(reader, block);
    reader->next_sequence = block->sequence + 1;
    struct cptrace_block_entry entry = {
        .offset = block->offset,
        .compressed_bytes = block->compressed_bytes,
        .sequence = block->sequence,
        .frame_crc32 = frame_crc32,
        .kind = block->kind,
    };
    if (!cptrace_array_reserve(&reader->entries, &reader->entry_capacity, reader->entry_count + 1, sizeof *reader->entries))
        return cptrace_error_no_memory(error, block->offset);
    status = cptrace_reader_take_body(reader, block, &entry, &reason);
    if (status == CPTRACE_OK) {
        reader->entries[reader->entry_count++] = entry;
    } else if (failed(status)) {
        if (error)
            *error = reason;
    } else {
        reader->lossy = true;
        reader->missing_before++;
        cptrace_reader_add_damage(reader, block->offset, block->compressed_bytes, 1, &reason);
    }
    return status;
}

/* --- Frames in file order, SPEC.md 2 --- */

/* One step of next: what stands at the input's position was taken. OK with *returned when a block is to be shown. */
static enum cptrace_status take_block(struct cptrace_reader *reader, struct cptrace_block *block, bool *returned,
                                      struct cptrace_error *error)
{
    struct input *const input = &reader->input;
    struct cptrace_error reason;
    struct frame_size size;
    *block = (struct cptrace_block){.offset = input->offset};
    enum cptrace_status status = cptrace_frame_measure(input, &size, &reason);
    if (status == CPTRACE_OK)
        status = cptrace_block_decompress(&reader->blocks, input_at(input), &size, &reader->header, block, &reason);
    if (failed(status)) {
        if (error)
            *error = reason;
        return status;
    }
    if (status != CPTRACE_OK)
        return cptrace_reader_resync(reader, &reason, error);

    const uint32_t frame_crc32 = cptrace_crc32(0, input_at(input), size.compressed_bytes);
    cptrace_input_take(input, size.compressed_bytes);
    status = admit(reader, block, frame_crc32, error);
    if (status == CPTRACE_OK && block->kind >= CPTRACE_BLOCK_INFO && block->kind <= CPTRACE_BLOCK_END) {
        block->missing_before = reader->missing_before;
        reader->missing_before = 0;
        *returned = true;
    }
    return status == CPTRACE_CORRUPT ? CPTRACE_OK : status;
}

static enum cptrace_status take_unknown(struct cptrace_reader *reader, struct cptrace_error *error)
{
    struct input *const input = &reader->input;
    struct cptrace_error reason;
    if (input_length(input) < 4)
        cptrace_error_set(&reason, CPTRACE_TRUNCATED, input->offset, "frame: the file ends inside it");
    else
        cptrace_error_set(&reason, CPTRACE_CORRUPT, input->offset, "frame: expected a known magic number, found %08x",
                          load_u32(input_at(input)));
    return cptrace_reader_resync(reader, &reason, error);
}

static enum cptrace_status take_index(struct cptrace_reader *reader, struct cptrace_error *error)
{
    struct cptrace_error reason;
    if (reader->index_attempts == INDEX_ATTEMPTS_MAX)
        return take_unknown(reader, error);
    reader->index_attempts++;
    const enum cptrace_status status = cptrace_reader_read_index(reader, &reason);
    if (status == CPTRACE_CORRUPT || status == CPTRACE_TRUNCATED)
        return cptrace_reader_resync(reader, &reason, error);
    if (status != CPTRACE_OK && error)
        *error = reason;
    return status;
}

static enum cptrace_status padding_truncated(struct cptrace_reader *reader, struct cptrace_error *error)
{
    struct cptrace_error reason;
    cptrace_error_set(&reason, CPTRACE_TRUNCATED, reader->input.offset, "padding: the file ends inside it");
    return cptrace_reader_resync(reader, &reason, error);
}

/* Zeros are taken as they come. What is not zero may begin a block, when it is the length that is wrong: it is looked at next. */
static enum cptrace_status take_padding(struct cptrace_reader *reader, struct cptrace_error *error)
{
    struct input *const input = &reader->input;
    const uint64_t from = input->offset;
    if (!cptrace_input_require(input, SKIPPABLE_HEADER_BYTES))
        return padding_truncated(reader, error);
    uint32_t left = load_u32(input_at(input) + 4);
    cptrace_input_take(input, SKIPPABLE_HEADER_BYTES);
    while (left > 0) {
        if (!cptrace_input_require(input, 1))
            return padding_truncated(reader, error);
        const size_t step = left < input_length(input) ? left : input_length(input);
        size_t zeros = 0;
        while (zeros < step && input_at(input)[zeros] == 0)
            zeros++;
        cptrace_input_take(input, zeros);
        if (zeros < step) {
            struct cptrace_error reason;
            cptrace_error_set(&reason, CPTRACE_CORRUPT, input->offset, "padding: expected zeros");
            cptrace_reader_add_damage(reader, from, input->offset - from, 0, &reason);
            return CPTRACE_OK;
        }
        left -= (uint32_t)step;
    }
    return CPTRACE_OK;
}

static enum cptrace_status take_tail(struct cptrace_reader *reader)
{
    struct input *const input = &reader->input;
    const uint64_t from = input->offset;
    struct cptrace_error reason;
    while (cptrace_input_require(input, 1))
        cptrace_input_take(input, input_length(input));
    cptrace_error_set(&reason, CPTRACE_CORRUPT, from, "bytes behind the index");
    cptrace_reader_add_damage(reader, from, input->offset - from, 0, &reason);
    return CPTRACE_OK;
}

static enum cptrace_status take_frame(struct cptrace_reader *reader, struct cptrace_block *block, bool *returned,
                                      struct cptrace_error *error)
{
    if (reader->has_index && reader->end.present) /* else the index may be of another file that stands within this one */
        return take_tail(reader);
    const bool readable = cptrace_input_require(&reader->input, 4);
    switch (readable ? load_u32(input_at(&reader->input)) : 0) {
    case MAGIC_BLOCK:
        return take_block(reader, block, returned, error);
    case MAGIC_INDEX:
        return take_index(reader, error);
    case MAGIC_PADDING:
        return take_padding(reader, error);
    default:
        return take_unknown(reader, error);
    }
}

/* The file is at its end. */
static enum cptrace_status finish(struct cptrace_reader *reader, struct cptrace_error *error)
{
    if (reader->input.failure != CPTRACE_OK)
        return cptrace_input_error(&reader->input, error);
    if (!reader->end.present && !reader->has_index)
        return cptrace_error_set(error, CPTRACE_TRUNCATED, reader->input.offset, "end block: the file ends before it");
    return cptrace_error_set(error, CPTRACE_END, reader->input.offset, "end of file");
}

enum cptrace_status cptrace_reader_next(struct cptrace_reader *reader, struct cptrace_block *block, struct cptrace_error *error)
{
    bool returned = false;
    while (reader->final == CPTRACE_OK && !returned) {
        const enum cptrace_status status = cptrace_input_require(&reader->input, 1)
                                               ? take_frame(reader, block, &returned, &reader->final_error)
                                               : finish(reader, &reader->final_error);
        if (status != CPTRACE_OK)
            reader->final = status;
    }
    if (returned)
        return CPTRACE_OK;
    if (error)
        *error = reader->final_error;
    return reader->final;
}

/* --- Opening and closing --- */

static enum cptrace_status open_input(struct cptrace_source source, struct cptrace_file *file, struct cptrace_reader **result,
                                      struct cptrace_error *error)
{
    *result = NULL;
    struct cptrace_reader *const reader = calloc(1, sizeof *reader);
    if (!reader) {
        cptrace_file_close(file);
        return cptrace_error_no_memory(error, 0);
    }
    reader->input.source = source;
    reader->file = file;
    const enum cptrace_status status = cptrace_reader_read_header(reader, error);
    if (status == CPTRACE_OK)
        *result = reader;
    else
        cptrace_reader_close(reader);
    return status;
}

static int64_t read_leftover(void *context, void *buffer, size_t capacity)
{
    struct cptrace_reader *const reader = context;
    const int64_t count = cptrace_recovery_read(reader->recovery, reader->recovery_offset, buffer, capacity);
    if (count > 0)
        reader->recovery_offset += (uint64_t)count;
    return count;
}

static enum cptrace_status open_leftover(const char *path, struct cptrace_reader **result, struct cptrace_error *error)
{
    struct cptrace_recovery *recovery;
    enum cptrace_status status = cptrace_recovery_open(path, &recovery, error);
    if (status != CPTRACE_OK)
        return status;
    if (cptrace_recovery_kind(recovery) == CPTRACE_LEFTOVER_IDLE) {
        cptrace_recovery_close(recovery);
        return cptrace_error_set(error, CPTRACE_NOT_A_TRACE, 0, "ring file: it holds no run, or one whose trace was saved");
    }
    struct cptrace_reader *const reader = calloc(1, sizeof *reader);
    if (!reader) {
        cptrace_recovery_close(recovery);
        return cptrace_error_no_memory(error, 0);
    }
    reader->recovery = recovery;
    reader->input.source = (struct cptrace_source){read_leftover, reader};
    status = cptrace_reader_read_header(reader, error);
    if (status == CPTRACE_OK)
        *result = reader;
    else
        cptrace_reader_close(reader);
    return status;
}

enum cptrace_status cptrace_reader_open(const char *path, struct cptrace_reader **reader, struct cptrace_error *error)
{
    *reader = NULL;
    if (cptrace_may_be_leftover(path))
        return open_leftover(path, reader, error);
    int error_number;
    struct cptrace_file *const file = cptrace_file_open(path, &error_number);
    if (!file)
        return cptrace_error_system(error, 0, "open", error_number);
    return open_input((struct cptrace_source){cptrace_file_read, file}, file, reader, error);
}

enum cptrace_status cptrace_reader_open_source(struct cptrace_source source, struct cptrace_reader **reader, struct cptrace_error *error)
{
    return open_input(source, NULL, reader, error);
}

void cptrace_reader_close(struct cptrace_reader *reader)
{
    if (!reader)
        return;
    free(reader->input.bytes);
    cptrace_file_close(reader->file);
    cptrace_recovery_close(reader->recovery);
    cptrace_block_reader_free(&reader->blocks);
    cptrace_definitions_reader_free(&reader->definitions);
    free(reader->lane_last_ticks);
    cptrace_function_set_free(&reader->mentioned);
    cptrace_buffer_free(&reader->function_runs);
    cptrace_pairs_free(&reader->info);
    cptrace_pairs_free(&reader->end_info);
    free(reader->entries);
    free(reader->damage);
    free(reader);
}

/* --- What was read --- */

const struct cptrace_header *cptrace_reader_header(const struct cptrace_reader *reader) { return &reader->header; }

const struct cptrace_definitions *cptrace_reader_definitions(const struct cptrace_reader *reader) { return &reader->definitions.published; }

const struct cptrace_info_pair *cptrace_reader_info(const struct cptrace_reader *reader, size_t *count)
{
    *count = reader->info.count;
    return reader->info.pairs;
}

const struct cptrace_info_pair *cptrace_reader_end_info(const struct cptrace_reader *reader, size_t *count)
{
    *count = reader->end_info.count;
    return reader->end_info.pairs;
}

const struct cptrace_end *cptrace_reader_end(const struct cptrace_reader *reader) { return &reader->end; }

const struct cptrace_damage *cptrace_reader_damage(const struct cptrace_reader *reader, size_t *count)
{
    *count = reader->damage_count;
    return reader->damage;
}

uint64_t cptrace_reader_bytes_read(const struct cptrace_reader *reader) { return reader->input.offset; }

const struct cptrace_recovery *cptrace_reader_recovery(const struct cptrace_reader *reader) { return reader->recovery; }

bool cptrace_reader_has_index(const struct cptrace_reader *reader) { return reader->has_index; }

struct cptrace_reader_statistics cptrace_reader_statistics(const struct cptrace_reader *reader)
{
    return (struct cptrace_reader_statistics){reader->surveyed_by_index, reader->blocks.decompressed_count};
}

const struct cptrace_block_entry *cptrace_reader_blocks(const struct cptrace_reader *reader, size_t *count)
{
    *count = reader->entry_count;
    return reader->entries;
}

void cptrace_reader_report_damage(struct cptrace_reader *reader, const struct cptrace_block *block, const struct cptrace_error *error)
{
    reader->lossy = true;
    cptrace_reader_add_damage(reader, block->offset, block->compressed_bytes, 1, error);
}

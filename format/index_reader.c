/* The index says nothing that the blocks do not; it is read to find what the blocks cannot tell: changed bits that zstd ignores, and
 * blocks that are gone from the end. */
#include <string.h>

#include "crc32.h"
#include "error.h"
#include "frame.h"
#include "reader_state.h"

bool cptrace_input_at_index(struct input *input)
{
    const size_t length = SKIPPABLE_HEADER_BYTES + SIGNATURE_BYTES;
    return cptrace_input_require(input, length) && load_u32(input_at(input)) == MAGIC_INDEX &&
           memcmp(input_at(input) + SKIPPABLE_HEADER_BYTES, INDEX_SIGNATURE, SIGNATURE_BYTES) == 0;
}

/* Entries are compared one by one with the blocks that were read, in file order. */
struct comparison {
    struct cptrace_reader *reader;
    struct index_walk walk;
    size_t next;            /* of reader->entries */
    size_t next_damage;     /* of reader->damage */
    const char *difference; /* the first one, or NULL */
    uint64_t different_offset;
};

static void differ(struct comparison *comparison, uint64_t offset, const char *what)
{
    if (comparison->difference)
        return;
    comparison->difference = what;
    comparison->different_offset = offset;
}

static bool read_calibration(struct index_walk *walk)
{
    struct cursor *const cursor = &walk->cursor;
    struct cptrace_calibration *const point = &walk->previous_calibration;
    uint8_t changed;
    uint64_t ticks, monotonic_ns, utc_ns;
    if (!cursor_u8(cursor, &changed) || changed > 1)
        return false;
    if (!changed)
        return true;
    if (!cursor_varint(cursor, &ticks) || !cursor_varint(cursor, &monotonic_ns) || !cursor_varint(cursor, &utc_ns))
        return false;
    point->ticks += (uint64_t)unzigzag(ticks);
    point->monotonic_ns += (uint64_t)unzigzag(monotonic_ns);
    point->utc_ns += (uint64_t)unzigzag(utc_ns);
    return true;
}

static bool read_functions(struct cursor *cursor, struct cursor *functions)
{
    struct cptrace_string runs;
    if (!cursor_string(cursor, &runs))
        return false;
    *functions = (struct cursor){(const uint8_t *)runs.bytes, (const uint8_t *)runs.bytes + runs.length};
    struct cursor rest = *functions;
    uint32_t begin = 0, end = 0;
    while (cptrace_function_run_next(&rest, &begin, &end))
        ;
    return cursor_left(&rest) == 0;
}

struct index_walk cptrace_index_walk(const uint8_t *frame, size_t frame_bytes, const struct cptrace_header *header)
{
    return (struct index_walk){
        .cursor = {frame + SKIPPABLE_HEADER_BYTES + SIGNATURE_BYTES, frame + frame_bytes - INDEX_TRAILER_BYTES},
        .previous_end = HEADER_BYTES,
        .previous_first_tick = header->start.ticks,
        .previous_calibration = header->start,
    };
}

bool cptrace_index_next_entry(struct index_walk *walk, struct cptrace_block_entry *entry, struct cursor *functions)
{
    struct cursor *const cursor = &walk->cursor;
    uint64_t padding, first, length;
    *entry = (struct cptrace_block_entry){0};
    *functions = (struct cursor){0};
    if (!cursor_varint(cursor, &padding) || !cursor_varint(cursor, &entry->compressed_bytes) || cursor_left(cursor) < 5)
        return false;
    entry->frame_crc32 = load_u32(cursor->at);
    entry->kind = cursor->at[4];
    cursor->at += 5;
    entry->offset = walk->previous_end + padding;
    walk->previous_end = entry->offset + entry->compressed_bytes;
    if (entry->kind != CPTRACE_BLOCK_EVENTS)
        return true;
    if (!cursor_varint_u32(cursor, &entry->lane) || !cursor_varint_u32(cursor, &entry->event_count) || !cursor_varint(cursor, &first) ||
        !cursor_varint(cursor, &length))
        return false;
    entry->first_tick = walk->previous_first_tick + (uint64_t)unzigzag(first);
    entry->last_tick = entry->first_tick + length;
    walk->previous_first_tick = entry->first_tick;
    if (!read_calibration(walk) || !read_functions(cursor, functions))
        return false;
    entry->calibration = walk->previous_calibration;
    return true;
}

/* Damage that was found on the way explains why a block of the index was not read. Both come in rising order. */
static bool in_damage(struct comparison *comparison, uint64_t offset)
{
    const struct cptrace_reader *const reader = comparison->reader;
    for (; comparison->next_damage < reader->damage_count; comparison->next_damage++) {
        const struct cptrace_damage *const damage = &reader->damage[comparison->next_damage];
        if (offset < damage->offset + damage->bytes)
            return offset >= damage->offset;
    }
    return false;
}

static bool same_events(const struct cptrace_block_entry *told, const struct cptrace_block_entry *read)
{
    return told->lane == read->lane && told->event_count == read->event_count && told->first_tick == read->first_tick &&
           told->last_tick == read->last_tick && calibration_equal(&told->calibration, &read->calibration);
}

/* Of functions whose definition was lost, the scan knows nothing. */
static bool same_functions(const struct cptrace_reader *reader, struct cursor told, const struct cptrace_block_entry *read)
{
    if (reader->lossy || cursor_left(&told) == 0)
        return reader->lossy || read->functions_bytes == 0;
    return cursor_left(&told) == read->functions_bytes &&
           memcmp(told.at, reader->function_runs.bytes + read->functions_at, read->functions_bytes) == 0;
}

static void compare_entry(struct comparison *comparison, const struct cptrace_block_entry *told, struct cursor functions)
{
    const struct cptrace_reader *const reader = comparison->reader;
    if (comparison->next == reader->entry_count || reader->entries[comparison->next].offset != told->offset) {
        if (!in_damage(comparison, told->offset))
            differ(comparison, told->offset, "a block that is not there");
        return;
    }
    const struct cptrace_block_entry *const read = &reader->entries[comparison->next++];
    if (told->compressed_bytes != read->compressed_bytes || told->kind != read->kind)
        differ(comparison, read->offset, "another size or kind of a block");
    else if (told->frame_crc32 != read->frame_crc32)
        differ(comparison, read->offset, "another crc32 of a block's compressed bytes");
    else if (!same_events(told, read))
        differ(comparison, read->offset, "other events of a block");
    else if (!same_functions(reader, functions, read))
        differ(comparison, read->offset, "other functions of a block");
}

static void compare_totals(struct comparison *comparison, const uint64_t *totals)
{
    const struct cptrace_reader *const reader = comparison->reader;
    if (comparison->next != reader->entry_count)
        differ(comparison, reader->entries[comparison->next].offset, "nothing of a block");
    if (reader->damage_count || reader->lossy)
        return;
    const uint64_t calls = reader->end.present ? reader->end.call_count : totals[1];
    if (totals[0] != reader->event_count || totals[1] != calls || totals[2] != reader->definitions.function_count ||
        totals[3] != reader->definitions.file_count || totals[4] != reader->definitions.lane_count)
        differ(comparison, reader->input.offset, "other totals");
}

static bool compare(struct comparison *comparison)
{
    struct cursor *const cursor = &comparison->walk.cursor;
    uint64_t count, totals[5];
    struct cptrace_block_entry entry;
    struct cursor functions;
    if (!cursor_varint(cursor, &count))
        return false;
    for (; count > 0; count--) {
        if (!cptrace_index_next_entry(&comparison->walk, &entry, &functions))
            return false;
        compare_entry(comparison, &entry, functions);
    }
    for (int i = 0; i < 5; i++)
        if (!cursor_varint(cursor, &totals[i]))
            return false;
    compare_totals(comparison, totals);
    return cursor_left(cursor) == 0;
}

static enum cptrace_status require_frame(struct input *input, size_t *frame_bytes, struct cptrace_error *error)
{
    *frame_bytes = SKIPPABLE_HEADER_BYTES;
    if (cptrace_input_require(input, *frame_bytes))
        *frame_bytes += load_u32(input_at(input) + 4);
    if (*frame_bytes > INDEX_MAX_BYTES)
        return cptrace_error_set(error, CPTRACE_CORRUPT, input->offset, "index: %zu bytes are too many", *frame_bytes);
    if (cptrace_input_require(input, *frame_bytes))
        return CPTRACE_OK;
    if (input->failure != CPTRACE_OK)
        return cptrace_input_error(input, error);
    return cptrace_error_set(error, CPTRACE_TRUNCATED, input->offset, "index: the file ends inside it");
}

enum cptrace_status cptrace_index_check_frame(const uint8_t *frame, size_t frame_bytes, uint64_t offset, struct cptrace_error *error)
{
    if (frame_bytes < INDEX_MIN_BYTES || load_u32(frame) != MAGIC_INDEX ||
        memcmp(frame + SKIPPABLE_HEADER_BYTES, INDEX_SIGNATURE, SIGNATURE_BYTES) != 0)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "index: no signature");
    const uint8_t *const trailer = frame + frame_bytes - INDEX_TRAILER_BYTES;
    const uint8_t *const guarded = frame + SKIPPABLE_HEADER_BYTES;
    if (load_u32(trailer) != cptrace_crc32(0, guarded, (size_t)(trailer - guarded)))
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "index: crc32 does not match");
    if (load_u32(frame + 4) != frame_bytes - SKIPPABLE_HEADER_BYTES || load_u32(trailer + 4) != frame_bytes ||
        memcmp(trailer + 8, INDEX_END_SIGNATURE, SIGNATURE_BYTES) != 0)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "index: its end does not match its start");
    return CPTRACE_OK;
}

enum cptrace_status cptrace_reader_read_index(struct cptrace_reader *reader, struct cptrace_error *error)
{
    struct input *const input = &reader->input;
    size_t frame_bytes;
    enum cptrace_status status = require_frame(input, &frame_bytes, error);
    if (status == CPTRACE_OK)
        status = cptrace_index_check_frame(input_at(input), frame_bytes, input->offset, error);
    if (status != CPTRACE_OK)
        return status;

    struct comparison comparison = {.reader = reader, .walk = cptrace_index_walk(input_at(input), frame_bytes, &reader->header)};
    if (!compare(&comparison))
        return cptrace_error_set(error, CPTRACE_CORRUPT, input->offset, "index: its entries do not fill it");
    reader->has_index = true;
    if (comparison.difference) {
        struct cptrace_error disagreement;
        cptrace_error_set(&disagreement, CPTRACE_CORRUPT, comparison.different_offset, "index: it tells of %s (the blocks are trusted)",
                          comparison.difference);
        cptrace_reader_add_damage(reader, comparison.different_offset, 0, 0, &disagreement);
    }
    cptrace_input_take(input, frame_bytes);
    return CPTRACE_OK;
}

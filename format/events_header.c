#include "events_header.h"

#include "error.h"

enum column {
    COLUMN_CALLEE,
    COLUMN_OPEN,
    COLUMN_OP,
    COLUMN_START,
    COLUMN_RESUME,
    COLUMN_REOPEN,
    COLUMN_ANNOTATION,
    COLUMN_WIDE,
    COLUMN_CODE,
    COLUMN_CONTEXT
};
#define COLUMN_COUNT 10
#define COLUMN_COUNT_V2 9 /* without context */
#define COLUMN_COUNT_V1 8 /* nor code */

static const char *const column_names[COLUMN_COUNT] = {"callee", "open",       "op",   "start", "resume",
                                                       "reopen", "annotation", "wide", "code",  "context"};

struct lengths {
    uint32_t columns[COLUMN_COUNT];
    int column_count;
};

static enum cptrace_status parse_lengths(struct cursor *cursor, struct lengths *lengths, struct events_header *header, uint64_t offset,
                                         struct cptrace_error *error)
{
    for (int i = 0; i < lengths->column_count; i++)
        if (!cursor_varint_u32(cursor, &lengths->columns[i]))
            return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "column %s: no valid length", column_names[i]);
    const uint32_t columns_max = header->has_contexts ? DELTA_COLUMNS_MAX : DELTA_COLUMNS_MAX_V2;
    if (!cursor_varint_u32(cursor, &header->delta_columns) || header->delta_columns == 0 || header->delta_columns > columns_max)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "delta columns: expected 1 to %u", columns_max);
    for (uint32_t i = 0; i < header->delta_columns; i++)
        if (!cursor_varint_u32(cursor, &header->delta_counts[i]))
            return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "delta column %u: no valid length", i);
    return CPTRACE_OK;
}

static enum cptrace_status slice(struct cursor *from, uint64_t length, const char *name, struct cursor *column, uint64_t offset,
                                 struct cptrace_error *error)
{
    if (length > cursor_left(from))
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "column %s: expected %llu bytes, found %zu", name,
                                 (unsigned long long)length, cursor_left(from));
    *column = (struct cursor){from->at, from->at + length};
    from->at += length;
    return CPTRACE_OK;
}

static uint64_t delta_count(const struct events_header *header)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < header->delta_columns; i++)
        count += header->delta_counts[i];
    return count;
}

/* Version 1 has the delta columns, as they are, before wide; later versions have their bits behind all columns. */
static enum cptrace_status slice_columns(struct cursor *from, const struct lengths *lengths, struct events_header *header, uint64_t offset,
                                         struct cptrace_error *error)
{
    struct cursor *const columns[COLUMN_COUNT] = {&header->callee, &header->open,       &header->op,   &header->start, &header->resume,
                                                  &header->reopen, &header->annotation, &header->wide, &header->code,  &header->context};
    enum cptrace_status status = CPTRACE_OK;
    for (int i = 0; i < lengths->column_count && status == CPTRACE_OK; i++) {
        if (i == COLUMN_WIDE && !header->is_coded)
            status = slice(from, delta_count(header), "delta", &header->deltas, offset, error);
        if (status == CPTRACE_OK)
            status = slice(from, lengths->columns[i], column_names[i], columns[i], offset, error);
    }
    if (status == CPTRACE_OK && header->is_coded)
        header->bits = *from;
    else if (status == CPTRACE_OK && cursor_left(from))
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "events block: %zu bytes behind its columns", cursor_left(from));
    return status;
}

static enum cptrace_status check_counts(const struct events_header *header, uint64_t offset, struct cptrace_error *error)
{
    if (header->event_count == 0 || header->event_count > BLOCK_EVENTS_MAX)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "event count: expected 1 to %u, found %u", BLOCK_EVENTS_MAX,
                                 header->event_count);
    const uint64_t events_per_op = header->is_coded ? 2 : 1; /* leaves */
    if (header->event_count > cursor_left(&header->op) * events_per_op)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "event count: %u events do not fit the column op", header->event_count);
    if (header->event_count != delta_count(header))
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "delta columns: expected %u deltas, found %llu", header->event_count,
                                 (unsigned long long)delta_count(header));
    if (header->open_count > OPEN_CALLS_MAX || header->open_count > cursor_left(&header->open) / 2)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "open calls: %u do not fit the column open", header->open_count);
    if (header->last_tick < header->first_tick)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "last tick: before the first tick");
    return CPTRACE_OK;
}

enum cptrace_status cptrace_events_header_parse(const struct cptrace_block *block, struct events_header *header,
                                                struct cptrace_error *error)
{
    const uint8_t *const content = block->content;
    const uint64_t offset = block->offset;
    if (block->content_bytes < EVENTS_HEADER_BYTES)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "events block: expected at least %d bytes, found %zu", EVENTS_HEADER_BYTES,
                                 block->content_bytes);
    if (content[0] != CPTRACE_BLOCK_EVENTS)
        return cptrace_error_set(error, CPTRACE_INVALID_ARGUMENT, offset, "block kind: expected events, found %u", content[0]);
    *header = (struct events_header){
        .lane = load_u32(content + 12),
        .event_count = load_u32(content + 16),
        .first_tick = load_u64(content + 20),
        .last_tick = load_u64(content + 28),
        .calibration = load_calibration(content + 36),
        .open_count = load_u32(content + 60),
        .is_coded = block->format_version >= FORMAT_VERSION_CODED,
        .has_contexts = block->format_version >= FORMAT_VERSION_CONTEXTS,
    };
    header->kind_bits = header->is_coded ? CALLEE_KIND_BITS : CALLEE_KIND_BITS_V1;
    struct cursor rest = {content + EVENTS_HEADER_BYTES, content + block->content_bytes};
    struct lengths lengths = {.column_count = header->has_contexts ? COLUMN_COUNT : header->is_coded ? COLUMN_COUNT_V2 : COLUMN_COUNT_V1};
    enum cptrace_status status = parse_lengths(&rest, &lengths, header, offset, error);
    header->places_bytes = !header->has_contexts && header->delta_columns > 1 ? DELTA_PLACES_BYTES_V2 : 0;
    if (status == CPTRACE_OK)
        status = slice_columns(&rest, &lengths, header, offset, error);
    return status == CPTRACE_OK ? check_counts(header, offset, error) : status;
}

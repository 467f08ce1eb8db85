#include "events_header.h"

#include "error.h"

struct lengths {
    uint32_t columns[8], delta_columns, deltas[DELTA_COLUMNS_MAX];
};

static const char *const column_names[] = {"callee", "open", "op", "start", "resume", "reopen", "annotation", "wide"};

static enum cptrace_status parse_lengths(struct cursor *cursor, uint64_t offset, struct lengths *lengths, struct cptrace_error *error)
{
    for (int i = 0; i < 8; i++)
        if (!cursor_varint_u32(cursor, &lengths->columns[i]))
            return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "column %s: no valid length", column_names[i]);
    if (!cursor_varint_u32(cursor, &lengths->delta_columns) || lengths->delta_columns == 0 || lengths->delta_columns > DELTA_COLUMNS_MAX)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "delta columns: expected 1 to %d", DELTA_COLUMNS_MAX);
    for (uint32_t i = 0; i < lengths->delta_columns; i++)
        if (!cursor_varint_u32(cursor, &lengths->deltas[i]))
            return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "delta column %u: no valid length", i);
    return CPTRACE_OK;
}

static enum cptrace_status slice(struct cursor *from, uint32_t length, const char *name, struct cursor *column, uint64_t offset,
                                 struct cptrace_error *error)
{
    if (length > cursor_left(from))
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "column %s: expected %u bytes, found %zu", name, length,
                                 cursor_left(from));
    *column = (struct cursor){from->at, from->at + length};
    from->at += length;
    return CPTRACE_OK;
}

static enum cptrace_status slice_columns(struct cursor *from, const struct lengths *lengths, uint64_t offset, struct events_header *header,
                                         struct cptrace_error *error)
{
    struct cursor *const columns[] = {&header->callee, &header->open,   &header->op,         &header->start,
                                      &header->resume, &header->reopen, &header->annotation, &header->wide};
    enum cptrace_status status = CPTRACE_OK;
    for (int i = 0; i < 7 && status == CPTRACE_OK; i++)
        status = slice(from, lengths->columns[i], column_names[i], columns[i], offset, error);
    header->delta_columns = lengths->delta_columns;
    for (uint32_t i = 0; i < lengths->delta_columns && status == CPTRACE_OK; i++)
        status = slice(from, lengths->deltas[i], "delta", &header->delta[i], offset, error);
    if (status == CPTRACE_OK)
        status = slice(from, lengths->columns[7], column_names[7], columns[7], offset, error);
    if (status == CPTRACE_OK && cursor_left(from))
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "events block: %zu bytes behind its columns", cursor_left(from));
    return status;
}

static enum cptrace_status check_counts(const struct events_header *header, uint64_t offset, struct cptrace_error *error)
{
    if (header->event_count == 0 || header->event_count > BLOCK_EVENTS_MAX)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "event count: expected 1 to %u, found %u", BLOCK_EVENTS_MAX,
                                 header->event_count);
    if (header->event_count > cursor_left(&header->op))
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "event count: %u events do not fit the column op", header->event_count);
    size_t delta_bytes = 0;
    for (uint32_t i = 0; i < header->delta_columns; i++)
        delta_bytes += cursor_left(&header->delta[i]);
    if (header->event_count != delta_bytes)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "delta columns: expected %u bytes, found %zu", header->event_count,
                                 delta_bytes);
    if (header->open_count > OPEN_CALLS_MAX || header->open_count > cursor_left(&header->open) / 2)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "open calls: %u do not fit the column open", header->open_count);
    if (header->last_tick < header->first_tick)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "last tick: before the first tick");
    return CPTRACE_OK;
}

enum cptrace_status cptrace_events_header_parse(const uint8_t *content, size_t content_bytes, uint64_t offset, struct events_header *header,
                                                struct cptrace_error *error)
{
    if (content_bytes < EVENTS_HEADER_BYTES)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "events block: expected at least %d bytes, found %zu", EVENTS_HEADER_BYTES,
                                 content_bytes);
    if (content[0] != CPTRACE_BLOCK_EVENTS)
        return cptrace_error_set(error, CPTRACE_INVALID_ARGUMENT, offset, "block kind: expected events, found %u", content[0]);
    header->lane = load_u32(content + 12);
    header->event_count = load_u32(content + 16);
    header->first_tick = load_u64(content + 20);
    header->last_tick = load_u64(content + 28);
    header->calibration = load_calibration(content + 36);
    header->open_count = load_u32(content + 60);
    struct cursor rest = {content + EVENTS_HEADER_BYTES, content + content_bytes};
    struct lengths lengths = {0};
    enum cptrace_status status = parse_lengths(&rest, offset, &lengths, error);
    if (status == CPTRACE_OK)
        status = slice_columns(&rest, &lengths, offset, header, error);
    return status == CPTRACE_OK ? check_counts(header, offset, error) : status;
}

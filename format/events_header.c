#include "events_header.h"

#include "error.h"
#include "frame.h"

static enum cptrace_status slice_columns(const uint8_t *content, size_t content_bytes, uint64_t offset, struct events_header *header,
                                         struct cptrace_error *error)
{
    struct cursor *const columns[] = {&header->open, &header->op, &header->delta, &header->operand};
    static const char *const names[] = {"open", "op", "delta", "operand"};
    const uint8_t *at = content + EVENTS_HEADER_BYTES, *const end = content + content_bytes;
    for (int i = 0; i < 4; i++) {
        const uint32_t length = load_u32(content + 64 + 4 * i);
        if (length > (size_t)(end - at))
            return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "column %s: expected %u bytes, found %zu", names[i], length,
                                     (size_t)(end - at));
        *columns[i] = (struct cursor){at, at + length};
        at += length;
    }
    if (at != end)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "events block: %zu bytes behind its columns", (size_t)(end - at));
    return CPTRACE_OK;
}

static enum cptrace_status check_counts(const struct events_header *header, uint64_t offset, struct cptrace_error *error)
{
    if (header->event_count == 0 || header->event_count > BLOCK_EVENTS_MAX)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "event count: expected 1 to %u, found %u", BLOCK_EVENTS_MAX,
                                 header->event_count);
    if (header->event_count > cursor_left(&header->op) || header->event_count > cursor_left(&header->delta))
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "event count: %u events do not fit the columns op and delta",
                                 header->event_count);
    if (header->open_count > OPEN_CALLS_MAX || header->open_count > cursor_left(&header->open) / 3)
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
    const enum cptrace_status status = slice_columns(content, content_bytes, offset, header, error);
    return status == CPTRACE_OK ? check_counts(header, offset, error) : status;
}

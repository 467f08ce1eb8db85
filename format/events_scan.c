/* What can be told of a block of events without decoding it. */
#include <string.h>

#include "events_header.h"

/* Only the op column is walked, and only when it can hold one. */
bool cptrace_events_have(const struct cptrace_block *block, enum cptrace_annotation_kind kind)
{
    struct events_header header;
    if (cptrace_events_header_parse(block, &header, NULL) != CPTRACE_OK)
        return false;
    struct cursor op = header.op;
    if (!memchr(op.at, kind, cursor_left(&op)))
        return false;
    uint64_t value;
    while (cursor_varint(&op, &value))
        if (value == (uint64_t)kind)
            return true;
    return false;
}

uint32_t cptrace_events_open_count(const struct cptrace_block *block)
{
    struct events_header header;
    const bool is_valid = cptrace_events_header_parse(block, &header, NULL) == CPTRACE_OK;
    return is_valid ? header.open_count : 0;
}

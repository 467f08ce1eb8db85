#include "block_literal.h"

#include <stdlib.h>
#include <string.h>

#include "bytes.h"

static uint8_t *append(uint8_t *to, const char *bytes, size_t length)
{
    if (length)
        memcpy(to, bytes, length);
    return to + length;
}

enum cptrace_status decode_literal(const struct literal *literal, struct cptrace_events *events, struct cptrace_error *error,
                                   uint8_t **kept)
{
    uint8_t content[256] = {CPTRACE_BLOCK_EVENTS};
    uint8_t *at = store_u32(content + 16, literal->event_count);
    at = store_u64(at, literal->first);
    store_u64(at, literal->last);
    at = store_u32(content + 60, literal->open_count);
    at = store_u32(at, (uint32_t)literal->open_bytes);
    at = store_u32(at, (uint32_t)literal->op_bytes);
    at = store_u32(at, (uint32_t)literal->delta_bytes);
    at = store_u32(at, (uint32_t)literal->operand_bytes);
    at = append(at, literal->open, literal->open_bytes);
    at = append(at, literal->op, literal->op_bytes);
    at = append(at, literal->delta, literal->delta_bytes);
    at = append(at, literal->operand, literal->operand_bytes);
    /* Exactly as long as the content, so that a sanitizer sees a read past it. */
    const size_t length = (size_t)(at - content);
    uint8_t *const exact = malloc(length);
    memcpy(exact, content, length);
    const struct cptrace_block block = {.kind = CPTRACE_BLOCK_EVENTS, .content = exact, .content_bytes = length, .offset = 77};
    const enum cptrace_status status = cptrace_events_decode(&block, events, error);
    if (kept)
        *kept = exact;
    else
        free(exact);
    return status;
}

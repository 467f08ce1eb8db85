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

#define DELTA_COLUMN 7 /* its lengths stand behind the others */

enum cptrace_status decode_literal(const struct literal *literal, struct cptrace_events *events, struct cptrace_error *error,
                                   uint8_t **kept)
{
    const struct {
        const char *bytes;
        size_t length;
    } columns[] = {
        {literal->callee, literal->callee_bytes},
        {literal->open, literal->open_bytes},
        {literal->op, literal->op_bytes},
        {literal->start, literal->start_bytes},
        {literal->resume, literal->resume_bytes},
        {literal->reopen, literal->reopen_bytes},
        {literal->annotation, literal->annotation_bytes},
        {literal->delta, literal->delta_bytes},
        {literal->wide, literal->wide_bytes},
    };
    uint8_t content[512] = {CPTRACE_BLOCK_EVENTS};
    uint8_t *at = store_u32(content + 16, literal->event_count);
    at = store_u64(at, literal->first);
    store_u64(at, literal->last);
    at = store_u32(content + 60, literal->open_count);
    for (int i = 0; i < 9; i++)
        if (i != DELTA_COLUMN)
            at = store_varint(at, columns[i].length);
    const char *const lengths = literal->delta_lengths;
    if (lengths) {
        at = append(at, lengths, strlen(lengths));
    } else {
        at = store_varint(at, 1);
        at = store_varint(at, literal->delta_bytes);
    }
    for (int i = 0; i < 9; i++)
        at = append(at, columns[i].bytes, columns[i].length);
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

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

struct bytes {
    const char *bytes;
    size_t length;
};

/* Their lengths stand in this order, before that of the columns with deltas. */
#define LENGTHS_MAX 10
#define LENGTHS_MAX_V2 9 /* without context */
#define LENGTHS_MAX_V1 8 /* nor code */

enum cptrace_status decode_literal(const struct literal *literal, struct cptrace_events *events, struct cptrace_error *error,
                                   uint8_t **kept)
{
    const uint16_t version = literal->version ? literal->version : literal->code ? CPTRACE_FORMAT_VERSION : 1;
    const bool is_coded = version > 1;
    const struct bytes columns[LENGTHS_MAX] = {
        {literal->callee, literal->callee_bytes},
        {literal->open, literal->open_bytes},
        {literal->op, literal->op_bytes},
        {literal->start, literal->start_bytes},
        {literal->resume, literal->resume_bytes},
        {literal->reopen, literal->reopen_bytes},
        {literal->annotation, literal->annotation_bytes},
        {literal->wide, literal->wide_bytes},
        {literal->code, literal->code_bytes},
        {literal->context, literal->context_bytes},
    };
    const struct bytes delta = {literal->delta, literal->delta_bytes};
    const int column_count = version > 2 ? LENGTHS_MAX : is_coded ? LENGTHS_MAX_V2 : LENGTHS_MAX_V1;
    const int deltas_before = is_coded ? column_count : column_count - 1;
    uint8_t content[512] = {CPTRACE_BLOCK_EVENTS};
    uint8_t *at = store_u32(content + 16, literal->event_count);
    at = store_u64(at, literal->first);
    store_u64(at, literal->last);
    at = store_u32(content + 60, literal->open_count);
    for (int i = 0; i < column_count; i++)
        at = store_varint(at, columns[i].length);
    const char *const lengths = literal->delta_lengths;
    if (lengths) {
        at = append(at, lengths, strlen(lengths));
    } else {
        at = store_varint(at, 1);
        at = store_varint(at, is_coded ? literal->event_count : delta.length);
    }
    for (int i = 0; i <= column_count; i++) {
        if (i == deltas_before)
            at = append(at, delta.bytes, delta.length);
        if (i < column_count)
            at = append(at, columns[i].bytes, columns[i].length);
    }
    /* Exactly as long as the content, so that a sanitizer sees a read past it. */
    const size_t length = (size_t)(at - content);
    uint8_t *const exact = malloc(length);
    memcpy(exact, content, length);
    const struct cptrace_block block = {
        .kind = CPTRACE_BLOCK_EVENTS,
        .content = exact,
        .content_bytes = length,
        .offset = 77,
        .format_version = version,
    };
    const enum cptrace_status status = cptrace_events_decode(&block, events, error);
    if (kept)
        *kept = exact;
    else
        free(exact);
    return status;
}

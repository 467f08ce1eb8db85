/* Events blocks made of literals; SPEC.md 4.3. */
#ifndef CPTRACE_TESTS_BLOCK_LITERAL_H
#define CPTRACE_TESTS_BLOCK_LITERAL_H

#include "cptrace/reader.h"

struct literal {
    uint16_t version; /* 0: 1 without the column code, else the newest */
    uint32_t event_count, open_count;
    uint64_t first, last;
    const char *callee, *open, *op, *start, *resume, *reopen, *annotation, *delta, *wide, *code, *context;
    size_t callee_bytes, open_bytes, op_bytes, start_bytes, resume_bytes, reopen_bytes, annotation_bytes, delta_bytes, wide_bytes,
        code_bytes, context_bytes;
    const char *delta_lengths; /* their number and the length of each, one byte a varint; NULL: one column with an event's each */
};

#define COLUMN(name, literal) .name = literal, .name##_bytes = sizeof literal - 1

/* Decodes the block, whose content ends where its memory does. Text of annotations is gone with the content, so keep what it was in kept
 * (the content; free it), or pass NULL. */
enum cptrace_status decode_literal(const struct literal *literal, struct cptrace_events *events, struct cptrace_error *error,
                                   uint8_t **kept);

#endif

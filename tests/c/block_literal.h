/* Events blocks made of literals; SPEC.md 4.3. */
#ifndef CPTRACE_TESTS_BLOCK_LITERAL_H
#define CPTRACE_TESTS_BLOCK_LITERAL_H

#include "cptrace/reader.h"

struct literal {
    uint32_t event_count, open_count;
    uint64_t first, last;
    const char *open, *op, *delta, *operand;
    size_t open_bytes, op_bytes, delta_bytes, operand_bytes;
};

#define COLUMN(name, literal) .name = literal, .name##_bytes = sizeof literal - 1

/* Decodes the block, whose content ends where its memory does. Text of annotations is gone with the content, so keep what it was in kept
 * (the content; free it), or pass NULL. */
enum cptrace_status decode_literal(const struct literal *literal, struct cptrace_events *events, struct cptrace_error *error,
                                   uint8_t **kept);

#endif

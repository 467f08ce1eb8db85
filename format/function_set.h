/* The functions that an events block mentions, as the index tells them (SPEC.md 5): runs of neighbouring numbers. Functions are numbered in
 * the order in which they are called first, so that those of one block stand together. */
#ifndef CPTRACE_FUNCTION_SET_H
#define CPTRACE_FUNCTION_SET_H

#include "byte_buffer.h"
#include "bytes.h"

struct function_set {
    uint8_t *seen;       /* by function number + 16, as the ops of calls; all zero between two gathers, as is the next */
    uint8_t *seen_pages; /* by page of seen: some of it was seen. Not of the first SHORT_OPS */
    size_t seen_capacity, page_capacity;
    struct byte_buffer runs; /* of the last gather */
};

/* Columns of an events block that name functions; SPEC.md 4.3. What does not parse ends them: decoding tells of it. */
struct function_columns {
    struct cursor open, op, operand;
};

/* Fills set->runs. Numbers from function_count on, which nothing defines, are left out. False: no memory. */
bool cptrace_function_set_gather(struct function_set *set, struct function_columns columns, uint32_t function_count);
void cptrace_function_set_free(struct function_set *set);

/* Reads the next run, from number *begin up to before *end; both are 0 before the first. False at the end, or when it is no valid run. */
bool cptrace_function_run_next(struct cursor *runs, uint32_t *begin, uint32_t *end);

#endif

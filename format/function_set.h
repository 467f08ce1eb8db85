/* The functions that an events block mentions, as the index tells them (SPEC.md 5): runs of neighbouring numbers. Functions are numbered in
 * the order in which they are called first, so that those of one block stand together. */
#ifndef CPTRACE_FUNCTION_SET_H
#define CPTRACE_FUNCTION_SET_H

#include "byte_buffer.h"
#include "bytes.h"

struct function_set {
    uint8_t *seen; /* by function number; all zero between two gathers, as is what is added */
    size_t seen_capacity;
    struct byte_buffer runs; /* of the last gather */
};

/* Fills set->runs from the column callee of a block, SPEC.md 4.3, whose entries have that many bits below the function, and bytes
 * behind both. What does not parse
 * ends it: decoding tells of it. Numbers from function_count on, which nothing defines, are left out. False: no memory. */
bool cptrace_function_set_gather(struct function_set *set, struct cursor callee, uint32_t kind_bits, uint32_t places_bytes,
                                 uint32_t function_count);
void cptrace_function_set_free(struct function_set *set);

/* Reads the next run, from number *begin up to before *end; both are 0 before the first. False at the end, or when it is no valid run. */
bool cptrace_function_run_next(struct cursor *runs, uint32_t *begin, uint32_t *end);

#endif

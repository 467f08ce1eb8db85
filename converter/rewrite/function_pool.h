/* Functions of an output, each defined once, whichever of the rewritten traces it comes from. */
#ifndef REWRITE_FUNCTION_POOL_H
#define REWRITE_FUNCTION_POOL_H

#include "cptrace/writer.h"

struct function_pool {
    struct pooled_function *functions; /* by number in the output */
    size_t count, capacity;
    uint32_t *slots; /* open addressing: number + 1; 0: free */
    size_t slot_count;
};

/* The number in the output of a function, which is defined when it is new; its file is one of the output. Its strings must stay where they
 * are. CPTRACE_NO_NUMBER: no memory, or the writer has failed. */
uint32_t function_pool_number(struct function_pool *pool, struct cptrace_writer *writer, const struct cptrace_function *function);
void function_pool_free(struct function_pool *pool);

#endif

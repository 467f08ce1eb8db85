/* The activations of a writer that are suspended now: a hash table by activation number. Only these are kept, so that memory follows
 * the generators alive, not those that ever ran. */
#ifndef CPTRACE_SUSPENDED_CALLS_H
#define CPTRACE_SUSPENDED_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define START_TICK_UNKNOWN UINT64_MAX /* begun before the run */

struct suspended_call {
    uint32_t activation;
    uint32_t function;
    uint64_t start_tick;
    uint64_t block_stamp; /* the lane block that it was suspended in; 0: none */
    uint32_t suspension;  /* its number there */
};

struct suspended_calls {
    struct suspended_call *slots; /* open addressing; activation CPTRACE_NO_NUMBER: free */
    size_t slot_count, count;
};

/* False when there is no memory. The activation must not be in the table. */
bool cptrace_suspended_add(struct suspended_calls *calls, const struct suspended_call *call);
/* Removes it into *call; false when it is not there. */
bool cptrace_suspended_take(struct suspended_calls *calls, uint32_t activation, struct suspended_call *call);
void cptrace_suspended_free(struct suspended_calls *calls);

#endif

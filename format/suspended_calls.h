/* The activations of a writer that are suspended now: a hash table by activation number. Only these are kept, so that memory follows
 * the generators alive, not those that ever ran. */
#ifndef CPTRACE_SUSPENDED_CALLS_H
#define CPTRACE_SUSPENDED_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cptrace/cptrace.h"

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

/* Fibonacci hashing: neighbouring activation numbers spread. */
static inline size_t cptrace_suspended_home(const struct suspended_calls *calls, uint32_t activation)
{
    return (activation * UINT32_C(2654435769)) & (calls->slot_count - 1);
}

/* The same in two steps, for nearly all calls: the slot to fill, or the one to release after it was read. NULL when it is not that simple.
 */
static inline struct suspended_call *cptrace_suspended_add_at_home(struct suspended_calls *calls, uint32_t activation)
{
    if (calls->count >= calls->slot_count / 2)
        return NULL;
    struct suspended_call *const home = &calls->slots[cptrace_suspended_home(calls, activation)];
    if (home->activation != CPTRACE_NO_NUMBER)
        return NULL;
    calls->count++;
    return home;
}

static inline struct suspended_call *cptrace_suspended_find_at_home(const struct suspended_calls *calls, uint32_t activation)
{
    if (calls->count == 0)
        return NULL;
    const size_t i = cptrace_suspended_home(calls, activation);
    const struct suspended_call *const next = &calls->slots[(i + 1) & (calls->slot_count - 1)];
    return calls->slots[i].activation == activation && next->activation == CPTRACE_NO_NUMBER ? &calls->slots[i] : NULL;
}

static inline void cptrace_suspended_release(struct suspended_calls *calls, struct suspended_call *call)
{
    call->activation = CPTRACE_NO_NUMBER;
    calls->count--;
}

#endif

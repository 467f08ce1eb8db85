/* The suspensions of one lane in one block, numbered in order, and which of them were resumed; SPEC.md 4.3, resume. */
#ifndef CPTRACE_SUSPENSION_ORDER_H
#define CPTRACE_SUSPENSION_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct suspension_order {
    uint8_t *is_resumed; /* by number */
    uint32_t *waiting;   /* numbers, newest last; those above the newest that waits are dropped when it is asked for */
    size_t count, waiting_count, capacity, waiting_capacity;
};

static inline void suspension_order_reset(struct suspension_order *order) { order->count = order->waiting_count = 0; }

/* The suspension's number is count before. False: no memory. */
bool cptrace_suspension_add(struct suspension_order *order);
/* The number of the newest that waits; count when none does. */
uint32_t cptrace_suspension_newest(struct suspension_order *order);
static inline void suspension_resume(struct suspension_order *order, uint32_t number) { order->is_resumed[number] = 1; }
void cptrace_suspension_order_free(struct suspension_order *order);

#endif

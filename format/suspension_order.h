/* The suspensions of one lane in one block, numbered in order, and which of them were resumed; SPEC.md 4.3, resume. */
#ifndef CPTRACE_SUSPENSION_ORDER_H
#define CPTRACE_SUSPENSION_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct suspension_order {
    uint8_t *is_resumed;                   /* by number */
    uint32_t *waiting;                     /* numbers, newest last; those above the newest that waits are dropped when it is asked for */
    size_t count, waiting_count, capacity; /* of both */
};

static inline void suspension_order_reset(struct suspension_order *order) { order->count = order->waiting_count = 0; }

/* Room for one more; false: no memory. */
bool cptrace_suspension_reserve(struct suspension_order *order);

/* The suspension's number is count before; there is room. */
static inline void suspension_order_append(struct suspension_order *order)
{
    order->waiting[order->waiting_count++] = (uint32_t)order->count;
    order->is_resumed[order->count++] = 0;
}

/* False: no memory. */
static inline bool cptrace_suspension_add(struct suspension_order *order)
{
    if (order->count == order->capacity && !cptrace_suspension_reserve(order))
        return false;
    suspension_order_append(order);
    return true;
}

/* The number of the newest that waits; count when none does. */
static inline uint32_t cptrace_suspension_newest(struct suspension_order *order)
{
    while (order->waiting_count && order->is_resumed[order->waiting[order->waiting_count - 1]])
        order->waiting_count--;
    return order->waiting_count ? order->waiting[order->waiting_count - 1] : (uint32_t)order->count;
}

static inline void suspension_resume(struct suspension_order *order, uint32_t number) { order->is_resumed[number] = 1; }

/* It is resumed now; the operand of that. */
static inline uint64_t suspension_resume_operand(struct suspension_order *order, uint32_t number)
{
    const bool is_newest = number == cptrace_suspension_newest(order);
    suspension_resume(order, number);
    return is_newest ? 0 : order->count - number;
}

void cptrace_suspension_order_free(struct suspension_order *order);

#endif

#include "suspension_order.h"

#include <stdlib.h>

#include "byte_buffer.h"

bool cptrace_suspension_reserve(struct suspension_order *order)
{
    size_t capacity = order->capacity, waiting_capacity = order->capacity;
    if (!cptrace_array_reserve(&order->waiting, &waiting_capacity, order->count + 1, sizeof *order->waiting) ||
        !cptrace_array_reserve(&order->is_resumed, &capacity, order->count + 1, sizeof *order->is_resumed))
        return false;
    order->capacity = capacity;
    return true;
}

void cptrace_suspension_order_free(struct suspension_order *order)
{
    free(order->is_resumed);
    free(order->waiting);
    *order = (struct suspension_order){0};
}

#include "suspension_order.h"

#include <stdlib.h>

#include "byte_buffer.h"

bool cptrace_suspension_add(struct suspension_order *order)
{
    if (!cptrace_array_reserve(&order->is_resumed, &order->capacity, order->count + 1, sizeof *order->is_resumed) ||
        !cptrace_array_reserve(&order->waiting, &order->waiting_capacity, order->waiting_count + 1, sizeof *order->waiting))
        return false;
    order->waiting[order->waiting_count++] = (uint32_t)order->count;
    order->is_resumed[order->count++] = 0;
    return true;
}

uint32_t cptrace_suspension_newest(struct suspension_order *order)
{
    while (order->waiting_count && order->is_resumed[order->waiting[order->waiting_count - 1]])
        order->waiting_count--;
    return order->waiting_count ? order->waiting[order->waiting_count - 1] : (uint32_t)order->count;
}

void cptrace_suspension_order_free(struct suspension_order *order)
{
    free(order->is_resumed);
    free(order->waiting);
    *order = (struct suspension_order){0};
}

#include "page/pending_call.h"

#include <stdlib.h>

void late_calls_free(struct late_calls *late)
{
    free(late->calls);
    *late = (struct late_calls){0};
}

bool late_calls_add(struct late_calls *late, struct late_call call)
{
    if (late->count == late->capacity) {
        const size_t capacity = late->capacity ? late->capacity * 2 : 256;
        struct late_call *const calls = realloc(late->calls, capacity * sizeof *calls);
        if (!calls)
            return false;
        late->calls = calls;
        late->capacity = capacity;
    }
    late->calls[late->count++] = call;
    return true;
}

struct late_call *late_calls_find(const struct late_calls *late, uint64_t id)
{
    size_t low = 0, high = late->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (late->calls[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < late->count && late->calls[low].id == id ? &late->calls[low] : NULL;
}

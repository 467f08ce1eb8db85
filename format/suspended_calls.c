#include "suspended_calls.h"

#include <stdlib.h>

#define FIRST_SLOT_COUNT 64

static void insert(struct suspended_calls *calls, const struct suspended_call *call)
{
    size_t i = cptrace_suspended_home(calls, call->activation);
    while (calls->slots[i].activation != CPTRACE_NO_NUMBER)
        i = (i + 1) & (calls->slot_count - 1);
    calls->slots[i] = *call;
}

static bool grow(struct suspended_calls *calls)
{
    const struct suspended_calls old = *calls;
    const size_t slot_count = old.slot_count ? old.slot_count * 2 : FIRST_SLOT_COUNT;
    struct suspended_call *const slots = malloc(slot_count * sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < slot_count; i++)
        slots[i].activation = CPTRACE_NO_NUMBER;
    calls->slots = slots;
    calls->slot_count = slot_count;
    for (size_t i = 0; i < old.slot_count; i++)
        if (old.slots[i].activation != CPTRACE_NO_NUMBER)
            insert(calls, &old.slots[i]);
    free(old.slots);
    return true;
}

bool cptrace_suspended_add(struct suspended_calls *calls, const struct suspended_call *call)
{
    if (calls->count >= calls->slot_count / 2 && !grow(calls))
        return false;
    insert(calls, call);
    calls->count++;
    return true;
}

/* Frees slot hole by moving back whatever a probe would not find past it. */
static void remove_slot(struct suspended_calls *calls, size_t hole)
{
    const size_t mask = calls->slot_count - 1;
    for (size_t i = (hole + 1) & mask; calls->slots[i].activation != CPTRACE_NO_NUMBER; i = (i + 1) & mask) {
        const size_t home = cptrace_suspended_home(calls, calls->slots[i].activation);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            calls->slots[hole] = calls->slots[i];
            hole = i;
        }
    }
    calls->slots[hole].activation = CPTRACE_NO_NUMBER;
    calls->count--;
}

bool cptrace_suspended_take(struct suspended_calls *calls, uint32_t activation, struct suspended_call *call)
{
    if (calls->count == 0 || activation == CPTRACE_NO_NUMBER)
        return false;
    const size_t mask = calls->slot_count - 1;
    for (size_t i = cptrace_suspended_home(calls, activation); calls->slots[i].activation != CPTRACE_NO_NUMBER; i = (i + 1) & mask) {
        if (calls->slots[i].activation == activation) {
            *call = calls->slots[i];
            remove_slot(calls, i);
            return true;
        }
    }
    return false;
}

void cptrace_suspended_free(struct suspended_calls *calls)
{
    free(calls->slots);
    *calls = (struct suspended_calls){0};
}

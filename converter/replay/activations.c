#include "replay/activations.h"

#include <stdlib.h>

#include "cptrace/cptrace.h"

struct activation_slot {
    uint32_t activation; /* CPTRACE_NO_NUMBER: free */
    struct activation_place place;
};

/* Numbers are dense and the living ones mostly recent: they are their own hash. */
static size_t home_of(const struct activations *activations, uint32_t activation) { return activation & (activations->slot_count - 1); }

static struct activation_slot *slot_for(const struct activations *activations, uint32_t activation)
{
    size_t at = home_of(activations, activation);
    while (activations->slots[at].activation != activation && activations->slots[at].activation != CPTRACE_NO_NUMBER)
        at = (at + 1) & (activations->slot_count - 1);
    return &activations->slots[at];
}

struct activation_place *activations_find(const struct activations *activations, uint32_t activation)
{
    if (activations->count == 0 || activation == CPTRACE_NO_NUMBER)
        return NULL;
    struct activation_slot *slot = slot_for(activations, activation);
    return slot->activation == activation ? &slot->place : NULL;
}

static bool grow(struct activations *activations)
{
    const struct activations old = *activations;
    const size_t slot_count = old.slot_count ? old.slot_count * 2 : 256;
    struct activation_slot *slots = malloc(slot_count * sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < slot_count; ++i)
        slots[i].activation = CPTRACE_NO_NUMBER;
    activations->slots = slots;
    activations->slot_count = slot_count;
    for (size_t i = 0; i < old.slot_count; ++i) {
        if (old.slots[i].activation != CPTRACE_NO_NUMBER)
            *slot_for(activations, old.slots[i].activation) = old.slots[i];
    }
    free(old.slots);
    return true;
}

bool activations_put(struct activations *activations, uint32_t activation, struct activation_place place)
{
    if (activations->count * 2 >= activations->slot_count && !grow(activations))
        return false;
    struct activation_slot *slot = slot_for(activations, activation);
    activations->count += slot->activation == CPTRACE_NO_NUMBER;
    *slot = (struct activation_slot){.activation = activation, .place = place};
    return true;
}

/* Closes the hole by moving later entries of the same run back (Knuth 6.4, algorithm R), so that no tombstones pile up. */
void activations_remove(struct activations *activations, uint32_t activation)
{
    if (activations->count == 0 || activation == CPTRACE_NO_NUMBER)
        return;
    struct activation_slot *slot = slot_for(activations, activation);
    if (slot->activation != activation)
        return;
    const size_t mask = activations->slot_count - 1;
    size_t hole = (size_t)(slot - activations->slots);
    for (size_t at = (hole + 1) & mask; activations->slots[at].activation != CPTRACE_NO_NUMBER; at = (at + 1) & mask) {
        const size_t home = home_of(activations, activations->slots[at].activation);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            activations->slots[hole] = activations->slots[at];
            hole = at;
        }
    }
    activations->slots[hole].activation = CPTRACE_NO_NUMBER;
    --activations->count;
}

void activations_free(struct activations *activations)
{
    free(activations->slots);
    *activations = (struct activations){0};
}

#include "lane.h"

#include <stdlib.h>
#include <string.h>

#include "drainer.h"
#include "run.h"

static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* How far the head may rise before the next look: to a quarter of the ring from here, so that the drainer is woken in time. */
static void set_limit(struct rec_lane *lane, uint64_t head, uint64_t tail)
{
    uint64_t capacity = lane->mask + 1;
    lane->limit = smaller(tail + capacity, head + capacity / 4);
}

/* Nothing can be saved any more: the ring goes round, and the run says so when it ends. */
static uint64_t go_round(struct rec_lane *lane, uint64_t head)
{
    lane->limit = head + lane->mask + 1;
    return head;
}

uint64_t rec_lane_make_room(struct rec_lane *lane, uint64_t slot_count)
{
    uint64_t head = atomic_load_explicit(&lane->ring->head, memory_order_relaxed);
    if (atomic_load_explicit(&lane->run->has_failed, memory_order_relaxed))
        return go_round(lane, head);
    uint64_t tail = atomic_load_explicit(&lane->ring->tail, memory_order_acquire);
    uint64_t capacity = lane->mask + 1;
    if (head + slot_count - tail > capacity) {
        rec_run_help(lane);
        if (atomic_load_explicit(&lane->run->has_failed, memory_order_relaxed))
            return go_round(lane, head);
        head = atomic_load_explicit(&lane->ring->head, memory_order_relaxed);
        tail = atomic_load_explicit(&lane->ring->tail, memory_order_acquire);
        capacity = lane->mask + 1; /* helping may have given a larger ring */
    } else if (!lane->may_grow && head - tail >= capacity / 2)
        rec_drainer_wake();
    set_limit(lane, head, tail);
    if (lane->limit < head + slot_count)
        lane->limit = head + slot_count;
    return head;
}

/* Marks the function as defined in this lane; false when it was already. */
static bool needs_definition(struct rec_lane *lane, const struct rec_function *function)
{
    if (function->number >= lane->defined_capacity) {
        uint64_t capacity = lane->defined_capacity ? lane->defined_capacity : 1024;
        while (capacity <= function->number)
            capacity *= 2;
        uint8_t *defined = realloc(lane->defined, capacity);
        if (!defined)
            return true; /* defining twice is harmless */
        memset(defined + lane->defined_capacity, 0, capacity - lane->defined_capacity);
        lane->defined = defined;
        lane->defined_capacity = capacity;
    }
    bool is_new = !lane->defined[function->number];
    lane->defined[function->number] = 1;
    return is_new;
}

void rec_lane_define_slow(struct rec_lane *lane, struct rec_function *function)
{
    function->lane_epoch = lane->epoch;
    if (!needs_definition(lane, function))
        return;
    uint64_t slot_count = 1 + (function->definition_bytes + sizeof *lane->slots - 1) / sizeof *lane->slots;
    uint64_t head = rec_lane_make_room(lane, slot_count);
    lane->slots[head & lane->mask] = (struct cptrace_ring_slot){0, (uint64_t)function->definition_bytes << 8 | CPTRACE_RING_DEFINE};
    const char *bytes = function->definition;
    for (uint64_t done = 0, slot = head + 1; done < function->definition_bytes; done += sizeof *lane->slots, slot++)
        memcpy(&lane->slots[slot & lane->mask], bytes + done, smaller(sizeof *lane->slots, function->definition_bytes - done));
    atomic_store_explicit(&lane->ring->head, head + slot_count, memory_order_release);
}

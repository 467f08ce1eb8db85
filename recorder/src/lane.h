/* A lane: one thread's part in one run, with the ring that its events go to. The hot path is here. */
#ifndef REC_LANE_H
#define REC_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "cptrace/ring.h"
#include "function.h"

struct rec_run;
struct rec_thread;

struct rec_lane {
    struct cptrace_ring *ring;
    struct cptrace_ring_slot *slots; /* of the ring */
    uint64_t mask;
    uint64_t limit;      /* head may rise to here before rec_lane_make_room must be asked */
    uint32_t epoch;      /* unique among lanes of the process; functions remember where they were defined last */
    bool ends_with_root; /* it was switched on by a frame, and goes off with it */
    const void *root_frame;
    struct rec_lane *outer; /* the next run that is recorded on this thread, while this one is on */
    bool is_on;
    bool may_grow; /* it has its first, small ring, and the next full one brings a large one */

    struct rec_run *run;
    struct rec_thread *thread;
    struct rec_lane *next_of_run;
    uint32_t number;
    uint64_t ring_bytes;
    uint8_t *defined; /* by process-wide function number: whether the ring was given its definition. Each ring explains itself, in whatever
                         order they are drained */
    uint64_t defined_capacity;
};

/* Makes room for `slots` more: wakes the drainer, drains here when it is late, and never fails: when the run has failed (disk full …) the
 * ring goes round without being drained. Returns the head to write at. */
uint64_t rec_lane_make_room(struct rec_lane *lane, uint64_t slot_count);

/* Puts the function's definition into the ring, unless it was given it. */
void rec_lane_define_slow(struct rec_lane *lane, struct rec_function *function);

static inline void rec_lane_put(struct rec_lane *lane, uint64_t tick, uint64_t word)
{
    uint64_t head = atomic_load_explicit(&lane->ring->head, memory_order_relaxed);
    if (__builtin_expect(head >= lane->limit, 0))
        head = rec_lane_make_room(lane, 1);
    lane->slots[head & lane->mask] = (struct cptrace_ring_slot){tick, word};
    atomic_store_explicit(&lane->ring->head, head + 1, memory_order_release);
}

static inline void rec_lane_put_frame(struct rec_lane *lane, uint64_t tick, uint64_t word, const void *frame)
{
    uint64_t head = atomic_load_explicit(&lane->ring->head, memory_order_relaxed);
    if (__builtin_expect(head + 2 > lane->limit, 0))
        head = rec_lane_make_room(lane, 2);
    lane->slots[head & lane->mask] = (struct cptrace_ring_slot){tick, word};
    lane->slots[(head + 1) & lane->mask] = (struct cptrace_ring_slot){(uint64_t)(uintptr_t)frame, 0};
    atomic_store_explicit(&lane->ring->head, head + 2, memory_order_release);
}

/* Gives the ring this function's definition, unless it has it. */
static inline void rec_lane_define(struct rec_lane *lane, struct rec_function *function)
{
    if (__builtin_expect(function->lane_epoch != lane->epoch, 0))
        rec_lane_define_slow(lane, function);
}

#endif

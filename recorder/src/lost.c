#include "lost.h"

#include <stdlib.h>

#include "lock.h"
#include "ring_files.h"
#include "run.h"

enum { SPILL_SLOTS = 8192 }; /* takes the longest record */

static uint64_t published(struct cptrace_ring *ring) { return atomic_load_explicit(&ring->head, memory_order_acquire); }
static uint64_t released(struct cptrace_ring *ring) { return atomic_load_explicit(&ring->tail, memory_order_acquire); }

/* Its ring keeps what is not in the file yet, for whoever recovers it: what comes now goes round elsewhere. */
static bool spill(struct rec_lane *lane)
{
    lane->spill = calloc(1, CPTRACE_RING_HEADER_BYTES + SPILL_SLOTS * sizeof(struct cptrace_ring_slot));
    if (!lane->spill)
        return false;
    lane->spill->capacity_slots = SPILL_SLOTS;
    lane->ring = lane->spill;
    lane->slots = cptrace_ring_slots(lane->spill);
    lane->mask = SPILL_SLOTS - 1;
    lane->lost_from = 0;
    return true;
}

/* Without memory for that, the ring itself goes round, and holds nothing any more. */
static void give_ring_up(struct rec_lane *lane)
{
    lane->lost_from = released(lane->ring);
    lane->ring->magic = 0;
}

static void lose(struct rec_lane *lane)
{
    if (!lane->is_losing && !spill(lane))
        give_ring_up(lane);
    lane->is_losing = true;
    const uint64_t head = published(lane->ring);
    lane->lost_call_count += cptrace_ring_call_count(lane->ring, lane->lost_from, head);
    lane->lost_from = head;
}

uint64_t rec_lost_go_round(struct rec_lane *lane)
{
    struct rec_mutex *mutex = lane->run->mutex;
    if (mutex) { /* a lane that leads nowhere (cost.c) has none */
        rec_mutex_wait_for(mutex);
        lose(lane);
        rec_mutex_unlock(mutex);
    }
    const uint64_t head = atomic_load_explicit(&lane->ring->head, memory_order_relaxed);
    lane->limit = head + lane->mask + 1;
    return head;
}

static uint64_t overwritten_of_lane(const struct rec_lane *lane)
{
    return lane->lost_call_count + (lane->is_losing ? cptrace_ring_call_count(lane->ring, lane->lost_from, published(lane->ring)) : 0);
}

static uint64_t kept_by_lane(const struct rec_lane *lane)
{
    struct cptrace_ring *kept = lane->region->ring;
    return lane->is_losing && !lane->spill ? 0 : cptrace_ring_call_count(kept, released(kept), published(kept));
}

struct rec_lost_calls rec_lost_calls(const struct rec_run *run)
{
    struct rec_lost_calls lost = {0};
    for (const struct rec_lane *lane = run->lanes; lane; lane = lane->next_of_run) {
        lost.overwritten += overwritten_of_lane(lane);
        lost.in_rings_alone += kept_by_lane(lane);
    }
    /* The round that failed may have written some blocks of what its rings still have. */
    const uint64_t saved_since = run->writer ? cptrace_writer_saved_call_count(run->writer) - run->released_call_count : 0;
    lost.in_rings_alone -= saved_since < lost.in_rings_alone ? saved_since : lost.in_rings_alone;
    return lost;
}

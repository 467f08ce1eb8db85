#include "lane.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "drainer.h"
#include "lost.h"
#include "platform.h"
#include "run.h"

/* CPU time is asked for at most this often while events come, and at the first event after a longer pause: 0.1 to 0.2 % of the time. */
#define CPU_PERIOD_NS 200000u

#define TEXT_MAX_BYTES 65536u /* a writer keeps text under it */

static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* ---- room ---- */

uint64_t rec_lane_used_slots(const struct rec_lane *lane)
{
    const uint64_t tail = atomic_load_explicit(&lane->ring->tail, memory_order_acquire);
    return atomic_load_explicit(&lane->ring->head, memory_order_acquire) - tail;
}

static bool is_large(const struct rec_lane *lane) { return lane->mask + 1 == REC_LARGE_RING_SLOTS; }

/* A block of the file is what is drained at once: half a ring. The drainer comes by itself to a large one that fills up fast, about every
 * eighth of it, and so at half of it within a sixteenth. */
bool rec_lane_is_due(const struct rec_lane *lane)
{
    const uint64_t half = (lane->mask + 1) / 2;
    return !lane->may_grow && rec_lane_used_slots(lane) >= (is_large(lane) ? half - REC_READ_SLOTS / 2 : half);
}

static uint64_t free_slots(const struct rec_lane *lane) { return lane->ring->capacity_slots - rec_lane_used_slots(lane); }

/* A recording thread wakes it when it should have come by itself, since that takes 10 to 15 µs on a virtual machine: at five eighths. Of
 * what comes first nobody knows yet how fast it comes. */
void rec_lane_begin_ring(struct rec_lane *lane) { lane->wake_at_slots = is_large(lane) ? REC_READ_SLOTS : (lane->mask + 1) / 2; }

static void wake_drainer(struct rec_lane *lane)
{
    if (is_large(lane))
        lane->wake_at_slots = (lane->mask + 1) / 2 + REC_READ_SLOTS;
    rec_drainer_wake();
}

/* How far the head may rise before the next look: to where the drainer is to be woken, and from there to where the ring is full. */
static void set_limit(struct rec_lane *lane, uint64_t head)
{
    const uint64_t used = rec_lane_used_slots(lane);
    lane->limit = head + (used < lane->wake_at_slots ? lane->wake_at_slots - used : free_slots(lane));
}

uint64_t rec_lane_make_room(struct rec_lane *lane, uint64_t slot_count)
{
    if (rec_run_takes_no_more(lane->run))
        return rec_lost_go_round(lane);
    const uint64_t head = atomic_load_explicit(&lane->ring->head, memory_order_relaxed);
    if (free_slots(lane) < slot_count) {
        rec_run_help(lane, slot_count);
        if (rec_run_takes_no_more(lane->run))
            return rec_lost_go_round(lane);
    } else if (!lane->may_grow && rec_lane_used_slots(lane) >= lane->wake_at_slots) {
        wake_drainer(lane);
    }
    set_limit(lane, head);
    if (lane->limit < head + slot_count)
        lane->limit = head + slot_count;
    return head;
}

/* ---- records of more than one slot ---- */

void rec_lane_put_bytes(struct rec_lane *lane, uint64_t tick, enum cptrace_ring_op op, const void *bytes, uint64_t length)
{
    /* The small first ring takes any definition; longer texts are cut where half of it ends, or where the file would cut them. */
    length = smaller(smaller(length, TEXT_MAX_BYTES), (lane->mask + 1) / 2 * sizeof *lane->slots);
    const uint64_t slot_count = 1 + (length + sizeof *lane->slots - 1) / sizeof *lane->slots;
    const uint64_t head = rec_lane_head(lane, slot_count);
    rec_lane_store(lane, head, tick, length << 8 | (uint64_t)op);
    for (uint64_t done = 0, slot = head + 1; done < length; done += sizeof *lane->slots, slot++)
        memcpy(&lane->slots[slot & lane->mask], (const char *)bytes + done, smaller(sizeof *lane->slots, length - done));
    rec_lane_publish(lane, head + slot_count);
}

void rec_lane_put_cpu(struct rec_lane *lane, uint64_t tick)
{
    /* Switches only change the picture of a pause, and cost another system call. */
    const uint64_t period_ticks = rec_clock_ticks_of_ns(CPU_PERIOD_NS);
    if (tick - lane->cpu_due_tick > period_ticks)
        lane->switch_count = rec_platform_voluntary_switches();
    lane->cpu_due_tick = tick + period_ticks;
    const uint64_t head = rec_lane_head(lane, 2);
    rec_lane_store(lane, head, tick, rec_platform_thread_cpu_ns() << 8 | CPTRACE_RING_CPU);
    rec_lane_store(lane, head + 1, lane->switch_count, 0);
    rec_lane_publish(lane, head + 2);
}

/* ---- functions that are new here ---- */

static bool remember(struct rec_lane *lane, const struct rec_function *function, enum rec_treatment treatment)
{
    if (function->number >= lane->treatment_count) {
        uint64_t count = lane->treatment_count ? lane->treatment_count : 1024;
        while (count <= function->number)
            count *= 2;
        uint8_t *treatments = realloc(lane->treatments, count);
        if (!treatments)
            return false; /* it stays new: defining it again is harmless */
        memset(treatments + lane->treatment_count, REC_NEW, count - lane->treatment_count);
        lane->treatments = treatments;
        lane->treatment_count = count;
    }
    lane->treatments[function->number] = (uint8_t)treatment;
    return true;
}

static enum rec_treatment define(struct rec_lane *lane, const struct rec_function *function)
{
    const struct rec_run *run = lane->run;
    enum rec_treatment treatment = function->kind == REC_FUNCTION_PLAIN       ? REC_PLAIN
                                   : function->kind == REC_FUNCTION_RESUMABLE ? REC_RESUMABLE
                                                                              : REC_RECORDED;
    if (function->is_c && !run->wants.c_calls)
        treatment = REC_IGNORED;
    else {
        const bool is_left_out = rec_filter_leaves_out(run->filter, function);
        if (run->wants.arguments && !function->is_c && !is_left_out)
            treatment = REC_WITH_ARGUMENTS;
        rec_lane_put_bytes(lane, 0, is_left_out ? CPTRACE_RING_DEFINE_OMITTED : CPTRACE_RING_DEFINE, function->definition,
                           function->definition_bytes);
    }
    remember(lane, function, treatment);
    return treatment;
}

bool rec_lane_put_unusual(struct rec_lane *lane, struct rec_function *function, uint64_t tick, enum cptrace_ring_op op, const void *frame)
{
    enum rec_treatment treatment = rec_lane_treatment(lane, function);
    if (treatment == REC_NEW)
        treatment = define(lane, function);
    if (treatment == REC_IGNORED)
        return false;
    const uint64_t word = rec_function_word(function, op);
    if (frame)
        rec_lane_put_frame(lane, tick, word, frame);
    else
        rec_lane_put(lane, tick, word);
    return treatment == REC_WITH_ARGUMENTS && (op == CPTRACE_RING_CALL || op == CPTRACE_RING_START);
}

#include "drain.h"

#include <stdlib.h>

#include "clock.h"
#include "ring_files.h"
#include "run.h"

/* The drainer comes by itself to a ring that fills up fast: an eighth of it in this time. */
#define SLOWEST_PACE_NS 16000000u
#define NEXT_LOOK_MIN_NS 200000u

static bool make_drain_lists(struct rec_run *run)
{
    if (run->drained_capacity >= run->lane_count)
        return true;
    const size_t capacity = run->lane_count * 2u;
    struct cptrace_ring **rings = realloc(run->drained_rings, capacity * sizeof *rings);
    if (rings)
        run->drained_rings = rings;
    uint64_t *consumed = realloc(run->drained_slots, capacity * sizeof *consumed);
    if (consumed)
        run->drained_slots = consumed;
    if (rings && consumed)
        run->drained_capacity = capacity;
    return rings && consumed;
}

static void stop_when_too_large(struct rec_run *run)
{
    if (run->wants.max_bytes == 0 || run->bytes_written < run->wants.max_bytes)
        return;
    run->was_cut_short = true;
    atomic_store(&run->is_full, true);
}

/* A machine that was suspended or moved, or a counter that was set: between two points the counter went another way than the clock. */
static void look_for_jump(struct rec_run *run, struct cptrace_calibration now)
{
    enum { NOTICED_NS = 10000000, NOTICED_PART = 100 }; /* 10 ms, and 1 % */
    const struct cptrace_calibration before = run->last_point;
    run->last_point = now;
    const uint64_t clock_ns = now.monotonic_ns - before.monotonic_ns;
    const uint64_t counter_ns = rec_clock_ns_of_ticks(now.ticks - before.ticks);
    const uint64_t apart_ns = clock_ns > counter_ns ? clock_ns - counter_ns : counter_ns - clock_ns;
    if (now.ticks < before.ticks || (apart_ns > NOTICED_NS && apart_ns > clock_ns / NOTICED_PART))
        run->warning = "the processor's counter jumped (was the machine suspended?): times around that are not exact";
}

/* What was drained is safe in the file: the rings may go on. */
static void put_checkpoint(struct rec_run *run)
{
    const uint8_t *bytes = NULL;
    size_t length = 0;
    if (cptrace_transcoder_checkpoint(run->transcoder, &bytes, &length) != CPTRACE_OK)
        bytes = NULL;
    rec_ring_file_put_checkpoint(run->ring_file, bytes, length);
}

static uint64_t used_slots(const struct rec_run *run)
{
    uint64_t slots = 0;
    for (const struct rec_lane *lane = run->lanes; lane; lane = lane->next_of_run)
        slots += rec_lane_used_slots(lane);
    return slots;
}

static uint64_t unread_slots(const struct rec_lane *lane)
{
    const uint64_t tail = atomic_load_explicit(&lane->ring->tail, memory_order_relaxed);
    return atomic_load_explicit(&lane->ring->head, memory_order_acquire) - (tail < lane->read_slots ? lane->read_slots : tail);
}

/* How many slots more fill the file up to its limit, as far as what was written tells; never so few that blocks become tiny. */
static uint64_t slots_until_limit(const struct rec_run *run)
{
    enum { LEAST_SLOTS = 4096, FIRST_BYTES_PER_SLOT = 1 }; /* before anything is written: more than real programs need */
    if (run->wants.max_bytes == 0)
        return UINT64_MAX;
    const double room_bytes = run->bytes_written < run->wants.max_bytes ? (double)(run->wants.max_bytes - run->bytes_written) : 0;
    const double bytes_per_slot = run->released_slots ? (double)run->bytes_written / (double)run->released_slots : FIRST_BYTES_PER_SLOT;
    const double slots = room_bytes / bytes_per_slot;
    return slots < LEAST_SLOTS ? LEAST_SLOTS : slots < UINT32_MAX ? (uint64_t)slots : UINT32_MAX;
}

static uint64_t slots_to_read(const struct rec_run *run)
{
    uint64_t ahead = 0; /* read before, and not in the file yet */
    for (const struct rec_lane *lane = run->lanes; lane; lane = lane->next_of_run) {
        const uint64_t tail = atomic_load_explicit(&lane->ring->tail, memory_order_relaxed);
        ahead += lane->read_slots > tail ? lane->read_slots - tail : 0;
    }
    const uint64_t until_limit = slots_until_limit(run);
    return until_limit > ahead ? until_limit - ahead : 0;
}

/* Reads what all rings hold and was not read yet, as far as the file has room, in the order of time, since a generator may go on in another
 * thread than the one it was begun in. now: a point that is not before any of these events. *count: of the rings that hold something, read
 * before or not: they are drained_rings, and drained_slots says up to where. */
static enum cptrace_status read_rings(struct rec_run *run, struct cptrace_calibration now, size_t *count)
{
    *count = 0;
    if (!make_drain_lists(run))
        return CPTRACE_NO_MEMORY;
    for (struct rec_lane *lane = run->lanes; lane; lane = lane->next_of_run)
        if (rec_lane_used_slots(lane) > 0)
            run->drained_rings[(*count)++] = lane->ring;
    if (*count == 0)
        return CPTRACE_OK;
    look_for_jump(run, now);
    cptrace_writer_calibrate(run->writer, now);
    const enum cptrace_status status =
        cptrace_transcoder_consume_all(run->transcoder, run->drained_rings, *count, slots_to_read(run), run->drained_slots);
    size_t i = 0;
    for (struct rec_lane *lane = run->lanes; lane && i < *count && status == CPTRACE_OK; lane = lane->next_of_run)
        if (lane->ring == run->drained_rings[i])
            lane->read_slots = run->drained_slots[i++];
    return status;
}

/* What was read before is written, if that is still possible. */
static void fail_to_drain(struct rec_run *run, enum cptrace_status status)
{
    struct cptrace_error error = {0};
    cptrace_writer_flush(run->writer, &error);
    rec_run_fail(run, run->files.part_path, error.message[0] ? error.message : cptrace_status_name(status));
}

static void drain_once(struct rec_run *run, struct cptrace_calibration now, bool is_last)
{
    size_t count;
    enum cptrace_status status = read_rings(run, now, &count);
    if (count > 0 && status == CPTRACE_OK)
        status = cptrace_writer_flush(run->writer, NULL);
    if (status != CPTRACE_OK) {
        fail_to_drain(run, status);
        return;
    }
    if (count > 0 && !is_last)
        put_checkpoint(run);
    for (size_t i = 0; i < count; i++) {
        run->released_slots += run->drained_slots[i] - atomic_load_explicit(&run->drained_rings[i]->tail, memory_order_relaxed);
        cptrace_ring_release(run->drained_rings[i], run->drained_slots[i]);
    }
    run->released_call_count = cptrace_writer_saved_call_count(run->writer);
    stop_when_too_large(run);
}

void rec_drain(struct rec_run *run, struct cptrace_calibration now, bool is_last)
{
    const uint64_t end = run->released_slots + used_slots(run);
    do {
        if (rec_run_takes_no_more(run) || !run->writer)
            return;
        drain_once(run, now, is_last);
    } while (run->released_slots < end);
}

/* Half of what it takes to write events is done ahead, so that less is left when the run ends. The rings keep them. */
static void read_ahead(struct rec_run *run, struct cptrace_calibration now)
{
    size_t count;
    const enum cptrace_status status = read_rings(run, now, &count);
    if (status != CPTRACE_OK)
        fail_to_drain(run, status);
}

static uint64_t most_unread_slots(const struct rec_run *run)
{
    uint64_t most = 0;
    for (const struct rec_lane *lane = run->lanes; lane; lane = lane->next_of_run)
        if (unread_slots(lane) > most)
            most = unread_slots(lane);
    return most;
}

static bool has_lane_to_drain(const struct rec_run *run)
{
    const struct rec_lane *lane = run->lanes;
    while (lane && !rec_lane_is_due(lane))
        lane = lane->next_of_run;
    return lane != NULL;
}

/* For the slots of a look to come together, at the pace of those that came since the last. */
static uint64_t ns_of_a_look(const struct rec_run *run, uint64_t now_ns, uint64_t unread)
{
    return (now_ns - run->last_look_ns) / (unread + 1) * REC_READ_SLOTS;
}

uint64_t rec_drain_look(struct rec_run *run)
{
    if (rec_run_takes_no_more(run) || !run->writer)
        return REC_FOREVER_NS;
    const uint64_t unread = most_unread_slots(run);
    const bool is_due = has_lane_to_drain(run) || used_slots(run) >= slots_until_limit(run);
    if (!is_due && unread < REC_READ_SLOTS / 2)
        return REC_FOREVER_NS;
    const struct cptrace_calibration now = rec_clock_calibrate();
    const uint64_t pace_ns = ns_of_a_look(run, now.monotonic_ns, unread);
    run->last_look_ns = now.monotonic_ns;
    if (is_due)
        rec_drain(run, now, false);
    else
        read_ahead(run, now);
    const uint64_t gone_ns = rec_platform_monotonic_ns() - now.monotonic_ns;
    if (pace_ns > SLOWEST_PACE_NS)
        return REC_FOREVER_NS;
    return pace_ns > gone_ns + NEXT_LOOK_MIN_NS ? pace_ns - gone_ns : NEXT_LOOK_MIN_NS;
}

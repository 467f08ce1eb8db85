/* Rings to file: which slots are read, in which order, and which may be released. */
#include "cptrace/ring.h"

#include <stdlib.h>
#include <string.h>

#include "byte_buffer.h"
#include "transcoder.h"

#define LANE_MAX (1u << 20)

static bool give_sieve(struct cptrace_transcoder *transcoder, struct lane_stack *lane)
{
    if (lane->writer && !lane->sieve)
        lane->sieve = cptrace_sieve_create(lane->writer, &transcoder->options, lane->depth);
    return !lane->writer || lane->sieve;
}

/* The first function that is left out may come in the middle of a run. */
bool cptrace_transcoder_begin_sieving(struct cptrace_transcoder *transcoder)
{
    transcoder->sieving = true;
    for (size_t i = 0; i < transcoder->lane_count; i++)
        if (!give_sieve(transcoder, &transcoder->lanes[i]))
            return false;
    return true;
}

/* Rings are drained as they fill up: lanes come in any order, and get their number in the file when they first come. */
static struct lane_stack *lane_of(struct cptrace_transcoder *transcoder, const struct cptrace_ring *ring)
{
    if (ring->lane >= LANE_MAX)
        return NULL;
    if (ring->lane >= transcoder->lane_count) {
        struct lane_stack *lanes = realloc(transcoder->lanes, (ring->lane + 1) * sizeof *lanes);
        if (!lanes)
            return NULL;
        memset(lanes + transcoder->lane_count, 0, (ring->lane + 1 - transcoder->lane_count) * sizeof *lanes);
        transcoder->lanes = lanes;
        transcoder->lane_count = ring->lane + 1;
    }
    struct lane_stack *lane = &transcoder->lanes[ring->lane];
    if (!lane->writer) {
        struct cptrace_string name = {ring->thread_name, (uint32_t)strnlen(ring->thread_name, CPTRACE_RING_NAME_MAX)};
        lane->writer = cptrace_writer_define_lane(transcoder->run.writer, ring->os_thread_id, name);
        if (transcoder->sieving && !give_sieve(transcoder, lane))
            return NULL;
    }
    return lane->writer ? lane : NULL;
}

struct cptrace_transcoder *cptrace_transcoder_create(struct cptrace_writer *writer, const struct cptrace_transcoder_options *options)
{
    struct cptrace_transcoder *transcoder = calloc(1, sizeof *transcoder);
    if (!transcoder)
        return NULL;
    transcoder->run.writer = writer;
    transcoder->function_number_max = UINT32_MAX / 8;
    if (options)
        transcoder->options = *options;
    transcoder->sieving = transcoder->options.max_depth || transcoder->options.min_call_ticks;
    return transcoder;
}

void cptrace_transcoder_free(struct cptrace_transcoder *transcoder)
{
    if (!transcoder)
        return;
    for (size_t i = 0; i < transcoder->lane_count; i++)
        cptrace_lane_stack_free(&transcoder->lanes[i]);
    free(transcoder->lanes);
    cptrace_frame_table_free(&transcoder->run.table);
    free(transcoder->function_numbers);
    free(transcoder->payload);
    free(transcoder->readings);
    cptrace_buffer_free(&transcoder->checkpoint);
    free(transcoder);
}

static bool begin_reading(struct cptrace_transcoder *transcoder, struct cptrace_ring *ring, struct ring_reading *reading)
{
    struct lane_stack *const lane = lane_of(transcoder, ring);
    if (!lane)
        return false;
    const uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    *reading = (struct ring_reading){
        .lane = lane,
        .slots = cptrace_ring_slots(ring),
        .mask = ring->capacity_slots - 1,
        .at = tail < lane->taken ? lane->taken : tail, /* what lies between was read before the process died */
        .settled = atomic_load_explicit(&ring->head, memory_order_acquire),
    };
    reading->head = reading->settled;
    return true;
}

static enum cptrace_status why_no_lane(const struct cptrace_transcoder *transcoder)
{
    const enum cptrace_status status = cptrace_writer_status(transcoder->run.writer);
    return status == CPTRACE_OK ? CPTRACE_NO_MEMORY : status;
}

/* The slot to release. */
static uint64_t end_reading(const struct ring_reading *reading)
{
    if (reading->lane->sieve)
        cptrace_sieve_end_round(reading->lane->sieve);
    return reading->at;
}

enum cptrace_status cptrace_transcoder_consume(struct cptrace_transcoder *transcoder, struct cptrace_ring *ring, uint64_t *consumed)
{
    struct ring_reading reading;
    if (!begin_reading(transcoder, ring, &reading))
        return why_no_lane(transcoder);
    const enum cptrace_status status = cptrace_transcoder_read(transcoder, &reading, reading.head, UINT64_MAX);
    *consumed = end_reading(&reading);
    return status == CPTRACE_OK ? cptrace_writer_status(transcoder->run.writer) : status;
}

/* The reading whose next record is the earliest, or NULL; *limit: the tick of the next one after it. */
static struct ring_reading *earliest(struct ring_reading *readings, size_t count, uint64_t *limit)
{
    struct ring_reading *first = NULL;
    uint64_t first_tick = UINT64_MAX;
    *limit = UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        if (readings[i].at >= readings[i].head)
            continue;
        const uint64_t tick = ring_reading_tick(&readings[i]);
        if (!first || tick < first_tick) {
            *limit = first ? first_tick : UINT64_MAX;
            first = &readings[i];
            first_tick = tick;
        } else if (tick < *limit) {
            *limit = tick;
        }
    }
    return first;
}

static bool are_settled(const struct ring_reading *readings, size_t count, const struct ring_reading *except)
{
    for (size_t i = 0; i < count; i++)
        if (&readings[i] != except && readings[i].at < readings[i].settled)
            return false;
    return true;
}

/* By tick over all rings, up to what had been published when we began; no record begins behind slot_limit slots. */
static enum cptrace_status merge(struct cptrace_transcoder *transcoder, struct ring_reading *readings, size_t count, uint64_t slot_limit)
{
    enum cptrace_status status = CPTRACE_OK;
    while (status == CPTRACE_OK && slot_limit > 0 && !are_settled(readings, count, NULL)) {
        uint64_t last_tick;
        struct ring_reading *const reading = earliest(readings, count, &last_tick);
        const uint64_t from = reading->at;
        const uint64_t end = are_settled(readings, count, reading) ? reading->settled : reading->head;
        status = cptrace_transcoder_read(transcoder, reading, end - from < slot_limit ? end : from + slot_limit, last_tick);
        const uint64_t taken = reading->at - from;
        slot_limit -= taken < slot_limit ? taken : slot_limit;
    }
    return status;
}

enum cptrace_status cptrace_transcoder_consume_all(struct cptrace_transcoder *transcoder, struct cptrace_ring *const *rings,
                                                   size_t ring_count, uint64_t slot_limit, uint64_t *consumed)
{
    if (!cptrace_array_reserve(&transcoder->readings, &transcoder->reading_capacity, ring_count, sizeof *transcoder->readings))
        return CPTRACE_NO_MEMORY;
    struct ring_reading *const readings = transcoder->readings;
    for (size_t i = 0; i < ring_count; i++)
        if (!lane_of(transcoder, rings[i]))
            return why_no_lane(transcoder);
    for (size_t i = 0; i < ring_count; i++) /* lanes stay where they are from here on */
        begin_reading(transcoder, rings[i], &readings[i]);
    for (size_t i = 0; i < ring_count; i++)
        readings[i].head = atomic_load_explicit(&rings[i]->head, memory_order_acquire);
    const enum cptrace_status status = merge(transcoder, readings, ring_count, slot_limit);
    for (size_t i = 0; i < ring_count; i++)
        consumed[i] = end_reading(&readings[i]);
    return status == CPTRACE_OK ? cptrace_writer_status(transcoder->run.writer) : status;
}

void cptrace_transcoder_finish(struct cptrace_transcoder *transcoder, uint64_t end_tick)
{
    for (size_t i = 0; i < transcoder->lane_count; i++)
        if (transcoder->lanes[i].sieve)
            cptrace_sieve_finish(transcoder->lanes[i].sieve, end_tick);
}

uint64_t cptrace_transcoder_repaired_count(const struct cptrace_transcoder *transcoder) { return transcoder->run.repaired_count; }

void cptrace_transcoder_omitted(const struct cptrace_transcoder *transcoder, uint64_t *count, uint64_t *ticks)
{
    *count = *ticks = 0;
    for (size_t i = 0; i < transcoder->lane_count; i++) {
        const struct sieve *const sieve = transcoder->lanes[i].sieve;
        *count += sieve ? sieve->omitted_count : 0;
        *ticks += sieve ? sieve->omitted_ticks : 0;
    }
}

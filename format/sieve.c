#include "sieve.h"

#include <stdlib.h>

#include "byte_buffer.h"

struct sieve *cptrace_sieve_create(struct cptrace_lane_writer *writer, const struct cptrace_transcoder_options *options, size_t depth)
{
    struct sieve *const sieve = calloc(1, sizeof *sieve);
    if (!sieve || !cptrace_array_reserve(&sieve->frames, &sieve->capacity, depth + 1, sizeof *sieve->frames)) {
        free(sieve);
        return NULL;
    }
    sieve->writer = writer;
    sieve->options = *options;
    sieve->count = depth + 1;
    sieve->recorded_depth = (uint32_t)depth;
    for (size_t i = 0; i <= depth; i++)
        sieve->frames[i] = (struct sieve_frame){.recorded = i, .fate = SIEVE_RECORDED};
    return sieve;
}

void cptrace_sieve_free(struct sieve *sieve)
{
    if (!sieve)
        return;
    free(sieve->frames);
    free(sieve->cpus);
    free(sieve);
}

static struct sieve_frame *top(const struct sieve *sieve) { return &sieve->frames[sieve->count - 1]; }

static struct sieve_frame *top_recorded(const struct sieve *sieve) { return &sieve->frames[top(sieve)->recorded]; }

/* Tells what was left out below a frame that is, or is about to be, on top in the file. */
static void tell_omitted(struct sieve *sieve, struct sieve_frame *frame, uint64_t tick)
{
    if (frame->omitted_count || frame->omitted_ticks)
        cptrace_lane_omitted(sieve->writer, tick, frame->omitted_count, frame->omitted_ticks);
    frame->omitted_count = frame->omitted_ticks = 0;
}

/* Those that came before any call that is still held back. */
static void write_cpus(struct sieve *sieve)
{
    const uint64_t limit = sieve->first_pending ? sieve->frames[sieve->first_pending].slot : UINT64_MAX;
    for (; sieve->cpus_written < sieve->cpu_count && sieve->cpus[sieve->cpus_written].slot < limit; sieve->cpus_written++) {
        const struct pending_cpu *const cpu = &sieve->cpus[sieve->cpus_written];
        cptrace_lane_cpu(sieve->writer, cpu->tick, cpu->cpu_ns, cpu->voluntary_switch_count);
    }
    if (sieve->cpus_written == sieve->cpu_count)
        sieve->cpus_written = sieve->cpu_count = 0;
}

static void commit_first(struct sieve *sieve)
{
    struct sieve_frame *const frame = &sieve->frames[sieve->first_pending];
    tell_omitted(sieve, &sieve->frames[frame[-1].recorded], frame->start_tick);
    cptrace_lane_call(sieve->writer, frame->start_tick, frame->function);
    frame->fate = SIEVE_RECORDED;
    sieve->first_pending = frame->next_pending;
    if (!sieve->first_pending)
        sieve->last_pending = 0;
    write_cpus(sieve);
}

void cptrace_sieve_commit(struct sieve *sieve)
{
    while (sieve->first_pending)
        commit_first(sieve);
}

/* Takes the time of an event: calls that have lasted long enough by now are recorded. */
static uint64_t advance(struct sieve *sieve, uint64_t tick)
{
    if (tick > sieve->now)
        sieve->now = tick;
    while (sieve->first_pending && sieve->now - sieve->frames[sieve->first_pending].start_tick >= sieve->options.min_call_ticks)
        commit_first(sieve);
    return sieve->now;
}

static struct sieve_frame *push(struct sieve *sieve, uint32_t function, enum sieve_fate fate)
{
    if (!cptrace_array_reserve(&sieve->frames, &sieve->capacity, sieve->count + 1, sizeof *sieve->frames))
        return NULL;
    const size_t place = sieve->count++;
    struct sieve_frame *const frame = &sieve->frames[place];
    *frame = (struct sieve_frame){.start_tick = sieve->now, .function = function, .fate = (uint8_t)fate};
    frame->recorded = fate == SIEVE_LEFT_OUT ? frame[-1].recorded : place;
    sieve->recorded_depth += fate != SIEVE_LEFT_OUT;
    return frame;
}

/* Ends the slice of the top call; its time is no longer that of the call below. The frame stays readable. */
static struct sieve_frame *pop(struct sieve *sieve)
{
    struct sieve_frame *const frame = &sieve->frames[--sieve->count];
    frame[-1].inner_ticks += sieve->now - frame->start_tick;
    sieve->recorded_depth -= frame->fate != SIEVE_LEFT_OUT;
    return frame;
}

static void omit(struct sieve *sieve, uint64_t count, uint64_t ticks)
{
    struct sieve_frame *const under = top_recorded(sieve);
    under->omitted_count += count;
    under->omitted_ticks += ticks;
    sieve->omitted_count += count;
    sieve->omitted_ticks += ticks;
}

/* A slice that just left the stack is left out: what it did not spend in calls above it is omitted time of the recorded call below. */
static void leave_out(struct sieve *sieve, const struct sieve_frame *frame)
{
    struct sieve_frame *const under = top_recorded(sieve);
    under->omitted_count += frame->omitted_count; /* of a pending call: the totals have them */
    under->omitted_ticks += frame->omitted_ticks;
    omit(sieve, !frame->counted, sieve->now - frame->start_tick - frame->inner_ticks);
}

static void drop_last_pending(struct sieve *sieve, const struct sieve_frame *frame)
{
    const size_t place = (size_t)(frame - sieve->frames);
    if (sieve->first_pending == place) {
        sieve->first_pending = sieve->last_pending = 0;
    } else {
        /* The pending one below it: no frame between them is recorded, so it is the nearest that is not left out. */
        sieve->last_pending = frame[-1].recorded;
        sieve->frames[sieve->last_pending].next_pending = 0;
    }
    write_cpus(sieve);
}

static bool is_too_deep(const struct sieve *sieve) { return sieve->options.max_depth && sieve->recorded_depth >= sieve->options.max_depth; }

bool cptrace_sieve_would_leave_out(const struct sieve *sieve, uint32_t function)
{
    return (function & FUNCTION_LEFT_OUT) || is_too_deep(sieve);
}

bool cptrace_sieve_top_is_left_out(const struct sieve *sieve) { return top(sieve)->fate == SIEVE_LEFT_OUT; }

static void hold_back(struct sieve *sieve, struct sieve_frame *frame, uint64_t slot)
{
    const size_t place = (size_t)(frame - sieve->frames);
    frame->slot = slot;
    if (sieve->last_pending)
        sieve->frames[sieve->last_pending].next_pending = place;
    else
        sieve->first_pending = place;
    sieve->last_pending = place;
}

bool cptrace_sieve_call(struct sieve *sieve, uint64_t tick, uint32_t function, uint64_t slot)
{
    advance(sieve, tick);
    if (cptrace_sieve_would_leave_out(sieve, function))
        return push(sieve, function, SIEVE_LEFT_OUT);
    struct sieve_frame *const frame = push(sieve, function, SIEVE_PENDING);
    if (!frame)
        return false;
    hold_back(sieve, frame, slot);
    advance(sieve, tick); /* without a limit it is recorded at once */
    return true;
}

void cptrace_sieve_end(struct sieve *sieve, uint64_t tick, bool unwound)
{
    advance(sieve, tick);
    const struct sieve_frame *const frame = pop(sieve);
    if (frame->fate == SIEVE_RECORDED) {
        tell_omitted(sieve, &sieve->frames[sieve->count], sieve->now);
        if (unwound)
            cptrace_lane_unwind(sieve->writer, sieve->now);
        else
            cptrace_lane_return(sieve->writer, sieve->now);
        return;
    }
    leave_out(sieve, frame);
    if (frame->fate == SIEVE_PENDING)
        drop_last_pending(sieve, frame);
}

static bool push_left_out(struct sieve *sieve, uint32_t function)
{
    struct sieve_frame *const frame = push(sieve, function, SIEVE_LEFT_OUT);
    if (frame)
        frame->counted = true;
    return frame != NULL;
}

bool cptrace_sieve_start(struct sieve *sieve, uint64_t tick, uint32_t function, bool span, uint32_t *activation, bool *left_out)
{
    advance(sieve, tick);
    *activation = CPTRACE_NO_NUMBER;
    *left_out = span ? (function & FUNCTION_LEFT_OUT) != 0 : cptrace_sieve_would_leave_out(sieve, function);
    if (*left_out) {
        omit(sieve, 1, 0);
        return push_left_out(sieve, function);
    }
    cptrace_sieve_commit(sieve);
    tell_omitted(sieve, top_recorded(sieve), sieve->now);
    *activation = cptrace_lane_start(sieve->writer, sieve->now, function);
    return push(sieve, function, SIEVE_RECORDED);
}

void cptrace_sieve_suspend(struct sieve *sieve, uint64_t tick)
{
    advance(sieve, tick);
    struct sieve_frame *const frame = pop(sieve);
    if (frame->fate == SIEVE_LEFT_OUT) {
        leave_out(sieve, frame);
        return;
    }
    tell_omitted(sieve, frame, sieve->now);
    cptrace_lane_suspend(sieve->writer, sieve->now);
}

bool cptrace_sieve_resume(struct sieve *sieve, uint64_t tick, uint32_t activation, bool left_out, bool *taken)
{
    advance(sieve, tick);
    *taken = true;
    if (left_out)
        return push_left_out(sieve, CPTRACE_NO_NUMBER);
    cptrace_sieve_commit(sieve);
    tell_omitted(sieve, top_recorded(sieve), sieve->now);
    *taken = cptrace_lane_resume(sieve->writer, sieve->now, activation);
    return push(sieve, CPTRACE_NO_NUMBER, SIEVE_RECORDED);
}

bool cptrace_sieve_cpu(struct sieve *sieve, uint64_t tick, uint64_t cpu_ns, uint64_t voluntary_switch_count, uint64_t slot)
{
    advance(sieve, tick);
    if (!sieve->first_pending) {
        cptrace_lane_cpu(sieve->writer, sieve->now, cpu_ns, voluntary_switch_count);
        return true;
    }
    if (sieve->cpu_count == SIEVE_CPUS_MAX)
        sieve->cpu_count--;
    if (!cptrace_array_reserve(&sieve->cpus, &sieve->cpu_capacity, sieve->cpu_count + 1, sizeof *sieve->cpus))
        return false;
    sieve->cpus[sieve->cpu_count++] = (struct pending_cpu){slot, sieve->now, cpu_ns, voluntary_switch_count};
    return true;
}

void cptrace_sieve_end_round(struct sieve *sieve)
{
    if (!sieve->first_pending) {
        tell_omitted(sieve, top_recorded(sieve), sieve->now);
        return;
    }
    const struct sieve_frame *const first = &sieve->frames[sieve->first_pending];
    tell_omitted(sieve, &sieve->frames[first[-1].recorded], first->start_tick);
}

/* Those on top. */
static void end_left_out(struct sieve *sieve)
{
    while (cptrace_sieve_top_is_left_out(sieve))
        leave_out(sieve, pop(sieve));
}

static void tell_omitted_outer(const struct sieve *sieve, uint32_t levels, const struct sieve_frame *frame)
{
    if (frame->omitted_count || frame->omitted_ticks)
        cptrace_lane_omitted_outer(sieve->writer, sieve->now, levels, frame->omitted_count, frame->omitted_ticks);
}

void cptrace_sieve_finish(struct sieve *sieve, uint64_t end_tick)
{
    advance(sieve, end_tick);
    cptrace_sieve_commit(sieve);
    end_left_out(sieve);
    tell_omitted(sieve, top(sieve), sieve->now);
    for (uint32_t levels = 1; sieve->count > 1; levels++) {
        pop(sieve); /* for the file it stays open: a call below may have a left-out one above it */
        end_left_out(sieve);
        tell_omitted_outer(sieve, levels, top(sieve));
    }
}

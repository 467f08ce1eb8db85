/* Spans on a lane's stack: named by the program, ended from anywhere, and carried along by the frames that they stand on. */
#include "lane_stack.h"

bool cptrace_lane_stack_begin_span(struct lane_stack *lane, uint64_t tick, uint32_t function)
{
    uint32_t activation;
    bool left_out;
    if (!lane->sieve)
        activation = cptrace_lane_start(lane->writer, tick, function);
    else if (!cptrace_sieve_start(lane->sieve, tick, function, true, &activation, &left_out))
        return false;
    return cptrace_lane_stack_push(lane, (struct open_call){.function = function, .kind = OPEN_SPAN, .identity = activation});
}

static struct open_call *find_span(const struct lane_stack *lane, uint32_t function)
{
    for (size_t at = lane->depth; at > 0; at--) {
        struct open_call *const call = &lane->calls[at - 1];
        if (call->kind == OPEN_SPAN && call->function == function && !call->ending)
            return call;
    }
    return NULL;
}

/* A span that is not on the stack may be suspended with its frame: then it ends when that goes on. One of several of the same name cannot
 * be told from the others, and ends with its frame. */
void cptrace_lane_stack_end_span(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint32_t function)
{
    struct open_call *const span = find_span(lane, function);
    if (span) {
        span->ending = true;
        lane->ending_count++;
        cptrace_lane_spans_end_ending(run, lane, tick);
        return;
    }
    struct suspended_span *const suspended = cptrace_frame_only_span(&run->table, function);
    if (suspended)
        suspended->ending = true;
}

void cptrace_lane_spans_end_ending(struct run_frames *run, struct lane_stack *lane, uint64_t tick)
{
    while (lane->depth > 0 && lane->calls[lane->depth - 1].ending)
        cptrace_lane_stack_end_top(run, lane, tick, false);
}

static void write_suspend(struct lane_stack *lane, uint64_t tick)
{
    if (lane->sieve)
        cptrace_sieve_suspend(lane->sieve, tick);
    else
        cptrace_lane_suspend(lane->writer, tick);
}

bool cptrace_lane_spans_suspend(struct run_frames *run, struct lane_stack *lane, uint64_t tick, struct frame_entry *entry, size_t first)
{
    cptrace_lane_spans_end_ending(run, lane, tick);
    while (lane->depth > first) {
        const struct open_call span = lane->calls[lane->depth - 1];
        write_suspend(lane, tick);
        lane->depth--;
        lane->ending_count -= span.ending;
        const struct suspended_span suspended = {.function = span.function, .activation = (uint32_t)span.identity, .ending = span.ending};
        if (!cptrace_frame_add_span(&run->table, entry, suspended))
            return false;
    }
    return true;
}

static bool write_resume(struct lane_stack *lane, uint64_t tick, uint32_t activation)
{
    bool taken;
    if (lane->sieve)
        return cptrace_sieve_resume(lane->sieve, tick, activation, activation == CPTRACE_NO_NUMBER, &taken);
    cptrace_lane_resume(lane->writer, tick, activation);
    return true;
}

bool cptrace_lane_spans_resume(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint64_t address)
{
    struct frame_entry *const entry = cptrace_frame_find(&run->table, address);
    struct suspended_span span;
    while (entry && cptrace_frame_take_span(&run->table, entry, &span)) {
        const struct open_call call = {.function = span.function, .kind = OPEN_SPAN, .ending = span.ending, .identity = span.activation};
        if (!write_resume(lane, tick, span.activation) || !cptrace_lane_stack_push(lane, call))
            return false;
        lane->ending_count += span.ending;
    }
    cptrace_lane_spans_end_ending(run, lane, tick);
    return true;
}

void cptrace_lane_spans_forget(struct run_frames *run, struct frame_entry *entry)
{
    struct suspended_span span;
    while (cptrace_frame_take_span(&run->table, entry, &span))
        continue;
}

#include "lane_stack.h"

#include <stdlib.h>

#define NOT_OPEN SIZE_MAX

void cptrace_lane_stack_free(struct lane_stack *lane)
{
    cptrace_sieve_free(lane->sieve);
    free(lane->calls);
}

bool cptrace_lane_stack_push(struct lane_stack *lane, struct open_call call)
{
    if (lane->depth == lane->capacity) {
        size_t capacity = lane->capacity ? lane->capacity * 2 : 256;
        struct open_call *calls = realloc(lane->calls, capacity * sizeof *calls);
        if (!calls)
            return false;
        lane->calls = calls;
        lane->capacity = capacity;
    }
    lane->calls[lane->depth++] = call;
    return true;
}

static void write_end(struct lane_stack *lane, uint64_t tick, bool unwound)
{
    if (lane->sieve)
        cptrace_sieve_end(lane->sieve, tick, unwound);
    else if (unwound)
        cptrace_lane_unwind(lane->writer, tick);
    else
        cptrace_lane_return(lane->writer, tick);
}

void cptrace_lane_stack_end_top(struct run_frames *run, struct lane_stack *lane, uint64_t tick, bool unwound)
{
    write_end(lane, tick, unwound);
    const struct open_call call = lane->calls[--lane->depth];
    if (call.kind == OPEN_CALL)
        return;
    lane->ending_count -= call.ending;
    struct frame_entry *entry = call.kind == OPEN_FRAME ? cptrace_frame_find(&run->table, call.identity) : NULL;
    if (!entry)
        return;
    cptrace_lane_spans_forget(run, entry);
    cptrace_frame_remove(&run->table, entry);
}

/* Calls that something skipped are unwound, and counted; a span just ends with what it stands on. */
static void end_above(struct run_frames *run, struct lane_stack *lane, size_t depth, uint64_t tick)
{
    while (lane->depth > depth) {
        const bool span = lane->calls[lane->depth - 1].kind == OPEN_SPAN;
        cptrace_lane_stack_end_top(run, lane, tick, !span);
        run->repaired_count += !span;
    }
}

static size_t find_open(const struct lane_stack *lane, uint32_t function)
{
    size_t at = lane->depth;
    while (at > 0 && lane->calls[at - 1].function != function)
        at--;
    return at ? at - 1 : NOT_OPEN;
}

static bool is_top(const struct lane_stack *lane, uint32_t function)
{
    return lane->depth > 0 && lane->calls[lane->depth - 1].function == function;
}

bool cptrace_lane_stack_call_rare(struct lane_stack *lane, uint64_t tick, uint32_t function, uint64_t slot)
{
    if (!lane->sieve)
        cptrace_lane_call(lane->writer, tick, function);
    else if (!cptrace_sieve_call(lane->sieve, tick, function, slot))
        return false;
    return cptrace_lane_stack_push(lane, (struct open_call){.function = function, .kind = OPEN_CALL});
}

void cptrace_lane_stack_end_rare(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint32_t function, bool unwound)
{
    if (!is_top(lane, function)) {
        const size_t at = find_open(lane, function);
        if (at == NOT_OPEN)
            return;
        end_above(run, lane, at + 1, tick);
    }
    cptrace_lane_stack_end_top(run, lane, tick, unwound);
    if (lane->ending_count)
        cptrace_lane_spans_end_ending(run, lane, tick);
}

static bool write_start(struct lane_stack *lane, uint64_t tick, struct frame_entry *entry)
{
    entry->left_out = false;
    if (lane->sieve)
        return cptrace_sieve_start(lane->sieve, tick, entry->function, false, &entry->activation, &entry->left_out);
    entry->activation = cptrace_lane_start(lane->writer, tick, entry->function);
    return true;
}

bool cptrace_lane_stack_start(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint32_t function, uint64_t address)
{
    struct frame_entry *entry = cptrace_frame_put(&run->table, address);
    if (!entry)
        return false;
    cptrace_lane_spans_forget(run, entry); /* of a generator that was dropped */
    entry->function = function;
    lane->task_creator = entry->task_creator;
    entry->task_creator = 0;
    return write_start(lane, tick, entry) &&
           cptrace_lane_stack_push(lane, (struct open_call){.function = function, .kind = OPEN_FRAME, .identity = address});
}

/* A generator that began before the run, or whose start was not seen. */
static void adopt(struct run_frames *run, const struct lane_stack *lane, struct frame_entry *entry, uint32_t function)
{
    cptrace_lane_spans_forget(run, entry);
    entry->function = function;
    entry->left_out = lane->sieve && cptrace_sieve_would_leave_out(lane->sieve, function);
    entry->activation = entry->left_out ? CPTRACE_NO_NUMBER : cptrace_writer_adopt(run->writer, function);
}

/* A frame that the file still has on another lane's stack (rings read in an unlucky order) becomes a call of its own here: whatever is
 * pushed on the lane's stack must stand in the file too. */
static bool write_resume(struct run_frames *run, struct lane_stack *lane, uint64_t tick, struct frame_entry *entry)
{
    bool taken = true;
    if (lane->sieve && !cptrace_sieve_resume(lane->sieve, tick, entry->activation, entry->left_out, &taken))
        return false;
    if (!lane->sieve)
        taken = cptrace_lane_resume(lane->writer, tick, entry->activation);
    if (taken)
        return true;
    entry->activation = cptrace_writer_adopt(run->writer, entry->function);
    cptrace_lane_resume(lane->writer, tick, entry->activation);
    return true;
}

bool cptrace_lane_stack_resume(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint32_t function, uint64_t address,
                               bool thrown)
{
    struct frame_entry *entry = cptrace_frame_put(&run->table, address);
    if (!entry)
        return false;
    const bool known = (entry->left_out || entry->activation != CPTRACE_NO_NUMBER) && entry->function == function;
    if (!known)
        adopt(run, lane, entry, function);
    const bool left_out = entry->left_out;
    if (!write_resume(run, lane, tick, entry) ||
        !cptrace_lane_stack_push(lane, (struct open_call){.function = function, .kind = OPEN_FRAME, .identity = address}))
        return false;
    if (thrown && !left_out)
        cptrace_lane_throw(lane->writer, tick);
    return entry->first_span == 0 || cptrace_lane_spans_resume(run, lane, tick, address);
}

/* The spans right above a frame are suspended with it; calls above it cannot be. */
bool cptrace_lane_stack_suspend(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint32_t function)
{
    const size_t at = find_open(lane, function);
    if (at == NOT_OPEN)
        return true;
    const struct open_call call = lane->calls[at];
    size_t spans_end = at + 1;
    while (spans_end < lane->depth && lane->calls[spans_end].kind == OPEN_SPAN)
        spans_end++;
    end_above(run, lane, spans_end, tick);
    if (call.kind != OPEN_FRAME)
        return true;
    struct frame_entry *const entry = lane->depth > at + 1 ? cptrace_frame_find(&run->table, call.identity) : NULL;
    if (!entry)
        end_above(run, lane, at + 1, tick); /* another frame had the same address, and ended: spans cannot go with this one */
    else if (!cptrace_lane_spans_suspend(run, lane, tick, entry, at + 1))
        return false;
    if (lane->sieve)
        cptrace_sieve_suspend(lane->sieve, tick);
    else
        cptrace_lane_suspend(lane->writer, tick);
    lane->depth--;
    if (lane->ending_count)
        cptrace_lane_spans_end_ending(run, lane, tick);
    return true;
}

bool cptrace_lane_stack_task(struct run_frames *run, struct lane_stack *lane, uint64_t address)
{
    struct frame_entry *const entry = cptrace_frame_put(&run->table, address);
    if (!entry)
        return false;
    entry->task_creator = 0;
    for (size_t at = lane->depth; at > 0; at--) {
        const struct open_call *const call = &lane->calls[at - 1];
        const struct frame_entry *const maker = call->kind == OPEN_FRAME ? cptrace_frame_find(&run->table, call->identity) : NULL;
        if (maker && maker->activation != CPTRACE_NO_NUMBER) {
            entry->task_creator = maker->activation + 1;
            break;
        }
    }
    return true;
}

void cptrace_lane_stack_name_task(struct run_frames *run, struct lane_stack *lane, struct cptrace_string name)
{
    const struct open_call *const call = lane->depth ? &lane->calls[lane->depth - 1] : NULL;
    const struct frame_entry *const root = call && call->kind == OPEN_FRAME ? cptrace_frame_find(&run->table, call->identity) : NULL;
    if (root && root->activation != CPTRACE_NO_NUMBER)
        cptrace_writer_define_task(run->writer, name, root->activation, lane->task_creator ? lane->task_creator - 1 : CPTRACE_NO_NUMBER);
    lane->task_creator = 0;
}

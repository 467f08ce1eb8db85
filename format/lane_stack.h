/* The stack of one lane as ring events tell it, and what each event does to it and to the file. */
#ifndef CPTRACE_LANE_STACK_H
#define CPTRACE_LANE_STACK_H

#include "frame_table.h"
#include "sieve.h"

enum open_kind { OPEN_CALL, OPEN_FRAME, OPEN_SPAN };

struct open_call {
    uint32_t function; /* of the file, or with FUNCTION_LEFT_OUT */
    uint8_t kind;
    bool ending;       /* a span whose end came while calls were above it */
    uint64_t identity; /* the address of a frame, the activation of a span */
};

struct lane_stack {
    struct cptrace_lane_writer *writer;
    struct sieve *sieve; /* NULL: nothing is left out */
    struct open_call *calls;
    size_t depth, capacity;
    size_t ending_count;   /* spans that wait to be on top */
    uint32_t task_creator; /* activation + 1 that made the task whose frame was started last; 0: none */
    uint64_t taken;        /* slots of the ring that were read */
};

/* What all lanes of a run share. */
struct run_frames {
    struct cptrace_writer *writer;
    struct frame_table table;
    uint64_t repaired_count;
};

void cptrace_lane_stack_free(struct lane_stack *lane);

/* One event each. false: no memory. Ends and suspends of calls that are not on the stack are ignored. */
static inline bool cptrace_lane_stack_call(struct lane_stack *lane, uint64_t tick, uint32_t function, uint64_t slot);
static inline void cptrace_lane_stack_end(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint32_t function, bool unwound);
bool cptrace_lane_stack_start(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint32_t function, uint64_t address);
bool cptrace_lane_stack_resume(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint32_t function, uint64_t address,
                               bool thrown);
bool cptrace_lane_stack_suspend(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint32_t function);

bool cptrace_lane_stack_begin_span(struct lane_stack *lane, uint64_t tick, uint32_t function);
void cptrace_lane_stack_end_span(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint32_t function);

/* A task was made that will run the coroutine whose frame this is; the coroutine that was just started is that of a task. */
bool cptrace_lane_stack_task(struct run_frames *run, struct lane_stack *lane, uint64_t address);
void cptrace_lane_stack_name_task(struct run_frames *run, struct lane_stack *lane, struct cptrace_string name);

/* For lane_spans.c. */
bool cptrace_lane_stack_push(struct lane_stack *lane, struct open_call call);
void cptrace_lane_stack_end_top(struct run_frames *run, struct lane_stack *lane, uint64_t tick, bool unwound);

/* Spans that go with a frame: those on `first` and above leave the stack, innermost first; false: no memory. */
bool cptrace_lane_spans_suspend(struct run_frames *run, struct lane_stack *lane, uint64_t tick, struct frame_entry *entry, size_t first);
bool cptrace_lane_spans_resume(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint64_t address);
void cptrace_lane_spans_forget(struct run_frames *run, struct frame_entry *entry);
/* Ends the spans on top whose end came earlier. */
void cptrace_lane_spans_end_ending(struct run_frames *run, struct lane_stack *lane, uint64_t tick);

/* Nearly all events are plain calls that end in order on a lane without filters. */
bool cptrace_lane_stack_call_rare(struct lane_stack *lane, uint64_t tick, uint32_t function, uint64_t slot);
void cptrace_lane_stack_end_rare(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint32_t function, bool unwound);

static inline bool cptrace_lane_stack_call(struct lane_stack *lane, uint64_t tick, uint32_t function, uint64_t slot)
{
    if (lane->sieve || lane->depth == lane->capacity)
        return cptrace_lane_stack_call_rare(lane, tick, function, slot);
    cptrace_lane_call(lane->writer, tick, function);
    lane->calls[lane->depth++] = (struct open_call){.function = function, .kind = OPEN_CALL};
    return true;
}

static inline void cptrace_lane_stack_end(struct run_frames *run, struct lane_stack *lane, uint64_t tick, uint32_t function, bool unwound)
{
    const struct open_call *const top = lane->depth ? &lane->calls[lane->depth - 1] : NULL;
    if (!top || top->function != function || top->kind != OPEN_CALL || lane->sieve || lane->ending_count) {
        cptrace_lane_stack_end_rare(run, lane, tick, function, unwound);
        return;
    }
    if (unwound)
        cptrace_lane_unwind(lane->writer, tick);
    else
        cptrace_lane_return(lane->writer, tick);
    lane->depth--;
}

#endif

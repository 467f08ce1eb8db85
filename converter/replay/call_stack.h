/* The open calls of one lane, and the suspended calls of all lanes. */
#ifndef REPLAY_CALL_STACK_H
#define REPLAY_CALL_STACK_H

#include "cptrace/cptrace.h"
#include "replay/frame_notes.h"
#include "replay/replay.h"

/* An open call. Times of finished slices and of the current one are apart: a slice is added when it ends. */
struct frame {
    uint64_t id, parent_id;
    uint64_t start_ns;
    uint64_t slice_start_ns;
    uint64_t child_ns;   /* that calls above it took, in the current slice */
    uint64_t running_ns; /* of the slices that have ended */
    uint64_t self_ns;    /* likewise */
    uint32_t function, path;
    uint32_t lane; /* on which it started */
    uint32_t depth;
    uint32_t activation; /* CPTRACE_NO_NUMBER: a plain call */
    uint32_t slice_count;
    bool ghost; /* no call: something unknown, or a call that went on elsewhere. Its id, path and depth are its parent's */
    bool lost;  /* suspended by a gap, whose end is slice_start_ns: perhaps it never goes on */
    /* Of interest when only a part of the trace is read: */
    bool partial;      /* began before what was read */
    bool in_range;     /* a slice of it was in the range of the selection */
    bool waiting_lost; /* a slice of it began before the lane's first reading of CPU time */
    bool noted;        /* the notes count; they are not even zeroed before */
    struct frame_notes notes;
};

/* The cpu annotation before the next one. */
struct cpu_reading {
    uint64_t at_ns, cpu_ns;
    bool known; /* false at first, and after damage */
};

/* frames[0] is no call but the ground that roots stand on, so that every call has a frame below it. */
struct call_stack {
    struct frame *frames;
    size_t count, capacity;
    uint64_t now_ns;   /* of the lane's last event */
    size_t next_start; /* of its current block's activation starts */
    struct cpu_reading cpu;
};

static inline struct frame *call_stack_top(const struct call_stack *stack) { return &stack->frames[stack->count - 1]; }

static inline struct frame_notes *frame_note(struct frame *frame)
{
    if (!frame->noted)
        frame->notes = (struct frame_notes){0};
    frame->noted = true;
    return &frame->notes;
}

/* The notes are told, or told no more. */
void frame_forget_notes(struct frame *frame);

/* What waited in a call waited in its caller too. */
void call_stack_settle_notes(const struct call_stack *stack, struct frame *frame);

/* Ends the current slice of the top call: what its callees did not take was its own. */
static inline void call_stack_settle_slice(struct call_stack *stack, struct frame *frame, uint64_t now_ns)
{
    const uint64_t slice_ns = now_ns - frame->slice_start_ns;
    frame->running_ns += slice_ns;
    frame->self_ns += slice_ns - frame->child_ns;
    if (frame != stack->frames)
        frame[-1].child_ns += slice_ns;
    if (frame->noted)
        call_stack_settle_notes(stack, frame);
}

/* A trace of a kilobyte can say that 16 Mi calls are open, on each of many lanes: more than this, over all lanes, are refused. No program
 * has them. */
#define OPEN_CALLS_MAX (1u << 21)
enum cptrace_status too_many_open_calls(struct cptrace_error *error); /* NO_MEMORY */
/* Stacks that are not deep do not count. */
#define DEEP_STACK_CALLS 1024
/* Before the room of a stack grows; false: then there are too many. */
bool call_stack_may_grow(size_t *deep_call_count, size_t capacity, size_t grown);

/* false: no memory, or more deep calls over all lanes than OPEN_CALLS_MAX. Lays the ground when the stack is new. */
bool call_stack_reserve(struct call_stack *stack, size_t *deep_call_count);
void call_stack_free(struct call_stack *stack);

/* Suspended calls, in places that stay the same while they are suspended. */
struct suspended_calls {
    struct frame *frames;
    uint32_t *free_places;
    size_t count, free_count, capacity; /* count: places ever used */
};

/* The place, or CPTRACE_NO_NUMBER: no memory. */
uint32_t suspended_calls_add(struct suspended_calls *suspended, const struct frame *frame);
/* The place is free from then on; the frame stays readable until the next add. */
void suspended_calls_remove(struct suspended_calls *suspended, uint32_t place);
void suspended_calls_free(struct suspended_calls *suspended);

/* Free places hold ghosts. */
static inline bool suspended_calls_holds(const struct suspended_calls *suspended, size_t place) { return !suspended->frames[place].ghost; }

#endif

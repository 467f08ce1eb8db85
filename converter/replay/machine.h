/* The stack machine itself: what one event does to the stacks. Lanes, gaps and the end of the run are the business of replay.c and gap.c.
 * Each function returns false when the replay is to stop; machine.stopped then says why. */
#ifndef REPLAY_MACHINE_H
#define REPLAY_MACHINE_H

#include "replay/activations.h"
#include "replay/call_stack.h"
#include "replay/lane_merge.h"
#include "replay/task_index.h"

struct machine {
    struct trace *trace;
    struct path_tree *tree;
    struct call_stack *stacks; /* by lane */
    size_t stack_count;
    size_t deep_call_count; /* room of all deep stacks */
    struct suspended_calls suspended;
    struct activations activations;
    uint64_t next_id;
    uint64_t events_done;
    uint64_t resume_count, mark_count, counter_count;
    struct task_index tasks;
    const struct replay_visitor *visitors;
    size_t visitor_count;
    bool enters, leaves; /* some visitor wants them */
    int stopped;         /* a visitor's result, or -status; 0: go on */
};

bool machine_stop_for_memory(struct machine *machine); /* false */

/* Begins a call on top of a stack. Its first slice may begin later than the call, when what was between is not known. */
bool machine_begin_call(struct machine *machine, uint32_t lane, uint32_t function, uint32_t activation, uint64_t start_ns,
                        uint64_t slice_start_ns);
bool machine_begin_activation(struct machine *machine, uint32_t lane, uint32_t function, uint32_t activation, uint64_t start_ns,
                              uint64_t slice_start_ns);

/* The top call, just put there, did not begin now: its start was in a block that is not there, or not read. */
void machine_mark_partial(struct machine *machine, uint32_t lane);

/* Notes whether a slice of the frame, which ends now, is in the range that is asked for. */
static inline void machine_note_slice(const struct machine *machine, struct frame *frame, uint64_t now_ns)
{
    const struct trace_part *const part = &machine->trace->part;
    frame->in_range |= frame->slice_start_ns <= part->end_ns && now_ns >= part->begin_ns;
}

/* Ends the top call, or takes it to the suspended ones (lost: in a gap; perhaps it never goes on). Nothing happens to an empty stack. */
bool machine_end_top(struct machine *machine, uint32_t lane, uint64_t now_ns, enum replay_outcome outcome);
bool machine_suspend_top(struct machine *machine, uint32_t lane, uint64_t now_ns, bool lost);

/* Puts a living activation back on a stack. *known tells whether it lives. reopen: it may have run elsewhere since it was suspended. */
bool machine_resume(struct machine *machine, uint32_t lane, uint32_t activation, uint64_t now_ns, bool *known);
bool machine_reopen(struct machine *machine, uint32_t lane, uint32_t activation, uint64_t now_ns, bool *known);

/* Tells of a call that is over: its slices are settled, its frame is on no stack any more. */
bool machine_finish_call(struct machine *machine, struct frame *frame, uint64_t end_ns, enum replay_outcome outcome);

/* Replays a run of events of one lane. The stack must be what the block says. */
bool machine_replay_events(struct machine *machine, const struct lane_run *run);

#endif

#include "replay/machine.h"

#include "replay/annotate.h"

bool machine_stop_for_memory(struct machine *machine)
{
    if (!machine->stopped)
        machine->stopped = -CPTRACE_NO_MEMORY;
    return false;
}

static bool tell_enter(struct machine *machine, const struct frame *frame)
{
    const struct replay_call call = {
        .id = frame->id,
        .parent_id = frame->parent_id,
        .function = frame->function,
        .path = frame->path,
        .lane = frame->lane,
        .depth = frame->depth,
        .start_ns = frame->start_ns,
    };
    for (size_t i = 0; i < machine->visitor_count && !machine->stopped; ++i) {
        if (machine->visitors[i].enter)
            machine->stopped = machine->visitors[i].enter(machine->visitors[i].context, &call);
    }
    return !machine->stopped;
}

static bool tell_leave(struct machine *machine, const struct replay_call *call)
{
    for (size_t i = 0; i < machine->visitor_count && !machine->stopped; ++i) {
        if (machine->visitors[i].leave)
            machine->stopped = machine->visitors[i].leave(machine->visitors[i].context, call);
    }
    return !machine->stopped;
}

bool machine_begin_call(struct machine *machine, uint32_t lane, uint32_t function, uint32_t activation, uint64_t start_ns,
                        uint64_t slice_start_ns)
{
    struct call_stack *stack = &machine->stacks[lane];
    if (stack->count == stack->capacity && !call_stack_reserve(stack, &machine->deep_call_count))
        return machine_stop_for_memory(machine);
    const struct frame *parent = call_stack_top(stack);
    const uint32_t path = path_tree_child(machine->tree, parent->path, function);
    if (path == PATH_NONE)
        return machine_stop_for_memory(machine);
    struct frame *frame = &stack->frames[stack->count++];
    frame->id = machine->next_id++;
    frame->parent_id = parent->id;
    frame->start_ns = start_ns;
    frame->slice_start_ns = slice_start_ns;
    frame->child_ns = 0;
    frame->running_ns = 0;
    frame->self_ns = 0;
    frame->function = function;
    frame->path = path;
    frame->lane = lane;
    frame->depth = parent->depth + 1;
    frame->activation = activation;
    frame->slice_count = 1;
    frame->ghost = false;
    frame->lost = false;
    frame->partial = false;
    frame->in_range = false;
    frame->waiting_lost = !stack->cpu.known;
    frame->noted = false;
    return !machine->enters || tell_enter(machine, frame);
}

bool machine_begin_activation(struct machine *machine, uint32_t lane, uint32_t function, uint32_t activation, uint64_t start_ns,
                              uint64_t slice_start_ns)
{
    if (!machine_begin_call(machine, lane, function, activation, start_ns, slice_start_ns))
        return false;
    const struct activation_place place = {.lane = lane, .index = (uint32_t)machine->stacks[lane].count - 1};
    task_index_begin(&machine->tasks, activation, machine->next_id - 1);
    return activations_put(&machine->activations, activation, place) || machine_stop_for_memory(machine);
}

/* Stands for what cannot be known (only damage makes it), so that later pops still match. */
static bool push_ghost(struct machine *machine, uint32_t lane, uint32_t activation, uint64_t now_ns)
{
    struct call_stack *stack = &machine->stacks[lane];
    if (!call_stack_reserve(stack, &machine->deep_call_count))
        return machine_stop_for_memory(machine);
    struct frame ghost = *call_stack_top(stack);
    ghost.function = CPTRACE_NO_NUMBER;
    ghost.activation = activation;
    ghost.start_ns = ghost.slice_start_ns = now_ns;
    ghost.child_ns = 0;
    ghost.ghost = true;
    ghost.noted = false;
    stack->frames[stack->count++] = ghost;
    return true;
}

/* The call keeps its frame's activation and start, so that a later snapshot of open calls still recognises it. */
static void make_ghost(const struct machine *machine, struct frame *frame)
{
    frame->ghost = true;
    frame->noted = false;
    frame->id = frame->parent_id;
    frame->path = machine->tree->paths[frame->path].parent;
    frame->depth -= 1;
}

static uint64_t at_most(uint64_t value, uint64_t limit) { return value < limit ? value : limit; }

/* What left-out calls waited is in waiting_ns, but not in the call's own time. */
static void tell_notes(const struct frame *frame, struct replay_call *call)
{
    const struct frame_notes *const notes = &frame->notes;
    call->waiting_ns = at_most(notes->waiting_ns, call->running_ns);
    call->self_waiting_ns = at_most(at_most(notes->self_waiting_ns, call->self_ns), call->waiting_ns);
    call->omitted_call_count = notes->omitted_call_count;
    call->omitted_ns = notes->omitted_ns;
    call->has_arguments = notes->arguments != NULL;
    if (notes->arguments)
        call->arguments = (struct cptrace_string){notes->arguments, notes->argument_bytes};
}

void machine_mark_partial(struct machine *machine, uint32_t lane)
{
    struct frame *const top = call_stack_top(&machine->stacks[lane]);
    top->partial = true;
    if (machine->trace->part.is_part && top->activation != CPTRACE_NO_NUMBER)
        top->parent_id = REPLAY_NO_CALL; /* what is below need not be what started it */
}

/* A plain call that is still open where its lane ends is unfinished; a generator could go on in any lane. */
static bool goes_on(const struct trace_part *part, const struct frame *frame, enum replay_outcome outcome)
{
    if (outcome != REPLAY_UNFINISHED)
        return false;
    if (frame->activation == CPTRACE_NO_NUMBER)
        return !part->lane_end_read[frame->lane];
    return part->lanes_left_out || part->end_ns != UINT64_MAX;
}

static void tell_part(const struct trace_part *part, const struct frame *frame, struct replay_call *call)
{
    call->waiting_known = !frame->waiting_lost;
    call->is_partial = frame->partial;
    call->goes_on = goes_on(part, frame, call->outcome);
    call->in_range = frame->in_range;
    if (frame->partial && !call->is_activation) { /* it ran all the time, whatever the frame saw of it */
        call->running_ns = call->end_ns - call->start_ns;
        call->suspended_ns = 0;
    }
}

static struct replay_call finished_call(const struct machine *machine, const struct frame *frame, uint64_t end_ns,
                                        enum replay_outcome outcome)
{
    struct replay_call call = {
        .id = frame->id,
        .parent_id = frame->parent_id,
        .function = frame->function,
        .path = frame->path,
        .lane = frame->lane,
        .depth = frame->depth,
        .start_ns = frame->start_ns,
        .end_ns = end_ns,
        .self_ns = frame->self_ns,
        .running_ns = frame->running_ns,
        .suspended_ns = end_ns - frame->start_ns - frame->running_ns,
        .slice_count = frame->slice_count,
        .outcome = outcome,
        .task = CPTRACE_NO_NUMBER,
        .created_by = REPLAY_NO_CALL,
        .is_activation = frame->activation != CPTRACE_NO_NUMBER,
        .waiting_known = machine->trace->facts.waiting_known,
        .in_range = true,
    };
    if (machine->trace->part.is_part)
        tell_part(&machine->trace->part, frame, &call);
    if (frame->activation != CPTRACE_NO_NUMBER && machine->tasks.task_count)
        call.task = task_index_find(&machine->tasks, frame->activation, &call.created_by);
    if (frame->noted)
        tell_notes(frame, &call);
    return call;
}

bool machine_finish_call(struct machine *machine, struct frame *frame, uint64_t end_ns, enum replay_outcome outcome)
{
    path_tree_end_call(machine->tree, frame->path, frame->id, frame->start_ns, end_ns, frame->self_ns, frame->running_ns, outcome);
    if (!machine->leaves && !frame->noted)
        return true;
    const struct replay_call call = finished_call(machine, frame, end_ns, outcome);
    if (frame->noted)
        path_tree_add_notes(machine->tree, &call);
    const bool goes_on = !machine->leaves || tell_leave(machine, &call);
    frame_forget_notes(frame);
    return goes_on;
}

/* Frees the activation of a frame at a place, unless the call meanwhile goes on elsewhere. */
static void forget_activation(struct machine *machine, uint32_t activation, uint32_t lane, uint32_t index)
{
    const struct activation_place *place = activations_find(&machine->activations, activation);
    if (place && place->lane == lane && place->index == index)
        activations_remove(&machine->activations, activation);
}

bool machine_end_top(struct machine *machine, uint32_t lane, uint64_t now_ns, enum replay_outcome outcome)
{
    struct call_stack *stack = &machine->stacks[lane];
    if (stack->count <= 1)
        return true;
    struct frame *frame = call_stack_top(stack);
    machine_note_slice(machine, frame, now_ns);
    call_stack_settle_slice(stack, frame, now_ns);
    --stack->count;
    if (frame->ghost)
        return true;
    if (frame->activation != CPTRACE_NO_NUMBER)
        forget_activation(machine, frame->activation, lane, (uint32_t)stack->count);
    return machine_finish_call(machine, frame, now_ns, outcome);
}

bool machine_suspend_top(struct machine *machine, uint32_t lane, uint64_t now_ns, bool lost)
{
    struct call_stack *stack = &machine->stacks[lane];
    if (stack->count <= 1)
        return true;
    struct frame *frame = call_stack_top(stack);
    machine_note_slice(machine, frame, now_ns);
    call_stack_settle_slice(stack, frame, now_ns);
    --stack->count;
    if (frame->ghost)
        return true;
    frame->slice_start_ns = now_ns;
    frame->lost = lost;
    const uint32_t index = suspended_calls_add(&machine->suspended, frame);
    if (index == CPTRACE_NO_NUMBER) {
        frame_forget_notes(frame);
        return machine_stop_for_memory(machine);
    }
    const struct activation_place place = {.lane = ACTIVATION_SUSPENDED, .index = index};
    return activations_put(&machine->activations, frame->activation, place) || machine_stop_for_memory(machine);
}

/* A call that is still on another stack: its suspend was lost, or comes late. What it leaves there is a ghost. */
static struct frame take_from_stack(struct machine *machine, struct activation_place place, uint64_t now_ns)
{
    struct frame *frame = &machine->stacks[place.lane].frames[place.index];
    machine_note_slice(machine, frame, now_ns);
    if (frame->noted)
        call_stack_settle_notes(&machine->stacks[place.lane], frame);
    struct frame taken = *frame;
    const uint64_t slice_ns = now_ns > taken.slice_start_ns ? now_ns - taken.slice_start_ns : 0;
    taken.running_ns += slice_ns;
    taken.self_ns += slice_ns > taken.child_ns ? slice_ns - taken.child_ns : 0;
    make_ghost(machine, frame);
    return taken;
}

bool machine_resume(struct machine *machine, uint32_t lane, uint32_t activation, uint64_t now_ns, bool *known)
{
    const struct activation_place *found = activations_find(&machine->activations, activation);
    *known = found != NULL;
    if (!found)
        return true;
    struct call_stack *stack = &machine->stacks[lane];
    if (!call_stack_reserve(stack, &machine->deep_call_count))
        return machine_stop_for_memory(machine);
    const struct activation_place place = *found;
    struct frame frame;
    if (place.lane == ACTIVATION_SUSPENDED) {
        frame = machine->suspended.frames[place.index];
        suspended_calls_remove(&machine->suspended, place.index);
    } else {
        frame = take_from_stack(machine, place, now_ns);
    }
    /* Clocks of two lanes may differ by a tick: a slice never begins before its call. */
    frame.slice_start_ns = now_ns;
    if (frame.start_ns > now_ns)
        frame.start_ns = now_ns;
    frame.child_ns = 0;
    frame.lost = false;
    frame.waiting_lost |= !stack->cpu.known;
    ++frame.slice_count;
    ++machine->resume_count;
    stack->frames[stack->count++] = frame;
    const struct activation_place here = {.lane = lane, .index = (uint32_t)stack->count - 1};
    return activations_put(&machine->activations, activation, here) || machine_stop_for_memory(machine);
}

/* Of all lanes, the blocks between the times of the selection are read, and no others for sure. */
static bool ran_unread(const struct machine *machine, uint32_t activation, uint64_t now_ns)
{
    const struct trace_part *const part = &machine->trace->part;
    const struct activation_place *const place = activations_find(&machine->activations, activation);
    if (!part->is_part || !place)
        return false;
    return place->lane != ACTIVATION_SUSPENDED || part->lanes_left_out || now_ns > part->end_ns ||
           machine->suspended.frames[place->index].slice_start_ns < part->begin_ns;
}

bool machine_reopen(struct machine *machine, uint32_t lane, uint32_t activation, uint64_t now_ns, bool *known)
{
    const bool partial = ran_unread(machine, activation, now_ns);
    if (!machine_resume(machine, lane, activation, now_ns, known))
        return false;
    if (*known)
        call_stack_top(&machine->stacks[lane])->partial |= partial;
    return true;
}

static const struct cptrace_activation_start *next_start(struct call_stack *stack, const struct cptrace_events *block)
{
    static const struct cptrace_activation_start none = {.activation = CPTRACE_NO_NUMBER};
    return stack->next_start < block->start_count ? &block->starts[stack->next_start++] : &none;
}

static bool reopen(struct machine *machine, uint32_t lane, const struct cptrace_activation_start *start, uint64_t now_ns)
{
    bool known;
    if (!machine_reopen(machine, lane, start->activation, now_ns, &known))
        return false;
    if (known)
        return true;
    const uint64_t start_ns = start->start_tick < now_ns ? start->start_tick : now_ns;
    if (!machine_begin_activation(machine, lane, start->function, start->activation, start_ns, now_ns))
        return false;
    if (start_ns < now_ns) /* else it began before the run, which has no more of it */
        machine_mark_partial(machine, lane);
    return true;
}

static bool resume(struct machine *machine, uint32_t lane, uint32_t activation, uint64_t now_ns)
{
    bool known;
    if (!machine_resume(machine, lane, activation, now_ns, &known))
        return false;
    return known || push_ghost(machine, lane, activation, now_ns);
}

static bool suspend(struct machine *machine, uint32_t lane, uint64_t now_ns)
{
    const bool plain = call_stack_top(&machine->stacks[lane])->activation == CPTRACE_NO_NUMBER;
    return plain ? machine_end_top(machine, lane, now_ns, REPLAY_RETURNED) : machine_suspend_top(machine, lane, now_ns, false);
}

static bool step(struct machine *machine, uint32_t lane, const struct cptrace_events *block, const struct cptrace_event *event,
                 uint64_t before_ns, uint64_t now_ns)
{
    switch (event->op) {
    case CPTRACE_OP_CALL:
        return machine_begin_call(machine, lane, event->value, CPTRACE_NO_NUMBER, now_ns, now_ns);
    case CPTRACE_OP_RETURN:
        return machine_end_top(machine, lane, now_ns, REPLAY_RETURNED);
    case CPTRACE_OP_UNWIND:
        return machine_end_top(machine, lane, now_ns, REPLAY_RAISED);
    case CPTRACE_OP_SUSPEND:
        return suspend(machine, lane, now_ns);
    case CPTRACE_OP_RESUME:
        return resume(machine, lane, event->value, now_ns);
    case CPTRACE_OP_REOPEN:
        return reopen(machine, lane, next_start(&machine->stacks[lane], block), now_ns);
    case CPTRACE_OP_START: {
        const struct cptrace_activation_start *start = next_start(&machine->stacks[lane], block);
        return machine_begin_activation(machine, lane, start->function, start->activation, now_ns, now_ns);
    }
    case CPTRACE_ANNOTATION_CPU:
    case CPTRACE_ANNOTATION_MARK:
    case CPTRACE_ANNOTATION_COUNTER:
    case CPTRACE_ANNOTATION_ARGUMENTS:
    case CPTRACE_ANNOTATION_OMITTED:
    case CPTRACE_ANNOTATION_OMITTED_OUTER:
        return annotate(machine, lane, event->op, &block->annotations[event->value], before_ns, now_ns);
    default:
        return true; /* a throw changes no stack; the unwind or the next suspend tells what came of it */
    }
}

bool machine_replay_events(struct machine *machine, const struct lane_run *run)
{
    struct call_stack *stack = &machine->stacks[run->lane];
    /* Time of a lane goes back only in strange files, but sums of unsigned differences must hold in those too. */
    uint64_t now_ns = stack->now_ns;
    for (const struct cptrace_event *event = run->begin; event < run->end; ++event) {
        const uint64_t before_ns = now_ns;
        if (event->tick > now_ns)
            now_ns = event->tick;
        if (!step(machine, run->lane, run->block, event, before_ns, now_ns))
            return false;
    }
    stack->now_ns = now_ns;
    machine->events_done += (uint64_t)(run->end - run->begin);
    return true;
}

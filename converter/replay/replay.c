/* The stack machine. Every call is pushed once and popped once; a generator or coroutine moves to the suspended calls and back between. */
#include "replay/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/activations.h"
#include "replay/call_stack.h"
#include "replay/lane_merge.h"

struct machine {
    struct trace *trace;
    struct path_tree *tree;
    struct call_stack *stacks; /* by lane */
    size_t stack_count;
    struct suspended_calls suspended;
    struct activations activations;
    uint64_t next_id;
    uint64_t events_done;
    const struct replay_visitor *visitors;
    size_t visitor_count;
    bool enters, leaves; /* some visitor wants them */
    int stopped;         /* a visitor's result, or -status; 0: go on */
};

static bool stop_for_memory(struct machine *machine)
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

/* Begins a call on top of a stack. Its first slice may begin later than the call, when what was between is not known. */
static inline bool push_call(struct machine *machine, uint32_t lane, uint32_t function, uint32_t activation, uint64_t start_ns,
                             uint64_t slice_start_ns)
{
    struct call_stack *stack = &machine->stacks[lane];
    if (stack->count == stack->capacity && !call_stack_reserve(stack))
        return stop_for_memory(machine);
    const struct frame *parent = call_stack_top(stack);
    const uint32_t path = path_tree_child(machine->tree, parent->path, function);
    if (path == PATH_NONE)
        return stop_for_memory(machine);
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
    return !machine->enters || tell_enter(machine, frame);
}

static bool push_activation(struct machine *machine, uint32_t lane, uint32_t function, uint32_t activation, uint64_t start_ns,
                            uint64_t slice_start_ns)
{
    if (!push_call(machine, lane, function, activation, start_ns, slice_start_ns))
        return false;
    const struct activation_place place = {.lane = lane, .index = (uint32_t)machine->stacks[lane].count - 1};
    return activations_put(&machine->activations, activation, place) || stop_for_memory(machine);
}

/* Stands for what cannot be known (only damage makes it), so that later pops still match. */
static bool push_ghost(struct machine *machine, uint32_t lane, uint32_t activation, uint64_t now_ns)
{
    struct call_stack *stack = &machine->stacks[lane];
    if (!call_stack_reserve(stack))
        return stop_for_memory(machine);
    struct frame ghost = *call_stack_top(stack);
    ghost.function = CPTRACE_NO_NUMBER;
    ghost.activation = activation;
    ghost.start_ns = ghost.slice_start_ns = now_ns;
    ghost.child_ns = 0;
    ghost.ghost = true;
    stack->frames[stack->count++] = ghost;
    return true;
}

/* The call keeps its frame's activation and start, so that a later snapshot of open calls still recognises it. */
static void make_ghost(const struct machine *machine, struct frame *frame)
{
    frame->ghost = true;
    frame->id = frame->parent_id;
    frame->path = machine->tree->paths[frame->path].parent;
    frame->depth -= 1;
}

/* Ends the current slice of the top call: what its callees did not take was its own. */
static inline void settle_slice(struct call_stack *stack, struct frame *frame, uint64_t now_ns)
{
    const uint64_t slice_ns = now_ns - frame->slice_start_ns;
    frame->running_ns += slice_ns;
    frame->self_ns += slice_ns - frame->child_ns;
    if (frame != stack->frames)
        frame[-1].child_ns += slice_ns;
}

static inline bool finish_call(struct machine *machine, const struct frame *frame, uint64_t end_ns, enum replay_outcome outcome)
{
    path_tree_end_call(machine->tree, frame->path, frame->id, frame->start_ns, end_ns, frame->self_ns, frame->running_ns, outcome);
    if (!machine->leaves)
        return true;
    const struct replay_call call = {
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
    };
    return tell_leave(machine, &call);
}

/* Frees the activation of a frame at a place, unless the call meanwhile goes on elsewhere. */
static void forget_activation(struct machine *machine, uint32_t activation, uint32_t lane, uint32_t index)
{
    const struct activation_place *place = activations_find(&machine->activations, activation);
    if (place && place->lane == lane && place->index == index)
        activations_remove(&machine->activations, activation);
}

static inline bool pop_call(struct machine *machine, uint32_t lane, uint64_t now_ns, enum replay_outcome outcome)
{
    struct call_stack *stack = &machine->stacks[lane];
    if (stack->count <= 1)
        return true;
    struct frame *frame = call_stack_top(stack);
    settle_slice(stack, frame, now_ns);
    --stack->count;
    if (frame->ghost)
        return true;
    if (frame->activation != CPTRACE_NO_NUMBER)
        forget_activation(machine, frame->activation, lane, (uint32_t)stack->count);
    return finish_call(machine, frame, now_ns, outcome);
}

/* Takes the top call off its stack, to the suspended ones. */
static bool suspend_top(struct machine *machine, uint32_t lane, uint64_t now_ns, bool lost)
{
    struct call_stack *stack = &machine->stacks[lane];
    if (stack->count <= 1)
        return true;
    struct frame *frame = call_stack_top(stack);
    settle_slice(stack, frame, now_ns);
    --stack->count;
    if (frame->ghost)
        return true;
    frame->slice_start_ns = now_ns;
    frame->lost = lost;
    const uint32_t index = suspended_calls_add(&machine->suspended, frame);
    if (index == CPTRACE_NO_NUMBER)
        return stop_for_memory(machine);
    const struct activation_place place = {.lane = ACTIVATION_SUSPENDED, .index = index};
    return activations_put(&machine->activations, frame->activation, place) || stop_for_memory(machine);
}

/* A call that is still on another stack: its suspend was lost, or comes late. What it leaves there is a ghost. */
static struct frame take_from_stack(struct machine *machine, struct activation_place place, uint64_t now_ns)
{
    struct frame *frame = &machine->stacks[place.lane].frames[place.index];
    struct frame taken = *frame;
    const uint64_t slice_ns = now_ns > taken.slice_start_ns ? now_ns - taken.slice_start_ns : 0;
    taken.running_ns += slice_ns;
    taken.self_ns += slice_ns > taken.child_ns ? slice_ns - taken.child_ns : 0;
    make_ghost(machine, frame);
    return taken;
}

/* Puts a living activation back on a stack. *known tells whether it lives. */
static bool resume_activation(struct machine *machine, uint32_t lane, uint32_t activation, uint64_t now_ns, bool *known)
{
    const struct activation_place *found = activations_find(&machine->activations, activation);
    *known = found != NULL;
    if (!found)
        return true;
    struct call_stack *stack = &machine->stacks[lane];
    if (!call_stack_reserve(stack))
        return stop_for_memory(machine);
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
    ++frame.slice_count;
    stack->frames[stack->count++] = frame;
    const struct activation_place here = {.lane = lane, .index = (uint32_t)stack->count - 1};
    return activations_put(&machine->activations, activation, here) || stop_for_memory(machine);
}

static const struct cptrace_activation_start *next_start(struct call_stack *stack, const struct cptrace_events *block)
{
    static const struct cptrace_activation_start none = {.activation = CPTRACE_NO_NUMBER};
    return stack->next_start < block->start_count ? &block->starts[stack->next_start++] : &none;
}

static uint64_t earlier(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

static uint64_t later(uint64_t left, uint64_t right)
{
    return left > right ? left : right;
}

static bool reopen(struct machine *machine, uint32_t lane, const struct cptrace_activation_start *start, uint64_t now_ns)
{
    bool known;
    if (!resume_activation(machine, lane, start->activation, now_ns, &known))
        return false;
    return known ||
           push_activation(machine, lane, start->function, start->activation, earlier(start->start_tick, now_ns), now_ns);
}

static bool resume(struct machine *machine, uint32_t lane, uint32_t activation, uint64_t now_ns)
{
    bool known;
    if (!resume_activation(machine, lane, activation, now_ns, &known))
        return false;
    return known || push_ghost(machine, lane, activation, now_ns);
}

static bool suspend(struct machine *machine, uint32_t lane, uint64_t now_ns)
{
    const bool plain = call_stack_top(&machine->stacks[lane])->activation == CPTRACE_NO_NUMBER;
    return plain ? pop_call(machine, lane, now_ns, REPLAY_RETURNED) : suspend_top(machine, lane, now_ns, false);
}

/* A gap swallowed how the top call ended. A generator may only have been suspended: it waits, in case it is resumed. */
static bool lose_top(struct machine *machine, uint32_t lane, uint64_t now_ns)
{
    const struct frame *top = call_stack_top(&machine->stacks[lane]);
    const bool may_go_on = top->activation != CPTRACE_NO_NUMBER;
    return may_go_on ? suspend_top(machine, lane, now_ns, true) : pop_call(machine, lane, now_ns, REPLAY_UNFINISHED);
}

static bool is_same_call(const struct frame *frame, const struct cptrace_open_call *open)
{
    if (frame->activation != open->activation)
        return false;
    return open->activation != CPTRACE_NO_NUMBER || (frame->function == open->function && frame->start_ns == open->start_tick);
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* The calls that a gap swallowed had ended when the first call began that the gap brought; if it brought none, at its end. */
static uint64_t end_of_lost(const struct cptrace_events *block, size_t first_new, uint64_t now_ns, uint64_t gap_end_ns)
{
    for (size_t i = first_new; i < block->open_count; ++i) {
        if (block->open[i].start_tick > now_ns)
            return earlier(block->open[i].start_tick, gap_end_ns);
    }
    return gap_end_ns;
}

/* A call that began, or went on, inside the gap. */
static bool recover_call(struct machine *machine, uint32_t lane, const struct cptrace_open_call *open, uint64_t now_ns)
{
    const uint64_t start_ns = earlier(open->start_tick, now_ns);
    if (open->activation == CPTRACE_NO_NUMBER)
        return push_call(machine, lane, open->function, CPTRACE_NO_NUMBER, start_ns, now_ns);
    bool known;
    if (!resume_activation(machine, lane, open->activation, now_ns, &known))
        return false;
    return known || push_activation(machine, lane, open->function, open->activation, start_ns, now_ns);
}

/* When an activation that went on inside the gap can have done so at the earliest: another lane may have had it until then. */
static uint64_t free_since(const struct machine *machine, uint32_t activation)
{
    const struct activation_place *place = activations_find(&machine->activations, activation);
    if (!place)
        return 0;
    return place->lane == ACTIVATION_SUSPENDED ? machine->suspended.frames[place->index].slice_start_ns : machine->stacks[place->lane].now_ns;
}

/* Makes the stack what the block says was open at its start. Without damage it is so already. SPEC.md section 6. */
static bool reconcile(struct machine *machine, uint32_t lane, const struct cptrace_events *block)
{
    struct call_stack *stack = &machine->stacks[lane];
    size_t same = 0;
    while (same < block->open_count && same + 1 < stack->count && is_same_call(&stack->frames[same + 1], &block->open[same]))
        ++same;
    if (same == block->open_count && same + 1 == stack->count)
        return true;
    const uint64_t gap_end_ns = block->first_tick > stack->now_ns ? block->first_tick : stack->now_ns;
    stack->now_ns = end_of_lost(block, same, stack->now_ns, gap_end_ns);
    while (stack->count > same + 1) {
        if (!lose_top(machine, lane, stack->now_ns))
            return false;
    }
    for (size_t i = same; i < block->open_count; ++i) {
        const uint64_t begin_ns = later(block->open[i].start_tick, free_since(machine, block->open[i].activation));
        stack->now_ns = clamp(begin_ns, stack->now_ns, gap_end_ns);
        if (!recover_call(machine, lane, &block->open[i], stack->now_ns))
            return false;
    }
    return true;
}

static bool step(struct machine *machine, uint32_t lane, const struct cptrace_events *block, const struct cptrace_event *event,
                 uint64_t now_ns)
{
    switch (event->op) {
    case CPTRACE_OP_CALL:
        return push_call(machine, lane, event->value, CPTRACE_NO_NUMBER, now_ns, now_ns);
    case CPTRACE_OP_RETURN:
        return pop_call(machine, lane, now_ns, REPLAY_RETURNED);
    case CPTRACE_OP_UNWIND:
        return pop_call(machine, lane, now_ns, REPLAY_RAISED);
    case CPTRACE_OP_SUSPEND:
        return suspend(machine, lane, now_ns);
    case CPTRACE_OP_RESUME:
        return resume(machine, lane, event->value, now_ns);
    case CPTRACE_OP_REOPEN:
        return reopen(machine, lane, next_start(&machine->stacks[lane], block), now_ns);
    case CPTRACE_OP_START: {
        const struct cptrace_activation_start *start = next_start(&machine->stacks[lane], block);
        return push_activation(machine, lane, start->function, start->activation, now_ns, now_ns);
    }
    default:
        return true; /* a throw changes no stack; the unwind or the next suspend tells what came of it */
    }
}

static bool replay_run(struct machine *machine, const struct lane_run *run)
{
    struct call_stack *stack = &machine->stacks[run->lane];
    if (stack->count == 0 && !call_stack_reserve(stack))
        return stop_for_memory(machine);
    if (run->block_begins) {
        stack->next_start = 0;
        if (!reconcile(machine, run->lane, run->block))
            return false;
    }
    /* Time of a lane goes back only in strange files, but sums of unsigned differences must hold in those too. */
    uint64_t now_ns = stack->now_ns;
    for (const struct cptrace_event *event = run->begin; event < run->end; ++event) {
        if (event->tick > now_ns)
            now_ns = event->tick;
        if (!step(machine, run->lane, run->block, event, now_ns))
            return false;
    }
    stack->now_ns = now_ns;
    machine->events_done += (uint64_t)(run->end - run->begin);
    return true;
}

/* Replays all events; the calls that are open at the end stay on their stacks. */
static void replay_events(struct machine *machine, void (*progress)(void *context, uint64_t events_done, uint64_t events_all),
                          void *progress_context, struct cptrace_error *error)
{
    struct lane_merge *merge = lane_merge_open(machine->trace);
    if (!merge) {
        stop_for_memory(machine);
        return;
    }
    struct lane_run run;
    enum cptrace_status status;
    while ((status = lane_merge_next(merge, &run, error)) == CPTRACE_OK) {
        if (!replay_run(machine, &run))
            break;
        if (progress && run.block_begins)
            progress(progress_context, machine->events_done, machine->trace->facts.event_count);
    }
    lane_merge_close(merge);
    if (status != CPTRACE_OK && status != CPTRACE_END)
        machine->stopped = -(int)status;
}

static int compare_youngest_first(const void *left, const void *right)
{
    const struct frame *a = *(const struct frame *const *)left;
    const struct frame *b = *(const struct frame *const *)right;
    return a->id < b->id ? 1 : -(a->id > b->id);
}

static uint64_t end_of_run(const struct machine *machine)
{
    uint64_t end_ns = machine->trace->facts.wall_ns;
    for (size_t lane = 0; lane < machine->stack_count; ++lane) {
        if (machine->stacks[lane].now_ns > end_ns)
            end_ns = machine->stacks[lane].now_ns;
    }
    return end_ns;
}

static size_t count_unfinished(const struct machine *machine)
{
    size_t count = machine->suspended.count;
    for (size_t lane = 0; lane < machine->stack_count; ++lane)
        count += machine->stacks[lane].count;
    return count;
}

/* Ends all that is open, the youngest first: so every call still leaves before the call that it was made by. */
static bool finish_unfinished(struct machine *machine)
{
    const uint64_t end_ns = end_of_run(machine);
    const struct frame **unfinished = malloc((count_unfinished(machine) + 1) * sizeof *unfinished);
    if (!unfinished)
        return stop_for_memory(machine);
    size_t count = 0;
    for (size_t lane = 0; lane < machine->stack_count; ++lane) {
        struct call_stack *stack = &machine->stacks[lane];
        for (; stack->count > 1; --stack->count) {
            struct frame *frame = call_stack_top(stack);
            settle_slice(stack, frame, end_ns);
            if (!frame->ghost)
                unfinished[count++] = frame;
        }
    }
    for (size_t place = 0; place < machine->suspended.count; ++place) {
        if (suspended_calls_holds(&machine->suspended, place))
            unfinished[count++] = &machine->suspended.frames[place];
    }
    qsort(unfinished, count, sizeof *unfinished, compare_youngest_first);
    for (size_t i = 0; i < count && !machine->stopped; ++i) {
        const uint64_t call_end_ns = unfinished[i]->lost ? unfinished[i]->slice_start_ns : end_ns;
        finish_call(machine, unfinished[i], call_end_ns, REPLAY_UNFINISHED);
    }
    free(unfinished);
    return !machine->stopped;
}

static bool prepare(struct machine *machine)
{
    machine->stack_count = machine->trace->definitions.lane_count;
    machine->stacks = calloc(machine->stack_count ? machine->stack_count : 1, sizeof *machine->stacks);
    path_tree_free(machine->tree);
    function_table_free(&machine->trace->function_sums);
    for (size_t i = 0; i < machine->visitor_count; ++i) {
        machine->enters |= machine->visitors[i].enter != NULL;
        machine->leaves |= machine->visitors[i].leave != NULL;
    }
    return (machine->stacks && path_tree_init(machine->tree)) || stop_for_memory(machine);
}

static bool conclude(struct machine *machine, struct replay_result *result)
{
    struct trace *trace = machine->trace;
    const uint64_t wall_ns = end_of_run(machine);
    struct replay_path *root = &machine->tree->paths[REPLAY_ROOT_PATH];
    root->total_ns = root->running_ns = root->last_end_ns = wall_ns;
    if (!function_table_build(&trace->function_sums, machine->tree, trace->definitions.function_count))
        return stop_for_memory(machine);
    trace->facts.call_count = machine->next_id;
    trace->facts.event_count = machine->events_done;
    trace_refresh_damage(trace);
    *result = (struct replay_result){
        .paths = machine->tree->paths,
        .path_count = machine->tree->count,
        .functions = trace->function_sums.functions,
        .function_count = trace->function_sums.count,
        .call_count = machine->next_id,
        .event_count = machine->events_done,
        .called_function_count = trace->function_sums.called_count,
        .wall_ns = wall_ns,
    };
    return true;
}

static void clean_up(struct machine *machine)
{
    for (size_t lane = 0; machine->stacks && lane < machine->stack_count; ++lane)
        call_stack_free(&machine->stacks[lane]);
    free(machine->stacks);
    suspended_calls_free(&machine->suspended);
    activations_free(&machine->activations);
}

int trace_replay(struct trace *trace, const struct replay_visitor *visitors, size_t visitor_count,
                 void (*progress)(void *context, uint64_t events_done, uint64_t events_all), void *progress_context,
                 struct replay_result *result, struct cptrace_error *error)
{
    struct machine machine = {.trace = trace, .tree = &trace->paths, .visitors = visitors, .visitor_count = visitor_count};
    if (prepare(&machine))
        replay_events(&machine, progress, progress_context, error);
    if (!machine.stopped && finish_unfinished(&machine))
        conclude(&machine, result);
    clean_up(&machine);
    if (machine.stopped == -CPTRACE_NO_MEMORY && error) {
        *error = (struct cptrace_error){.status = CPTRACE_NO_MEMORY};
        snprintf(error->message, sizeof error->message, "no memory to replay the events");
    }
    return machine.stopped;
}

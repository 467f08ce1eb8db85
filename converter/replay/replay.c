/* Runs the stack machine over all lanes of a trace, from its first event to the end of what is unfinished. */
#include "replay/replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "replay/gap.h"
#include "replay/machine.h"

static bool replay_run(struct machine *machine, const struct lane_run *run, bool damaged)
{
    struct call_stack *stack = &machine->stacks[run->lane];
    if (stack->count == 0 && !call_stack_reserve(stack, &machine->deep_call_count))
        return machine_stop_for_memory(machine);
    if (run->block_begins) {
        stack->next_start = 0;
        stack->cpu.known &= !damaged && !run->after_skipped; /* what is missing may have been on this lane */
        if (!gap_reconcile(machine, run->lane, run->block))
            return false;
    }
    return machine_replay_events(machine, run);
}

/* Replays all events; the calls that are open at the end stay on their stacks. */
static void replay_events(struct machine *machine, void (*progress)(void *context, uint64_t events_done, uint64_t events_all),
                          void *progress_context, struct cptrace_error *error)
{
    struct lane_merge *merge = lane_merge_open(machine->trace);
    if (!merge) {
        machine_stop_for_memory(machine);
        return;
    }
    struct lane_run run;
    enum cptrace_status status;
    while ((status = lane_merge_next(merge, &run, error)) == CPTRACE_OK) {
        if (!replay_run(machine, &run, machine->trace->facts.damage_count > 0 || lane_merge_has_failed(merge)))
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
    struct frame **unfinished = malloc((count_unfinished(machine) + 1) * sizeof *unfinished);
    if (!unfinished)
        return machine_stop_for_memory(machine);
    size_t count = 0;
    for (size_t lane = 0; lane < machine->stack_count; ++lane) {
        struct call_stack *stack = &machine->stacks[lane];
        for (; stack->count > 1; --stack->count) {
            struct frame *frame = call_stack_top(stack);
            machine_note_slice(machine, frame, end_ns);
            call_stack_settle_slice(stack, frame, end_ns);
            if (!frame->ghost)
                unfinished[count++] = frame;
        }
    }
    for (size_t place = 0; place < machine->suspended.count; ++place) {
        if (suspended_calls_holds(&machine->suspended, place))
            unfinished[count++] = &machine->suspended.frames[place];
    }
    qsort(unfinished, count, sizeof *unfinished, compare_youngest_first);
    for (size_t i = 0; i < count; ++i) {
        const uint64_t call_end_ns = unfinished[i]->lost ? unfinished[i]->slice_start_ns : end_ns;
        if (machine->stopped)
            frame_forget_notes(unfinished[i]); /* no stack holds it any more */
        else
            machine_finish_call(machine, unfinished[i], call_end_ns, REPLAY_UNFINISHED);
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
    return (machine->stacks && path_tree_init(machine->tree) && task_index_init(&machine->tasks, &machine->trace->definitions)) ||
           machine_stop_for_memory(machine);
}

/* Of the root path: what is charged to no call, and what all of them waited. */
static void sum_grounds(const struct machine *machine, struct replay_path *root)
{
    for (size_t lane = 0; lane < machine->stack_count; ++lane) {
        const struct call_stack *stack = &machine->stacks[lane];
        if (!stack->frames || !stack->frames[0].noted)
            continue;
        root->waiting_ns += stack->frames[0].notes.slice_waiting_ns;
        root->omitted_call_count += stack->frames[0].notes.omitted_call_count;
        root->omitted_ns += stack->frames[0].notes.omitted_ns;
    }
}

static void sum_omitted(const struct path_tree *tree, struct replay_result *result)
{
    for (size_t path = 0; path < tree->count; ++path) {
        result->omitted_call_count += tree->paths[path].omitted_call_count;
        result->omitted_ns += tree->paths[path].omitted_ns;
    }
}

static bool conclude(struct machine *machine, struct replay_result *result)
{
    struct trace *trace = machine->trace;
    const uint64_t wall_ns = end_of_run(machine);
    struct replay_path *root = &machine->tree->paths[REPLAY_ROOT_PATH];
    root->total_ns = root->running_ns = root->last_end_ns = wall_ns;
    sum_grounds(machine, root);
    if (!function_table_build(&trace->function_sums, machine->tree, trace->definitions.function_count))
        return machine_stop_for_memory(machine);
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
        .slice_count = machine->next_id + machine->resume_count,
        .mark_count = machine->mark_count,
        .counter_count = machine->counter_count,
        .waiting_ns = root->waiting_ns,
    };
    sum_omitted(machine->tree, result);
    return true;
}

static void clean_up(struct machine *machine)
{
    for (size_t lane = 0; machine->stacks && lane < machine->stack_count; ++lane)
        if (machine->stacks[lane].frames) /* of lanes without events not even the page is there */
            call_stack_free(&machine->stacks[lane]);
    free(machine->stacks);
    suspended_calls_free(&machine->suspended);
    activations_free(&machine->activations);
    task_index_free(&machine->tasks);
}

static void tell_stop(const struct machine *machine, const struct cptrace_error *merging, struct cptrace_error *error)
{
    if (machine->deep_call_count > OPEN_CALLS_MAX) {
        too_many_open_calls(error);
    } else if (merging->status != CPTRACE_OK) {
        *error = *merging;
    } else if (machine->stopped == -CPTRACE_NO_MEMORY) {
        *error = (struct cptrace_error){.status = CPTRACE_NO_MEMORY};
        snprintf(error->message, sizeof error->message, "no memory to replay the events");
    }
}

int trace_replay(struct trace *trace, const struct replay_visitor *visitors, size_t visitor_count,
                 void (*progress)(void *context, uint64_t events_done, uint64_t events_all), void *progress_context,
                 struct replay_result *result, struct cptrace_error *error)
{
    struct cptrace_error merging = {0};
    struct machine machine = {.trace = trace, .tree = &trace->paths, .visitors = visitors, .visitor_count = visitor_count};
    if (prepare(&machine))
        replay_events(&machine, progress, progress_context, &merging);
    if (!machine.stopped && finish_unfinished(&machine))
        conclude(&machine, result);
    clean_up(&machine);
    if (machine.stopped && error)
        tell_stop(&machine, &merging, error);
    return machine.stopped;
}

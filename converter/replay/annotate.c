#include "replay/annotate.h"

#include <stdlib.h>
#include <string.h>

static uint64_t smaller(uint64_t left, uint64_t right) { return left < right ? left : right; }

/* What the lane's thread did not spend on the CPU since its last cpu annotation, as far as it can be told: only the pause right before this
 * one is the program's own; in shorter ones the recorder took no time. The pauses that are charged never overlap, so no call waits for
 * longer than it runs. */
static bool take_cpu(struct call_stack *stack, const struct cptrace_annotation *annotation, uint64_t before_ns, uint64_t now_ns)
{
    const struct cpu_reading before = stack->cpu;
    stack->cpu = (struct cpu_reading){.at_ns = now_ns, .cpu_ns = annotation->cpu_ns, .known = true};
    if (!before.known || annotation->cpu_ns < before.cpu_ns || stack->count <= 1)
        return true;
    const uint64_t passed_ns = now_ns - before.at_ns, cpu_ns = annotation->cpu_ns - before.cpu_ns;
    const uint64_t off_cpu_ns = passed_ns > cpu_ns ? passed_ns - cpu_ns : 0;
    const uint64_t waited_ns = smaller(off_cpu_ns, now_ns - before_ns);
    if (waited_ns == 0)
        return true;
    struct frame_notes *const notes = frame_note(call_stack_top(stack));
    notes->self_waiting_ns += waited_ns;
    notes->slice_waiting_ns += waited_ns;
    return true;
}

/* Time of left-out calls is like that of callees: not the call's own. It is never more than the slice has left. A call that is not on top
 * had none since the one above it began; after damage the stack may be lower than the file's. */
static bool take_omitted(struct call_stack *stack, const struct cptrace_annotation *annotation, uint64_t now_ns)
{
    if (annotation->levels >= stack->count)
        return true;
    struct frame *const frame = call_stack_top(stack) - annotation->levels;
    const uint64_t until_ns = annotation->levels ? frame[1].slice_start_ns : now_ns;
    const uint64_t slice_ns = until_ns > frame->slice_start_ns ? until_ns - frame->slice_start_ns : 0;
    const uint64_t own_ns = slice_ns > frame->child_ns ? slice_ns - frame->child_ns : 0;
    const uint64_t omitted_ns = smaller(annotation->omitted_ticks, own_ns);
    struct frame_notes *const notes = frame_note(frame);
    frame->child_ns += omitted_ns;
    notes->omitted_ns += omitted_ns;
    notes->omitted_call_count += annotation->omitted_count;
    return true;
}

static bool take_arguments(struct machine *machine, struct call_stack *stack, struct cptrace_string text)
{
    struct frame *const top = call_stack_top(stack);
    if (top->ghost)
        return true;
    char *const copy = malloc(text.length ? text.length : 1);
    if (!copy)
        return machine_stop_for_memory(machine);
    if (text.length)
        memcpy(copy, text.bytes, text.length);
    struct frame_notes *const notes = frame_note(top);
    free(notes->arguments);
    notes->arguments = copy;
    notes->argument_bytes = text.length;
    return true;
}

static bool tell_mark(struct machine *machine, uint32_t lane, struct cptrace_string text, uint64_t now_ns)
{
    const struct frame *const top = call_stack_top(&machine->stacks[lane]);
    const struct replay_mark mark = {.lane = lane, .time_ns = now_ns, .call_id = top->id, .function = top->function, .text = text};
    ++machine->mark_count;
    for (size_t i = 0; i < machine->visitor_count && !machine->stopped; ++i) {
        if (machine->visitors[i].mark)
            machine->stopped = machine->visitors[i].mark(machine->visitors[i].context, &mark);
    }
    return !machine->stopped;
}

static bool tell_counter(struct machine *machine, uint32_t lane, const struct cptrace_annotation *annotation, uint64_t now_ns)
{
    const struct frame *const top = call_stack_top(&machine->stacks[lane]);
    const struct replay_counter counter = {
        .lane = lane,
        .time_ns = now_ns,
        .call_id = top->id,
        .function = top->function,
        .name = annotation->text,
        .value = annotation->value,
    };
    ++machine->counter_count;
    for (size_t i = 0; i < machine->visitor_count && !machine->stopped; ++i) {
        if (machine->visitors[i].counter)
            machine->stopped = machine->visitors[i].counter(machine->visitors[i].context, &counter);
    }
    return !machine->stopped;
}

bool annotate(struct machine *machine, uint32_t lane, uint8_t kind, const struct cptrace_annotation *annotation, uint64_t before_ns,
              uint64_t now_ns)
{
    struct call_stack *const stack = &machine->stacks[lane];
    switch (kind) {
    case CPTRACE_ANNOTATION_CPU:
        return take_cpu(stack, annotation, before_ns, now_ns);
    case CPTRACE_ANNOTATION_OMITTED:
    case CPTRACE_ANNOTATION_OMITTED_OUTER:
        return take_omitted(stack, annotation, now_ns);
    case CPTRACE_ANNOTATION_ARGUMENTS:
        return take_arguments(machine, stack, annotation->text);
    case CPTRACE_ANNOTATION_MARK:
        return tell_mark(machine, lane, annotation->text, now_ns);
    case CPTRACE_ANNOTATION_COUNTER:
        return tell_counter(machine, lane, annotation, now_ns);
    default:
        return true;
    }
}

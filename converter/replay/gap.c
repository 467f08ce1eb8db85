#include "replay/gap.h"

static uint64_t earlier(uint64_t left, uint64_t right) { return left < right ? left : right; }

static uint64_t later(uint64_t left, uint64_t right) { return left > right ? left : right; }

/* A gap swallowed how the top call ended. A generator may only have been suspended: it waits, in case it is resumed. */
static bool lose_top(struct machine *machine, uint32_t lane, uint64_t now_ns)
{
    const struct frame *top = call_stack_top(&machine->stacks[lane]);
    const bool may_go_on = top->activation != CPTRACE_NO_NUMBER;
    return may_go_on ? machine_suspend_top(machine, lane, now_ns, true) : machine_end_top(machine, lane, now_ns, REPLAY_UNFINISHED);
}

static bool is_same_call(const struct frame *frame, const struct cptrace_open_call *open)
{
    if (frame->activation != open->activation)
        return false;
    return open->activation != CPTRACE_NO_NUMBER || (frame->function == open->function && frame->start_ns == open->start_tick);
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high) { return value < low ? low : value > high ? high : value; }

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
    bool known = false;
    if (open->activation == CPTRACE_NO_NUMBER) {
        if (!machine_begin_call(machine, lane, open->function, CPTRACE_NO_NUMBER, start_ns, now_ns))
            return false;
    } else if (!machine_reopen(machine, lane, open->activation, now_ns, &known) ||
               (!known && !machine_begin_activation(machine, lane, open->function, open->activation, start_ns, now_ns))) {
        return false;
    }
    if (!known)
        machine_mark_partial(machine, lane);
    return true;
}

/* When an activation that went on inside the gap can have done so at the earliest: another lane may have had it until then. */
static uint64_t free_since(const struct machine *machine, uint32_t activation)
{
    const struct activation_place *place = activations_find(&machine->activations, activation);
    if (!place)
        return 0;
    return place->lane == ACTIVATION_SUSPENDED ? machine->suspended.frames[place->index].slice_start_ns
                                               : machine->stacks[place->lane].now_ns;
}

bool gap_reconcile(struct machine *machine, uint32_t lane, const struct cptrace_events *block)
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

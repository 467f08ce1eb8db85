#include "event_choice.h"

#include <stdlib.h>

/* The calls on a block's stack, each as its function. */
struct function_stack {
    uint32_t *functions;
    size_t depth;
};

/* Of all activations that the block tells of, sorted. */
struct known_activation {
    uint32_t activation, function;
};

static int compare_activations(const void *left, const void *right)
{
    const uint32_t a = ((const struct known_activation *)left)->activation, b = ((const struct known_activation *)right)->activation;
    return a < b ? -1 : a > b;
}

static size_t list_activations(const struct cptrace_events *events, struct known_activation *known)
{
    size_t count = 0;
    for (size_t i = 0; i < events->open_count; ++i)
        if (events->open[i].activation != CPTRACE_NO_NUMBER)
            known[count++] = (struct known_activation){events->open[i].activation, events->open[i].function};
    for (size_t i = 0; i < events->start_count; ++i)
        known[count++] = (struct known_activation){events->starts[i].activation, events->starts[i].function};
    qsort(known, count, sizeof *known, compare_activations);
    return count;
}

static uint32_t function_of(const struct known_activation *known, size_t count, uint32_t activation)
{
    const struct known_activation key = {.activation = activation};
    const struct known_activation *const found = bsearch(&key, known, count, sizeof key, compare_activations);
    return found ? found->function : CPTRACE_NO_NUMBER;
}

static uint32_t push(struct function_stack *stack, uint32_t function) { return stack->functions[stack->depth++] = function; }

/* Decoding has checked that nothing is taken from an empty stack. */
static uint32_t below_top(const struct function_stack *stack, uint32_t levels)
{
    return levels < stack->depth ? stack->functions[stack->depth - 1 - levels] : CPTRACE_NO_NUMBER;
}

static void follow(const struct cptrace_events *events, const struct known_activation *known, size_t known_count,
                   struct function_stack *stack, uint32_t *functions)
{
    for (size_t i = 0; i < events->open_count; ++i)
        push(stack, events->open[i].function);
    for (size_t i = 0; i < events->event_count; ++i) {
        const struct cptrace_event *const event = &events->events[i];
        switch (event->op) {
        case CPTRACE_OP_CALL:
            functions[i] = push(stack, event->value);
            break;
        case CPTRACE_OP_START:
        case CPTRACE_OP_RESUME:
        case CPTRACE_OP_REOPEN:
            functions[i] = push(stack, function_of(known, known_count, event->value));
            break;
        case CPTRACE_OP_RETURN:
        case CPTRACE_OP_UNWIND:
        case CPTRACE_OP_SUSPEND:
            functions[i] = stack->functions[--stack->depth];
            break;
        case CPTRACE_ANNOTATION_OMITTED_OUTER:
            functions[i] = below_top(stack, events->annotations[event->value].levels);
            break;
        default:
            functions[i] = below_top(stack, 0);
        }
    }
}

static bool reserve(struct event_choice *choice, size_t event_count)
{
    if (event_count <= choice->function_capacity)
        return true;
    free(choice->functions);
    choice->functions = malloc(event_count * sizeof *choice->functions);
    choice->function_capacity = choice->functions ? event_count : 0;
    return choice->functions != NULL;
}

bool event_choice_begin(struct event_choice *choice, const struct cptrace_events *events)
{
    choice->events = events;
    if (!choice->filter->functions)
        return true;
    struct function_stack stack = {.functions = malloc((events->open_count + events->event_count + 1) * sizeof *stack.functions)};
    struct known_activation *const known = malloc((events->open_count + events->start_count + 1) * sizeof *known);
    const bool ready = stack.functions && known && reserve(choice, events->event_count);
    if (ready)
        follow(events, known, list_activations(events, known), &stack, choice->functions);
    free(stack.functions);
    free(known);
    return ready;
}

void event_choice_free(struct event_choice *choice)
{
    free(choice->functions);
    *choice = (struct event_choice){0};
}

static bool has_function(const struct event_choice *choice, uint32_t function)
{
    const size_t function_count = trace_facts(choice->trace)->definitions->function_count;
    return call_filter_has_function(choice->filter, function < function_count ? function : CPTRACE_NO_NUMBER);
}

bool event_choice_has_open(const struct event_choice *choice, const struct cptrace_open_call *call)
{
    return has_function(choice, call->function);
}

bool event_choice_has(const struct event_choice *choice, size_t event)
{
    return call_filter_has_moment(choice->filter, trace_run_ns(choice->trace, choice->events->events[event].tick)) &&
           (!choice->filter->functions || has_function(choice, choice->functions[event]));
}

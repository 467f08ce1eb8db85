/* Which records of a block of events the user asks for: those of the range, of calls of the functions. */
#ifndef CPTRACE_TOOL_EVENT_CHOICE_H
#define CPTRACE_TOOL_EVENT_CHOICE_H

#include "call_filter.h"

struct event_choice {
    const struct trace *trace; /* its clock */
    const struct call_filter *filter;
    const struct cptrace_events *events; /* of the block */
    uint32_t *functions; /* by event: of the call that it is about, or CPTRACE_NO_NUMBER. Unset when all functions are asked for */
    size_t function_capacity;
};

/* Before the records of a block are asked for. False: no memory. */
bool event_choice_begin(struct event_choice *choice, const struct cptrace_events *events);
void event_choice_free(struct event_choice *choice);

/* What was open before the block tells what its events are in: also when the range is later. */
bool event_choice_has_open(const struct event_choice *choice, const struct cptrace_open_call *call);
bool event_choice_has(const struct event_choice *choice, size_t event);

#endif

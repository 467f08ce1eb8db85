/* What of a trace the user asks for: a stretch of time, lanes, functions. */
#ifndef CPTRACE_TOOL_CALL_FILTER_H
#define CPTRACE_TOOL_CALL_FILTER_H

#include "cli/exit_code.h"
#include "replay/replay.h"
#include "time_range.h"

/* As on the command line; NULL: not given. */
struct call_filter_request {
    struct time_range range;
    const char *lane, *function;
};

struct call_filter {
    struct time_range range;
    bool *lanes, *functions; /* by number; NULL: all */
};

static inline bool call_filter_wanted(const struct call_filter_request *request)
{
    return request->range.begin_ns > 0 || request->range.end_ns < UINT64_MAX || request->lane || request->function;
}

/* The user has been told when a name or number is not there. Free it in any case. */
enum exit_code call_filter_resolve(struct call_filter *filter, const struct call_filter_request *request, const char *path,
                                   const struct cptrace_definitions *definitions);
void call_filter_free(struct call_filter *filter);

static inline struct trace_selection call_filter_selection(const struct call_filter *filter)
{
    return (struct trace_selection){filter->range.begin_ns, filter->range.end_ns, filter->lanes, filter->functions};
}

static inline bool call_filter_has_function(const struct call_filter *filter, uint32_t function)
{
    return !filter->functions || (function != CPTRACE_NO_NUMBER && filter->functions[function]);
}

static inline bool call_filter_has_moment(const struct call_filter *filter, uint64_t time_ns)
{
    return filter->range.begin_ns <= time_ns && time_ns <= filter->range.end_ns;
}

#endif

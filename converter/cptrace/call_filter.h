/* What of a trace the user asks for: a stretch of time, lanes, functions. */
#ifndef CPTRACE_TOOL_CALL_FILTER_H
#define CPTRACE_TOOL_CALL_FILTER_H

#include "cli/exit_code.h"
#include "cli/option_table.h"
#include "replay/replay.h"
#include "time_range.h"

/* The options of a command that can read a part of a trace. */
enum { CALL_FILTER_RANGE = 100, CALL_FILTER_LANE, CALL_FILTER_FUNCTION, CALL_FILTER_VERBOSE };
#define CALL_FILTER_ROWS                                                                                                                   \
    {CALL_FILTER_RANGE, 'r', "range", "FROM..TO", "only what ran between these times of the run"},                                         \
        {CALL_FILTER_LANE, 'l', "lane", "N|NAME", "only this lane, or all lanes of this name"},                                            \
        {CALL_FILTER_FUNCTION, 'f', "function", "NAME", "only calls of functions of this name: f, C.f, module.C.f"},                       \
    {                                                                                                                                      \
        CALL_FILTER_VERBOSE, 'v', "verbose", NULL, "say how much was read"                                                                 \
    }

/* As on the command line; NULL: not given. */
struct call_filter_request {
    struct time_range range;
    const char *lane, *function;
};
#define CALL_FILTER_ALL                                                                                                                    \
    {                                                                                                                                      \
        .range = { 0, UINT64_MAX }                                                                                                         \
    }

struct call_filter {
    struct time_range range;
    bool *lanes, *functions; /* by number; NULL: all */
};

static inline bool call_filter_wanted(const struct call_filter_request *request)
{
    return request->range.begin_ns > 0 || request->range.end_ns < UINT64_MAX || request->lane || request->function;
}

/* Takes one of the options above. False: wrong usage (told), or another option. */
bool call_filter_take(struct call_filter_request *request, int option, const char *value);

/* Opens a trace for what is asked for: with trace_select when it is a part. On failure the user has been told, and nothing is left to free.
 */
enum exit_code call_filter_open(const char *path, const struct call_filter_request *request, struct trace **trace,
                                struct call_filter *filter);
/* For --verbose, when something was read. */
void call_filter_tell_reading(const char *path, const struct trace *trace, enum exit_code code);

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

#include "replay/recorder_cost.h"

#include <string.h>

#define COST_MAX_NS 1e9 /* more is nonsense */

/* A decimal such as 48.3, whatever the locale; 0 for anything else. */
static double decimal(struct cptrace_string text)
{
    double value = 0, unit = 1;
    bool behind_point = false;
    for (uint32_t i = 0; i < text.length; ++i) {
        const char c = text.bytes[i];
        if (c == '.' && !behind_point) {
            behind_point = true;
            continue;
        }
        if (c < '0' || c > '9')
            return 0;
        value = value * 10 + (c - '0');
        unit *= behind_point ? 10 : 1;
    }
    value /= unit;
    return value < COST_MAX_NS ? value : 0;
}

static double cost_of(const struct trace_facts *facts, const char *key)
{
    const size_t length = strlen(key);
    for (size_t i = 0; i < facts->end_info_count; ++i) {
        const struct cptrace_info_pair *pair = &facts->end_info[i];
        if (pair->key.length == length && memcmp(pair->key.bytes, key, length) == 0)
            return decimal(pair->value);
    }
    return 0;
}

/* Calls by kind; those left out were seen too, and are taken for Python functions. Spans are the program's own doing. */
bool recorder_cost_estimate(const struct trace_facts *facts, const struct replay_result *result, struct recorder_cost *cost)
{
    *cost = (struct recorder_cost){
        .python_call_ns = cost_of(facts, "cost_ns:python_call"),
        .c_call_ns = cost_of(facts, "cost_ns:c_call"),
        .resume_ns = cost_of(facts, "cost_ns:resume"),
    };
    uint64_t python_calls = result->omitted_call_count, c_calls = 0;
    for (size_t i = 0; i < result->function_count; ++i) {
        const uint8_t flags = facts->definitions->functions[i].flags;
        if (flags & CPTRACE_FUNCTION_C)
            c_calls += result->functions[i].call_count;
        else if (!(flags & CPTRACE_FUNCTION_SPAN))
            python_calls += result->functions[i].call_count;
    }
    const double resumes = (double)(result->slice_count - result->call_count);
    const double run_ns = (double)python_calls * cost->python_call_ns + (double)c_calls * cost->c_call_ns + resumes * cost->resume_ns;
    cost->run_ns = run_ns < 9e18 ? (uint64_t)run_ns : UINT64_MAX;
    return cost->python_call_ns > 0 || cost->c_call_ns > 0 || cost->resume_ns > 0;
}

unsigned recorder_cost_percent(const struct recorder_cost *cost, uint64_t wall_ns)
{
    const double percent = wall_ns ? 100.0 * (double)cost->run_ns / (double)wall_ns : 0;
    return percent < 100 ? (unsigned)(percent + 0.5) : 100;
}

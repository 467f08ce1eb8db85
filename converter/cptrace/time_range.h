/* A stretch of a run as the user writes it: "1.2s..1.3s", "250ms..", "..5m30s". */
#ifndef CPTRACE_TOOL_TIME_RANGE_H
#define CPTRACE_TOOL_TIME_RANGE_H

#include <stdbool.h>
#include <stdint.h>

struct time_range {
    uint64_t begin_ns, end_ns; /* both included; an open end is UINT64_MAX */
};

/* False when it is no range, or ends before it begins; *range is unchanged then. */
bool time_range_parse(const char *text, struct time_range *range);

#endif

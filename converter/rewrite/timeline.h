/* The time of an output: the ticks of one trace, and what the monotonic clock and UTC were then. Other traces are placed on it by the UTC
 * at which they began; from there on their own monotonic clock counts, so that no step of a system clock changes an order or a duration. */
#ifndef REWRITE_TIMELINE_H
#define REWRITE_TIMELINE_H

#include "replay/replay.h"

struct timeline {
    struct cptrace_calibration *points; /* ticks rise, monotonic_ns do not fall */
    size_t count;                       /* at least 1 */
    uint64_t ns_per_tick_q32;
};

/* From the header and the calibration points of a trace. False: no memory. */
bool timeline_init(struct timeline *timeline, const struct trace *trace);
void timeline_free(struct timeline *timeline);

/* By a monotonic time of the timeline's trace. Ticks rise with it. */
uint64_t timeline_tick(const struct timeline *timeline, uint64_t monotonic_ns);
uint64_t timeline_utc_ns(const struct timeline *timeline, uint64_t monotonic_ns);

/* The point at a monotonic time: one of the trace's, when it has one there. */
struct cptrace_calibration timeline_point(const struct timeline *timeline, uint64_t monotonic_ns);

/* The monotonic time at which UTC was that. Where the clock was set back there are several: then the one nearest to hint_ns, the other
 * trace's own monotonic time. When the two agree within 0.1 ms, they are of one machine, and hint_ns it is. */
uint64_t timeline_place(const struct timeline *timeline, uint64_t utc_ns, uint64_t hint_ns);

#endif

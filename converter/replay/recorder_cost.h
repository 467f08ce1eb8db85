/* What recording cost the program, from what the recorder measured of itself (SPEC.md 4.4, cost_ns). */
#ifndef REPLAY_RECORDER_COST_H
#define REPLAY_RECORDER_COST_H

#include "replay/replay.h"

struct recorder_cost {
    double python_call_ns, c_call_ns, resume_ns; /* 0: not told */
    uint64_t run_ns;                             /* of the whole run */
};

/* false: the trace does not say. */
bool recorder_cost_estimate(const struct trace_facts *facts, const struct replay_result *result, struct recorder_cost *cost);

/* In hundredths of the run's wall time, rounded. */
unsigned recorder_cost_percent(const struct recorder_cost *cost, uint64_t wall_ns);

#endif

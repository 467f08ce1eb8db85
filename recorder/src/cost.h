/* What recording itself costs: measured in the process that is recorded, for the trace to carry. */
#ifndef REC_COST_H
#define REC_COST_H

#include <stddef.h>
#include <stdint.h>

#include "cptrace/writer.h"

#define REC_COST_PAIRS_MAX 3

/* Measures, after a run that took so long that it does not matter (the probe takes some 0.3 ms; where others crowd the processor, up to
 * eight times that), unless that was done within the last ten seconds. Leaves no exception. */
void rec_cost_probe_after(uint64_t run_wall_ns);

/* `cost_ns:<kind>` for the end block; their bytes stay valid until the next probe. 0 while nothing was measured. */
size_t rec_cost_pairs(struct cptrace_pair pairs[REC_COST_PAIRS_MAX]);

#endif

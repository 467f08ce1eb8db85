/* What a run that takes no more events (disk full, max_bytes reached) misses: it is counted, and nothing that a ring keeps is overwritten.
 */
#ifndef REC_LOST_H
#define REC_LOST_H

#include <stdint.h>

#include "lane.h"

/* Asked for room when the run takes no more events: counts what came since it was asked last, and returns the head to write at. */
uint64_t rec_lost_go_round(struct rec_lane *lane);

/* Calls that are not in the file, with those that filters would have left out. */
struct rec_lost_calls {
    uint64_t overwritten;
    uint64_t in_rings_alone; /* still there, for whoever recovers the run */
};

/* With the run's mutex. */
struct rec_lost_calls rec_lost_calls(const struct rec_run *run);

#endif

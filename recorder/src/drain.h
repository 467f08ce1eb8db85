/* From the rings of a run to its file: read, write, release. By the drainer, by threads whose ring is full, and at the end of a run; each
 * with run->mutex held. */
#ifndef REC_DRAIN_H
#define REC_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "cptrace/cptrace.h"

struct rec_run;

/* Encodes, compresses and appends what all rings hold, and empties them; with max_bytes in blocks that end where the file is about to be so
 * large, and nothing after that. now: a point that is not before any of their events. is_last: no
 * ring will be written any more, so that they need no checkpoint. */
void rec_drain(struct rec_run *run, struct cptrace_calibration now, bool is_last);

/* The drainer's: drains when a ring is half full, or the run is about to reach its limit; until then it reads ahead. Returns when to look
 * again, should nobody ask for it before: REC_FOREVER_NS, or in so many nanoseconds. */
uint64_t rec_drain_look(struct rec_run *run);

#endif

/* Merges the lanes of a trace by time: yields runs of events, each of one lane, so that over all runs time does not go back. */
#ifndef REPLAY_LANE_MERGE_H
#define REPLAY_LANE_MERGE_H

#include "replay/block_feed.h"

/* Events of one lane that come before those of any other. */
struct lane_run {
    uint32_t lane;
    const struct cptrace_events *block; /* that the events are from */
    bool block_begins;                  /* true for the first run of its block */
    bool after_skipped;                 /* blocks of the lane before this one are not read: not a gap of the file */
    const struct cptrace_event *begin, *end;
};

struct lane_merge;

/* NULL: no memory. */
struct lane_merge *lane_merge_open(struct trace *trace);

/* OK with *run filled, valid until the next call; END; or a failure. A block that does not decode is skipped; close reports it to the
 * reader as damage. */
enum cptrace_status lane_merge_next(struct lane_merge *merge, struct lane_run *run, struct cptrace_error *error);

/* Whether blocks were skipped so far. */
bool lane_merge_has_failed(const struct lane_merge *merge);

void lane_merge_close(struct lane_merge *merge); /* NULL is fine */

#endif

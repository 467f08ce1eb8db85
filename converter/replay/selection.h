/* The part of a trace that is replayed, when it is not all of it. */
#ifndef REPLAY_SELECTION_H
#define REPLAY_SELECTION_H

#include "replay/trace.h"

void trace_part_free(struct trace_part *part);

#endif

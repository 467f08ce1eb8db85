/* The labels of a run, from what it was told at its start and later. */
#ifndef REPLAY_LABELS_H
#define REPLAY_LABELS_H

#include "replay/replay.h"

/* As trace_facts has them; *labels is the caller's, NULL when there are none. False: no memory. */
bool labels_gather(const struct trace_facts *facts, struct cptrace_info_pair **labels, size_t *count);

#endif

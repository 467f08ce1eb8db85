/* What the annotations of a lane do: charge waiting and omitted time to the calls on its stack, keep arguments, tell marks and counters. */
#ifndef REPLAY_ANNOTATE_H
#define REPLAY_ANNOTATE_H

#include "replay/machine.h"

/* An annotation at now_ns; the lane's event before it was at before_ns. false: the replay is to stop. */
bool annotate(struct machine *machine, uint32_t lane, uint8_t kind, const struct cptrace_annotation *annotation, uint64_t before_ns,
              uint64_t now_ns);

#endif

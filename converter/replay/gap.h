/* What a gap does to the stack of its lane; SPEC.md section 6. */
#ifndef REPLAY_GAP_H
#define REPLAY_GAP_H

#include "replay/machine.h"

/* Makes the stack what the block says was open at its start. Without damage it is so already. Calls that the gap swallowed are unfinished:
 * they end where the first call begins that the gap brought, or with the gap. What began in the gap is known from the block. */
bool gap_reconcile(struct machine *machine, uint32_t lane, const struct cptrace_events *block);

#endif

/* The one background thread of the process that empties rings. Plain C: it never touches Python. It starts when it is first woken, and
 * comes to rings that fill up fast by itself (rec_drain_look). */
#ifndef REC_DRAINER_H
#define REC_DRAINER_H

#include <stdbool.h>
#include <stdint.h>

struct rec_run;

int rec_drainer_start(void);                  /* once per process, and again in a forked child: 0 or an errno value */
int rec_drainer_add(struct rec_run *run);     /* 0 or an errno value */
void rec_drainer_remove(struct rec_run *run); /* the drainer uses it until run->mutex could be had after this */

/* The open run of this serial number, held for the caller (rec_run_free), or NULL. */
struct rec_run *rec_drainer_find(uint64_t serial);

/* Asks for a round. When no thread can be had, the recording threads drain their own rings as they fill. */
void rec_drainer_wake(void);

/* Ends the thread until it is woken again. Before a fork: no lock is then held by a thread that the child does not have, and Python, which
 * counts threads there, has nothing to warn about. */
void rec_drainer_pause(void);
bool rec_drainer_is_awake(void); /* its thread is there: to pause takes as long as it is at a round */
void rec_drainer_forget_after_fork(void);

#endif

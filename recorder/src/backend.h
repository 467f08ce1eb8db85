/* The two ways to hear of calls: sys.monitoring (3.12 and later) and PyEval_SetProfile (before). */
#ifndef REC_BACKEND_H
#define REC_BACKEND_H

#include "thread.h"

extern const char *const rec_backend_name; /* "monitoring" or "setprofile" */

int rec_backend_start(void); /* once per process; -1 with an exception */

/* Events arrive while at least one run holds the back end; those of C calls while at least one holds it that wants them (setprofile: they
 * always arrive). thread: the calling one. -1 with an exception: no events, and nothing to release. */
int rec_backend_hold(struct rec_thread *thread, bool c_calls);
void rec_backend_release(struct rec_thread *thread, bool c_calls);

/* In a forked child, at once: no run of the parent's holds it any more. What the interpreter was told stays, for the runs that go on, until
 * they hold it again, or until rec_backend_end_unless_held says that there are none. */
void rec_backend_forget_holders(void);
void rec_backend_end_unless_held(void);

/* A run goes on, on a thread that it may not have begun on. */
void rec_backend_hear_this_thread(void);

/* A run hands work to other threads. setprofile hears only of threads on which a run began, until this is called. */
void rec_backend_hear_all_threads(void);

/* Why events are missing on this thread although the back end is held, for the trace and one warning; NULL: none are. */
const char *rec_backend_trouble(const struct rec_thread *thread);

#endif

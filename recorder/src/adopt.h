/* Work that belongs to a run because of the context that it runs in: child tasks, to_thread, callbacks. They carry a copy of the context in
 * which the run was started. */
#ifndef REC_ADOPT_H
#define REC_ADOPT_H

#include "thread.h"

/* Open runs that left themselves in a context; 0 spares all looking. */
extern unsigned rec_context_run_count;

/* The context variable whose value is the innermost Run object (or None); set once. */
extern PyObject *rec_run_variable;

/* Switches on the runs of the current context that are not on yet, until the frame that runs now ends or suspends. The innermost lane
 * that is on afterwards, or NULL. */
struct rec_lane *rec_adopt(struct rec_thread *thread);

#endif

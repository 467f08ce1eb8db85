/* Work that belongs to a run because of the context that it runs in: child tasks, to_thread, callbacks. They carry a copy of the context in
 * which the run was started. */
#ifndef REC_ADOPT_H
#define REC_ADOPT_H

#include <stdatomic.h>

#include "thread.h"

struct rec_run;

/* Open runs that left themselves in a context, and threads that runs started and that have not come up yet; 0 spares all looking. */
extern _Atomic unsigned rec_attention_count;

/* The context variable whose value is the innermost Run object (or None); set once. */
extern PyObject *rec_run_variable;

/* Switches on the runs of the current context that are not on yet, and those that started this thread, until the frame that runs now (of
 * this code) ends or suspends. The innermost lane that is on afterwards, or NULL. */
struct rec_lane *rec_adopt(struct rec_thread *thread, PyCodeObject *code);

/* Switches a run on until this frame, of this code, ends or suspends. False: it takes no more lanes. */
bool rec_switch_on_for_frame(struct rec_thread *thread, struct rec_run *run, const void *frame, const PyCodeObject *code);

#endif

/* Driver: runs a coroutine, generator or awaitable for a run, and switches the run on just while it runs. */
#ifndef REC_DRIVER_H
#define REC_DRIVER_H

#include "run_object.h"

PyObject *rec_driver_new(struct rec_run_object *run, PyObject *inner);
int rec_driver_start(void);

#endif

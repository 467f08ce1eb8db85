/* Gate: says whether a call of a decorated function starts a run. What a call costs that is not recorded is mostly this. */
#ifndef REC_GATE_H
#define REC_GATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

int rec_gate_start(PyObject *module); /* adds the type; -1 with an exception */

#endif

/* What the program says itself: marks, counters and spans, from Python. */
#ifndef REC_MOMENTS_H
#define REC_MOMENTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

PyObject *rec_moments_mark(PyObject *module, PyObject *text);
PyObject *rec_moments_counter(PyObject *module, PyObject *arguments);

int rec_moments_start(PyObject *module); /* adds the type span; -1 with an exception */

#endif

/* What the Settings of _settings.py tell of a run that begins: (folder: bytes, name: bytes, info: list of (bytes, bytes), wants: tuple). */
#ifndef REC_SETTINGS_H
#define REC_SETTINGS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "run.h"

struct rec_beginning {
    struct rec_run_options options; /* its strings are owned by facts; its filter is taken over by rec_run_open */
    PyObject *facts;
    struct cptrace_pair *pairs;
};

/* Calls settings.begin(). parent_run: hex, or empty. False with an exception. Free it in any case. */
bool rec_settings_begin(PyObject *settings, const char *parent_run, struct rec_beginning *beginning);
void rec_beginning_free(struct rec_beginning *beginning);

/* A pair of two bytes objects, which keep owning what it points to. False with an exception. */
bool rec_settings_take_pair(struct cptrace_pair *pair, PyObject *key, PyObject *value);

#endif

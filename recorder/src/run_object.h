/* Run: the Python object behind one execution of a profiled function, a context manager. Used by _decorator.py; not public. */
#ifndef REC_RUN_OBJECT_H
#define REC_RUN_OBJECT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "thread.h"

struct rec_run;

enum rec_run_mode {
    REC_RUN_CALL = 0,   /* on from enter to exit */
    REC_RUN_DRIVEN = 1, /* on while a Driver made by drive() runs: coroutines, generators */
    REC_RUN_BLOCK = 2,  /* on from enter to exit, but not while the frame around it is suspended */
};

struct rec_run_object {
    PyObject_HEAD
    PyObject *settings; /* its owner: a Settings of _settings.py */
    enum rec_run_mode mode;
    bool uses_context;             /* sets itself in the context, so that child tasks find it */
    struct rec_run *run;           /* NULL before enter, after exit, and when it could not be opened */
    struct rec_run *past_run;      /* after exit: other threads may look at it still */
    struct rec_run_object *parent; /* the run around it in the context; owned */
    PyObject *home_context;        /* in which it set itself; owned */
    PyObject *token;               /* to reset the variable */
    const void *frame;             /* of a block inside a generator or coroutine: it is on while this frame runs */
    PyObject *path;                /* of the saved trace, or NULL */
    PyObject *labels;              /* dict of str to str; NULL while there are none */
    PyObject *exception;           /* by which the run was left, or NULL */
    PyObject *carried;             /* an exception that came while our code ran, and goes on after it; or NULL */
    uint64_t start_tick, end_tick; /* end: 0 while it goes on */
    char run_id[33];               /* hex; empty before enter */
    bool holds_back_end, wants_c_calls, wants_processes;
    struct rec_run_object *next_open;
};

bool rec_run_object_check(const PyObject *object);
int rec_run_object_start(PyObject *module); /* adds the type; -1 with an exception */

/* Closes every run that is open: the interpreter or the process ends. */
void rec_run_object_close_each(const char *outcome);

/* From Python: close_all(), label(key, value), follow_fork(). */
PyObject *rec_run_object_close_all(PyObject *module, PyObject *unused);
PyObject *rec_run_object_label(PyObject *module, PyObject *arguments);
PyObject *rec_run_object_follow_fork(PyObject *module, PyObject *unused);

#endif

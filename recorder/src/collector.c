#include "collector.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdio.h>

#include "classify.h"
#include "events.h"
#include "lock.h"

#define GENERATION_COUNT 3

static struct rec_function *collections[GENERATION_COUNT]; /* made when the first one is seen */
static PyObject *hook;                                     /* what stands in gc.callbacks */
static unsigned holder_count;

static struct rec_function *collection_function(long generation)
{
    if (generation < 0 || generation >= GENERATION_COUNT)
        generation = GENERATION_COUNT - 1;
    if (!collections[generation]) {
        char name[40];
        snprintf(name, sizeof name, "garbage collection, generation %ld", generation);
        const struct rec_function_names names = {.qualified_name = name, .module = "gc", .path = "", .flags = CPTRACE_FUNCTION_C};
        const struct rec_class class = rec_classify_c("gc");
        struct rec_function *function = rec_function_make(&names, &class);
        if (function)
            function->is_c = false; /* c_calls=False does not leave it out: it is not a call of the program's */
        collections[generation] = function;
    }
    return collections[generation];
}

/* gc.callbacks: called with "start" or "stop", and a dictionary. */
static PyObject *on_collection(PyObject *self, PyObject *arguments)
{
    (void)self;
    struct rec_lane *lane = rec_this_thread.lane;
    const char *phase;
    PyObject *facts;
    if (!lane)
        Py_RETURN_NONE;
    if (!PyArg_ParseTuple(arguments, "sO!", &phase, &PyDict_Type, &facts))
        return NULL;
    PyObject *generation = PyDict_GetItemString(facts, "generation");
    rec_lock();
    struct rec_function *function = collection_function(generation ? PyLong_AsLong(generation) : 0);
    rec_unlock();
    if (function)
        rec_put_all(lane, function, rec_clock_ticks(), strcmp(phase, "start") == 0 ? CPTRACE_RING_CALL : CPTRACE_RING_RETURN);
    PyErr_Clear();
    Py_RETURN_NONE;
}

static PyMethodDef hook_definition = {"callprofiler_collection", on_collection, METH_VARARGS, NULL};

static PyObject *callbacks(void)
{
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *list = gc ? PyObject_GetAttrString(gc, "callbacks") : NULL;
    Py_XDECREF(gc);
    if (list && !PyList_CheckExact(list))
        Py_CLEAR(list);
    return list;
}

void rec_collector_hold(void)
{
    if (holder_count++ > 0)
        return;
    if (!hook)
        hook = PyCFunction_New(&hook_definition, NULL);
    PyObject *list = hook ? callbacks() : NULL;
    if (list && PySequence_Contains(list, hook) == 0) /* in a forked child it is there from before */
        PyList_Append(list, hook);
    Py_XDECREF(list);
    PyErr_Clear();
}

void rec_collector_end_unless_held(void)
{
    if (holder_count > 0)
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *list = callbacks();
    const Py_ssize_t at = list && hook ? PySequence_Index(list, hook) : -1;
    if (at >= 0)
        PyList_SetSlice(list, at, at + 1, NULL);
    Py_XDECREF(list);
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

void rec_collector_release(void)
{
    holder_count--;
    rec_collector_end_unless_held();
}

void rec_collector_forget_holders(void) { holder_count = 0; }

#include "arguments.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* callprofiler._arguments.describe(frame) -> bytes, imported when it is first needed. */
static PyObject *describe(PyObject *frame)
{
    static PyObject *function;
    if (!function) {
        PyObject *module = PyImport_ImportModule("callprofiler._arguments");
        function = module ? PyObject_GetAttrString(module, "describe") : NULL;
        Py_XDECREF(module);
    }
    return function ? PyObject_CallFunctionObjArgs(function, frame, NULL) : NULL;
}

void rec_arguments_put(struct rec_thread *thread, const struct rec_function *function, uint64_t tick)
{
    if (thread->locals_are_written_back)
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    rec_thread_mute(thread);
    PyObject *frame = (PyObject *)PyEval_GetFrame();
    PyObject *text = frame ? describe(frame) : NULL;
    rec_thread_unmute(thread);
    if (text && PyBytes_CheckExact(text) && PyBytes_GET_SIZE(text) > 0)
        for (struct rec_lane *lane = thread->lane; lane; lane = lane->outer)
            if (rec_lane_treatment(lane, function) == REC_WITH_ARGUMENTS)
                rec_lane_put_bytes(lane, tick, CPTRACE_RING_ARGUMENTS, PyBytes_AS_STRING(text), (uint64_t)PyBytes_GET_SIZE(text));
    Py_XDECREF(text);
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_KeyboardInterrupt))
        PyErr_SetInterrupt(); /* Ctrl-C is the program's: it comes again, a moment later */
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

/* callprofiler._recorder: the extension module. What Python code may use is in callprofiler/__init__.py. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "adopt.h"
#include "backend.h"
#include "callable.h"
#include "classify.h"
#include "clock.h"
#include "drainer.h"
#include "driver.h"
#include "frame.h"
#include "function.h"
#include "gate.h"
#include "lock.h"
#include "moments.h"
#include "run_object.h"
#include "save.h"
#include "thread.h"

static PyObject *configure(PyObject *module, PyObject *arguments)
{
    PyObject *stdlib_roots, *package_roots, *stdlib_names, *own_root;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OOOO:configure", &stdlib_roots, &package_roots, &stdlib_names, &own_root) ||
        rec_classify_configure(stdlib_roots, package_roots, stdlib_names, own_root) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* What the program asks of our own Python code is not in the runs that are on. */
static PyObject *quietly(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    if (PyTuple_GET_SIZE(arguments) < 1) {
        PyErr_SetString(PyExc_TypeError, "quietly(function, ...)");
        return NULL;
    }
    PyObject *rest = PyTuple_GetSlice(arguments, 1, PyTuple_GET_SIZE(arguments));
    if (!rest)
        return NULL;
    rec_thread_mute(&rec_this_thread);
    PyObject *result = PyObject_Call(PyTuple_GET_ITEM(arguments, 0), rest, keywords);
    rec_thread_unmute(&rec_this_thread);
    Py_DECREF(rest);
    return result;
}

/* exec for `callprofiler run`: a call that is ours, so that the script's module is the root of the tree. */
static PyObject *execute(PyObject *module, PyObject *arguments)
{
    PyObject *code, *globals;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O!O!:execute", &PyCode_Type, &code, &PyDict_Type, &globals))
        return NULL;
    return PyEval_EvalCode(code, globals, globals);
}

static PyObject *before_fork(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    if (rec_drainer_is_awake()) { /* to wait for it here, and not with the GIL when the system forks */
        PyThreadState *const state = PyEval_SaveThread();
        rec_drainer_pause();
        PyEval_RestoreThread(state);
    }
    rec_locks_before_fork();
    Py_RETURN_NONE;
}

static PyObject *after_fork_in_parent(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    rec_locks_after_fork();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"configure", configure, METH_VARARGS, "configure(stdlib_roots, package_roots, stdlib_names, own_root): how code is classified."},
    {"quietly", (PyCFunction)(void (*)(void))quietly, METH_VARARGS | METH_KEYWORDS, "quietly(function, ...): calls it, muted."},
    {"execute", execute, METH_VARARGS, "execute(code, globals)"},
    {"close_all", rec_run_object_close_all, METH_NOARGS, "Ends all runs, as the interpreter does when it ends."},
    {"before_fork", before_fork, METH_NOARGS, "For os.register_at_fork."},
    {"after_fork_in_parent", after_fork_in_parent, METH_NOARGS, "For os.register_at_fork."},
    {"follow_fork", rec_run_object_follow_fork, METH_NOARGS, "In a forked child: goes on with the runs that follow processes."},
    {"label", rec_run_object_label, METH_VARARGS,
     "label(key, value): puts a label, both str, on the innermost run that is on in this thread; nothing when there is none."},
    {"mark", rec_moments_mark, METH_O, "mark(text): marks this moment in the traces that are on in this thread."},
    {"counter", rec_moments_counter, METH_VARARGS,
     "counter(name, value): a value at this moment, in the traces that are on in this thread."},
    {NULL, NULL, 0, NULL},
};

static int start(PyObject *module)
{
    rec_clock_choose();
    rec_run_variable = PyContextVar_New("callprofiler_run", NULL);
    if (!rec_run_variable || rec_threads_start() != 0 || rec_word_caches_start() != 0 || rec_drainer_start() != 0 ||
        rec_saves_start() != 0 || rec_function_table_start() < 0 || rec_callable_table_start() < 0 || rec_backend_start() < 0 ||
        rec_driver_start() < 0 || rec_frames_start() < 0 || rec_moments_start(module) < 0 || rec_gate_start(module) < 0)
        return -1;
    if (PyModule_AddStringConstant(module, "backend", rec_backend_name) < 0 ||
        PyModule_AddStringConstant(module, "clock", rec_clock_name()) < 0 || PyModule_AddIntConstant(module, "CALL", REC_RUN_CALL) < 0 ||
        PyModule_AddIntConstant(module, "DRIVEN", REC_RUN_DRIVEN) < 0 || PyModule_AddIntConstant(module, "BLOCK", REC_RUN_BLOCK) < 0)
        return -1;
    return rec_run_object_start(module);
}

/* One copy of all state per process, which is the main interpreter's. A second import there (after somebody emptied sys.modules) gets what
 * the first one had. */
static int start_once(PyObject *module)
{
    static PyObject *names;
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "callprofiler can be used in the main interpreter only");
        return -1;
    }
    if (names)
        return PyDict_Update(PyModule_GetDict(module), names);
    if (start(module) < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ImportError, "callprofiler could not start");
        return -1;
    }
    names = PyDict_Copy(PyModule_GetDict(module));
    return names ? 0 : -1;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, start_once},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_SUPPORTED}, /* so that the refusal is ours, with its reason */
#endif
#if PY_VERSION_HEX >= 0x030d0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};
static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "callprofiler._recorder", .m_methods = methods, .m_slots = slots};

PyMODINIT_FUNC PyInit__recorder(void);
PyMODINIT_FUNC PyInit__recorder(void) { return PyModuleDef_Init(&definition); }

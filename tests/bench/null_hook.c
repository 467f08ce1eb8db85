/* The floor under any recorder: hooks that the interpreter calls for the same events as ours, and that do nothing. What they cost is the
 * interpreter's own cost of telling anybody. Compiled by null_hook.py, for the Python that runs the bench. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <structmember.h>

#if PY_VERSION_HEX >= 0x030c0000

struct hook_object {
    PyObject_HEAD
    vectorcallfunc vectorcall;
};

static PyObject *null_hook(PyObject *self, PyObject *const *args, size_t count, PyObject *keywords)
{
    (void)self, (void)args, (void)count, (void)keywords;
    return Py_None; /* immortal */
}

static PyMemberDef hook_members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(struct hook_object, vectorcall), READONLY, NULL},
                                     {NULL, 0, 0, 0, NULL}};
static PyType_Slot hook_slots[] = {{Py_tp_call, PyVectorcall_Call}, {Py_tp_members, hook_members}, {0, NULL}};
static PyType_Spec hook_spec = {
    .name = "null_hook.Hook",
    .basicsize = sizeof(struct hook_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = hook_slots,
};

static int add_hook(PyObject *module)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&hook_spec);
    struct hook_object *hook = type ? PyObject_New(struct hook_object, type) : NULL;
    if (!hook)
        return -1;
    hook->vectorcall = null_hook;
    return PyModule_AddObject(module, "hook", (PyObject *)hook);
}

static PyMethodDef methods[] = {{NULL, NULL, 0, NULL}};

#else

static int null_hook(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)self, (void)frame, (void)what, (void)argument;
    return 0;
}

static PyObject *start(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    PyEval_SetProfile(null_hook, NULL);
    Py_RETURN_NONE;
}

static PyObject *stop(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    PyEval_SetProfile(NULL, NULL);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"start", start, METH_NOARGS, NULL}, {"stop", stop, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};

static int add_hook(PyObject *module)
{
    (void)module;
    return 0;
}

#endif

static struct PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "null_hook", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_null_hook(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module && add_hook(module) < 0)
        Py_CLEAR(module);
    return module;
}

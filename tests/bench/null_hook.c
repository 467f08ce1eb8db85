/* The floor under any recorder: hooks that the interpreter calls for the same events as ours. The null hook does nothing: what it costs is
 * the interpreter's own cost of telling anybody. The clock hook reads the clock for each event that a recorder must give a time, and no
 * more. Compiled by null_hook.py, for the Python that runs the bench. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <structmember.h>
#include <time.h>

static volatile unsigned long long last_time;

static inline void read_clock(void)
{
#if defined(__x86_64__)
    last_time = __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    unsigned long long count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    last_time = count;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    last_time = (unsigned long long)now.tv_nsec;
#endif
}

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

/* The call of a Python function is told twice, by CALL and by PY_START: one of them has no time. */
static PyObject *clock_hook(PyObject *self, PyObject *const *args, size_t count, PyObject *keywords)
{
    (void)self, (void)keywords;
    if (PyVectorcall_NARGS(count) < 4 || !PyFunction_Check(args[2]))
        read_clock();
    return Py_None;
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

static int add_hook(PyObject *module, PyTypeObject *type, const char *name, vectorcallfunc function)
{
    struct hook_object *hook = PyObject_New(struct hook_object, type);
    if (!hook)
        return -1;
    hook->vectorcall = function;
    return PyModule_AddObject(module, name, (PyObject *)hook);
}

static int add_hooks(PyObject *module)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&hook_spec);
    if (!type)
        return -1;
    return add_hook(module, type, "null", null_hook) < 0 ? -1 : add_hook(module, type, "clock", clock_hook);
}

static PyMethodDef methods[] = {{NULL, NULL, 0, NULL}};

#else

static int null_hook(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)self, (void)frame, (void)what, (void)argument;
    return 0;
}

static int clock_hook(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)self, (void)frame, (void)what, (void)argument;
    read_clock();
    return 0;
}

static PyObject *start(PyObject *module, PyObject *reads_clock)
{
    (void)module;
    PyEval_SetProfile(PyObject_IsTrue(reads_clock) ? clock_hook : null_hook, NULL);
    Py_RETURN_NONE;
}

static PyObject *stop(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    PyEval_SetProfile(NULL, NULL);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"start", start, METH_O, NULL}, {"stop", stop, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};

static int add_hooks(PyObject *module)
{
    (void)module;
    return 0;
}

#endif

static struct PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "null_hook", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_null_hook(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module && add_hooks(module) < 0)
        Py_CLEAR(module);
    return module;
}

/* The floor under any recorder: hooks that the interpreter calls for the same events as ours. The null hook does nothing: what it costs is
 * the interpreter's own cost of telling anybody. The clock hook reads the clock for each event that a recorder must give a time, and no
 * more. The store hook also stores it, with what it is of, in a ring of 2 MiB as ours: without asking anything, and nobody reads it.
 * Compiled by null_hook.py, for the Python that runs the bench. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <structmember.h>
#include <time.h>

static inline unsigned long long read_clock(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    unsigned long long count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_nsec;
#endif
}

static volatile unsigned long long last_time;

#define RING_SLOTS 131072u
static volatile struct slot {
    unsigned long long time;
    const void *what;
} ring[RING_SLOTS];
static unsigned long long stored_count;

static inline void store_event(const void *what)
{
    volatile struct slot *slot = &ring[stored_count++ % RING_SLOTS];
    slot->time = read_clock();
    slot->what = what;
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
static bool has_time(PyObject *const *args, size_t count) { return PyVectorcall_NARGS(count) < 4 || !PyFunction_Check(args[2]); }

static PyObject *clock_hook(PyObject *self, PyObject *const *args, size_t count, PyObject *keywords)
{
    (void)self, (void)keywords;
    if (has_time(args, count))
        last_time = read_clock();
    return Py_None;
}

static PyObject *store_hook(PyObject *self, PyObject *const *args, size_t count, PyObject *keywords)
{
    (void)self, (void)keywords;
    if (has_time(args, count))
        store_event(args[0]);
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
    return add_hook(module, type, "null", null_hook) < 0 || add_hook(module, type, "clock", clock_hook) < 0 ||
                   add_hook(module, type, "store", store_hook) < 0
               ? -1
               : 0;
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
    last_time = read_clock();
    return 0;
}

static int store_hook(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)self, (void)what, (void)argument;
    store_event(frame);
    return 0;
}

/* Its one argument is the name of the hook. */
static PyObject *start(PyObject *module, PyObject *name)
{
    (void)module;
    if (PyUnicode_CompareWithASCIIString(name, "store") == 0)
        PyEval_SetProfile(store_hook, NULL);
    else
        PyEval_SetProfile(PyUnicode_CompareWithASCIIString(name, "clock") == 0 ? clock_hook : null_hook, NULL);
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

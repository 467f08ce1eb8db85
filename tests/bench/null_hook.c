/* The floor under any recorder: hooks that the interpreter calls for the same events as ours. The null hook does nothing: what it costs is
 * the interpreter's own cost of telling anybody. The clock hook reads the clock for each event that a recorder must give a time, and no
 * more. The store hook also stores it, with what it is of, in a ring of 2 MiB as ours: without asking anything, and nobody reads it.
 * The record hook asks what no recorder can leave unasked, in the most direct way: whether the thread is recorded, the number of the
 * function, and whether there is room. It knows of one run, no generators, no names, and its ring goes round unread.
 * Compiled by null_hook.py, for the Python that runs the bench. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <frameobject.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <structmember.h>
#include <time.h>
#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030c0000
#define Py_BUILD_CORE 1 /* for where a frame has its code */
#include <internal/pycore_frame.h>
#undef Py_BUILD_CORE
#endif

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

/* ---- the record hook ---- */

enum event_kind { CALL = 1, RETURN = 2 };

struct record {
    unsigned long long count, limit; /* slots used, and how many may be before room must be made */
};
static struct record only_record;

#if defined(__GLIBC__)
static _Thread_local struct record *this_record __attribute__((tls_model("initial-exec")));
#else
static _Thread_local struct record *this_record; /* NULL: the thread is not recorded */
#endif

static uintptr_t last_number;
static Py_ssize_t extra_index; /* where code objects have their number, 0 until they are given one */

#if PY_VERSION_HEX >= 0x030c0000
#define request_extra_index PyUnstable_Eval_RequestCodeExtraIndex
#define set_extra PyUnstable_Code_SetExtra
#else
#define request_extra_index _PyEval_RequestCodeExtraIndex
#define set_extra _PyCode_SetExtra
#endif

__attribute__((noinline, cold)) static uintptr_t number_code(PyCodeObject *code)
{
    if (set_extra((PyObject *)code, extra_index, (void *)++last_number) < 0)
        PyErr_Clear();
    return last_number;
}

static inline uintptr_t number_of_code(PyCodeObject *code)
{
    const struct {
        Py_ssize_t size;
        uintptr_t numbers[1];
    } *extras = code->co_extra;
    const uintptr_t number = extras && extras->size > extra_index ? extras->numbers[extra_index] : 0;
    return __builtin_expect(number != 0, 1) ? number : number_code(code);
}

#define CACHED_CALLABLES 1024u
static struct cached_callable {
    const void *key;
    uintptr_t number;
} cached_callables[CACHED_CALLABLES];

__attribute__((noinline, cold)) static uintptr_t number_callable(struct cached_callable *cached, const void *key)
{
    *cached = (struct cached_callable){key, ++last_number};
    return last_number;
}

static inline uintptr_t number_of_callable(PyObject *callable)
{
    const void *key = Py_IS_TYPE(callable, &PyCFunction_Type)     ? (const void *)((PyCFunctionObject *)callable)->m_ml
                      : Py_IS_TYPE(callable, &PyMethodDescr_Type) ? (const void *)((PyMethodDescrObject *)callable)->d_method
                                                                  : callable;
    struct cached_callable *cached = &cached_callables[(uintptr_t)key / 16 % CACHED_CALLABLES];
    return __builtin_expect(cached->key == key, 1) ? cached->number : number_callable(cached, key);
}

__attribute__((noinline, cold)) static void make_room(struct record *record) { record->limit = record->count + RING_SLOTS / 2; }

static inline void record_event(struct record *record, uintptr_t number, enum event_kind kind, unsigned long long time)
{
    if (__builtin_expect(record->count >= record->limit, 0))
        make_room(record);
    volatile struct slot *slot = &ring[record->count++ % RING_SLOTS];
    slot->time = time;
    slot->what = (const void *)(number << 8 | kind);
}

/* As ours does, it reads the clock first. */
static inline void record_code(PyCodeObject *code, enum event_kind kind)
{
    struct record *record = this_record;
    if (!record)
        return;
    const unsigned long long time = read_clock();
    record_event(record, number_of_code(code), kind, time);
}

static inline void record_callable(PyObject *callable, enum event_kind kind)
{
    struct record *record = this_record;
    if (!record)
        return;
    const unsigned long long time = read_clock();
    record_event(record, number_of_callable(callable), kind, time);
}

static int start_record(void)
{
    extra_index = request_extra_index(NULL);
    return extra_index < 0 ? -1 : 0;
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

#define RECORD_HOOK(name, record_it)                                                                                                       \
    static PyObject *name(PyObject *self, PyObject *const *args, size_t count, PyObject *keywords)                                         \
    {                                                                                                                                      \
        (void)self, (void)count, (void)keywords;                                                                                           \
        record_it;                                                                                                                         \
        return Py_None;                                                                                                                    \
    }
RECORD_HOOK(record_enter_hook, record_code((PyCodeObject *)args[0], CALL))
RECORD_HOOK(record_leave_hook, record_code((PyCodeObject *)args[0], RETURN))
RECORD_HOOK(record_c_call_hook, if (!Py_IS_TYPE(args[2], &PyFunction_Type)) record_callable(args[2], CALL))
RECORD_HOOK(record_c_end_hook, record_callable(args[2], RETURN))

static PyMemberDef hook_members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(struct hook_object, vectorcall), READONLY, NULL},
                                     {NULL, 0, 0, 0, NULL}};
static PyType_Slot hook_slots[] = {{Py_tp_call, PyVectorcall_Call}, {Py_tp_members, hook_members}, {0, NULL}};
static PyType_Spec hook_spec = {
    .name = "null_hook.Hook",
    .basicsize = sizeof(struct hook_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = hook_slots,
};

static const struct {
    const char *name;
    vectorcallfunc function;
} hooks[] = {
    {"null", null_hook},
    {"clock", clock_hook},
    {"store", store_hook},
    {"record_enter", record_enter_hook},
    {"record_leave", record_leave_hook},
    {"record_c_call", record_c_call_hook},
    {"record_c_end", record_c_end_hook},
};

static int add_hooks(PyObject *module)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&hook_spec);
    for (size_t i = 0; type && i < sizeof hooks / sizeof *hooks; i++) {
        struct hook_object *hook = PyObject_New(struct hook_object, type);
        if (!hook)
            return -1;
        hook->vectorcall = hooks[i].function;
        if (PyModule_AddObject(module, hooks[i].name, (PyObject *)hook) < 0)
            return -1;
    }
    return type ? 0 : -1;
}

/* Whether the calling thread is recorded. */
static PyObject *set_recorded(PyObject *module, PyObject *is_recorded)
{
    (void)module;
    this_record = is_recorded == Py_True ? &only_record : NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"set_recorded", set_recorded, METH_O, NULL}, {NULL, NULL, 0, NULL}};

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

static PyCodeObject *code_of(PyFrameObject *frame)
{
#if PY_VERSION_HEX >= 0x030b0000
    return frame->f_frame->f_code;
#else
    return frame->f_code;
#endif
}

static int record_hook(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)self;
    if (what == PyTrace_CALL)
        record_code(code_of(frame), CALL);
    else if (what == PyTrace_RETURN)
        record_code(code_of(frame), RETURN);
    else if (what == PyTrace_C_CALL)
        record_callable(argument, CALL);
    else
        record_callable(argument, RETURN);
    return 0;
}

static const struct {
    const char *name;
    Py_tracefunc function;
} hooks[] = {{"null", null_hook}, {"clock", clock_hook}, {"store", store_hook}, {"record", record_hook}};

/* Its one argument is the name of the hook. */
static PyObject *start(PyObject *module, PyObject *name)
{
    (void)module;
    this_record = &only_record;
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++)
        if (PyUnicode_CompareWithASCIIString(name, hooks[i].name) == 0)
            PyEval_SetProfile(hooks[i].function, NULL);
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
    if (module && (start_record() < 0 || add_hooks(module) < 0))
        Py_CLEAR(module);
    return module;
}

/* sys.monitoring: callables with a vectorcall of their own, so that an event costs one indirect call. */
#include "backend.h"

#if PY_VERSION_HEX >= 0x030c0000

#include <structmember.h>

#include "events.h"

const char *const rec_backend_name = "monitoring";

/* ---- the hooks: args are (code, offset), then what the event adds ---- */

#define HOOK(name) static PyObject *name(PyObject *self, PyObject *const *args, size_t count, PyObject *keywords)
#define SLOW __attribute__((noinline, cold))

/* Leaves the fast path without having touched the stack: a tail call. */
SLOW static PyObject *enter(struct rec_thread *thread, PyObject *code, enum cptrace_ring_op op)
{
    rec_enter(thread, (PyCodeObject *)code, op);
    return Py_None; /* immortal */
}

SLOW static PyObject *leave(struct rec_thread *thread, PyObject *code, enum cptrace_ring_op op)
{
    if (!rec_leave_fast(thread->enter_lane, (PyCodeObject *)code, op))
        rec_leave(thread, (PyCodeObject *)code, op);
    return Py_None;
}

SLOW static PyObject *c_event(struct rec_thread *thread, PyObject *callable, enum cptrace_ring_op op, PyObject *first_argument)
{
    rec_c_event(thread, callable, op, first_argument);
    return Py_None;
}

HOOK(on_py_start)
{
    (void)self, (void)count, (void)keywords;
    struct rec_thread *thread = &rec_this_thread;
    if (rec_code_event_fast(thread->enter_lane, (PyCodeObject *)args[0], CPTRACE_RING_CALL))
        return Py_None;
    return enter(thread, args[0], CPTRACE_RING_CALL);
}

HOOK(on_py_return)
{
    (void)self, (void)count, (void)keywords;
    struct rec_thread *thread = &rec_this_thread;
    if (rec_code_event_fast(thread->leave_lane, (PyCodeObject *)args[0], CPTRACE_RING_RETURN))
        return Py_None;
    return leave(thread, args[0], CPTRACE_RING_RETURN);
}

HOOK(on_py_resume)
{
    (void)self, (void)count, (void)keywords;
    struct rec_thread *thread = &rec_this_thread;
    if (rec_resume_fast(thread->enter_lane, (PyCodeObject *)args[0]))
        return Py_None;
    return enter(thread, args[0], CPTRACE_RING_RESUME);
}

HOOK(on_py_throw)
{
    (void)self, (void)count, (void)keywords;
    return enter(&rec_this_thread, args[0], CPTRACE_RING_THROW);
}

HOOK(on_py_yield)
{
    (void)self, (void)count, (void)keywords;
    return leave(&rec_this_thread, args[0], CPTRACE_RING_SUSPEND);
}

/* From 3.13 on, an exception that a signal handler raises as a function begins comes before PY_START: at its first RESUME, which has a
 * cache entry behind it from 3.15 on. */
static bool is_before_start(PyCodeObject *code, PyObject *offset)
{
    enum { CODE_UNIT_BYTES = 2, RESUME_UNITS = PY_VERSION_HEX >= 0x030f0000 ? 2 : 1 };
    if (PY_VERSION_HEX < 0x030d0000 || (code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)))
        return false;
    const long unit = PyLong_AsLong(offset) / CODE_UNIT_BYTES - code->_co_firsttraceable;
    return unit >= 0 && unit < RESUME_UNITS;
}

HOOK(on_py_unwind)
{
    (void)self, (void)count, (void)keywords;
    if (is_before_start((PyCodeObject *)args[0], args[1]))
        return Py_None;
    return leave(&rec_this_thread, args[0], CPTRACE_RING_UNWIND);
}

/* Told of every call, of Python functions too. */
HOOK(on_call)
{
    (void)self, (void)count, (void)keywords;
    struct rec_thread *thread = &rec_this_thread;
    if (Py_IS_TYPE(args[2], &PyFunction_Type) || rec_c_call_fast(thread, args[2]))
        return Py_None;
    return c_event(thread, args[2], CPTRACE_RING_CALL, args[3]);
}

HOOK(on_c_return)
{
    (void)self, (void)count, (void)keywords;
    struct rec_thread *thread = &rec_this_thread;
    if (rec_c_return_fast(thread, args[2]))
        return Py_None;
    return c_event(thread, args[2], CPTRACE_RING_RETURN, NULL);
}

HOOK(on_c_raise)
{
    (void)self, (void)count, (void)keywords;
    return c_event(&rec_this_thread, args[2], CPTRACE_RING_UNWIND, NULL);
}

static const struct {
    const char *event;
    vectorcallfunc hook;
    enum { ALWAYS, FOR_C_CALLS, IMPLIED } is_set; /* IMPLIED: by CALL; heard without being set */
} hooks[] = {
    {"PY_START", on_py_start, ALWAYS},   {"PY_RESUME", on_py_resume, ALWAYS}, {"PY_THROW", on_py_throw, ALWAYS},
    {"PY_RETURN", on_py_return, ALWAYS}, {"PY_YIELD", on_py_yield, ALWAYS},   {"PY_UNWIND", on_py_unwind, ALWAYS},
    {"CALL", on_call, FOR_C_CALLS},      {"C_RETURN", on_c_return, IMPLIED},  {"C_RAISE", on_c_raise, IMPLIED},
};
#define HOOK_COUNT (sizeof hooks / sizeof *hooks)

struct hook_object {
    PyObject_HEAD
    vectorcallfunc vectorcall;
};

static PyMemberDef hook_members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(struct hook_object, vectorcall), READONLY, NULL},
                                     {NULL}};
static PyType_Slot hook_slots[] = {{Py_tp_call, PyVectorcall_Call}, {Py_tp_members, hook_members}, {0, NULL}};
static PyType_Spec hook_spec = {
    .name = "callprofiler._recorder.Hook",
    .basicsize = sizeof(struct hook_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = hook_slots,
};

/* ---- the tool ---- */

/* Not 2, which cProfile demands for itself, unless nothing else is free; 0, 1 and 5 belong to debuggers, coverage and optimizers. */
static const int tool_ids[] = {4, 3, 2};

static PyObject *monitoring; /* sys.monitoring */
static long event_bits[HOOK_COUNT];
static PyObject *hook_objects[HOOK_COUNT];
static int tool_id = -1;                      /* ours while held, and in a forked child from before */
static unsigned holder_count, c_holder_count; /* runs that are open; those that want C calls */

static int read_event_bits(void)
{
    PyObject *events = PyObject_GetAttrString(monitoring, "events");
    for (size_t i = 0; events && i < HOOK_COUNT; i++) {
        PyObject *bit = PyObject_GetAttrString(events, hooks[i].event);
        event_bits[i] = bit ? PyLong_AsLong(bit) : -1;
        Py_XDECREF(bit);
        if (event_bits[i] <= 0)
            Py_CLEAR(events);
    }
    Py_XDECREF(events);
    return events ? 0 : -1;
}

static int make_hook_objects(void)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&hook_spec);
    for (size_t i = 0; type && i < HOOK_COUNT; i++) {
        struct hook_object *object = PyObject_New(struct hook_object, type);
        if (!object)
            return -1;
        object->vectorcall = hooks[i].hook;
        hook_objects[i] = (PyObject *)object;
    }
    return type ? 0 : -1;
}

int rec_backend_start(void)
{
    PyObject *module = PySys_GetObject("monitoring"); /* borrowed */
    if (!module) {
        PyErr_SetString(PyExc_RuntimeError, "callprofiler: this interpreter has no sys.monitoring");
        return -1;
    }
    Py_INCREF(module);
    monitoring = module;
    return read_event_bits() < 0 || make_hook_objects() < 0 ? -1 : 0;
}

static int call_monitoring(const char *method, const char *format, ...)
{
    PyObject *function = PyObject_GetAttrString(monitoring, method);
    va_list values;
    va_start(values, format);
    PyObject *arguments = Py_VaBuildValue(format, values);
    va_end(values);
    PyObject *result = function && arguments ? PyObject_CallObject(function, arguments) : NULL;
    Py_XDECREF(function);
    Py_XDECREF(arguments);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int take_tool_id(void)
{
    for (size_t i = 0; i < sizeof tool_ids / sizeof *tool_ids; i++) {
        if (call_monitoring("use_tool_id", "(is)", tool_ids[i], "callprofiler") == 0) {
            tool_id = tool_ids[i];
            return 0;
        }
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) /* ValueError: taken */
            return -1;
        PyErr_Clear();
    }
    PyErr_SetString(PyExc_RuntimeError, "callprofiler: sys.monitoring has no free tool id (2, 3 and 4 are taken)");
    return -1;
}

static int set_events(void)
{
    long events = 0;
    for (size_t i = 0; i < HOOK_COUNT; i++)
        if (hooks[i].is_set == ALWAYS || (hooks[i].is_set == FOR_C_CALLS && c_holder_count > 0))
            events |= event_bits[i];
    return call_monitoring("set_events", "(il)", tool_id, events);
}

static int switch_on(void)
{
    if (tool_id < 0 && take_tool_id() < 0)
        return -1;
    for (size_t i = 0; i < HOOK_COUNT; i++)
        if (call_monitoring("register_callback", "(ilO)", tool_id, event_bits[i], hook_objects[i]) < 0)
            return -1;
    return set_events();
}

static void switch_off(void)
{
    if (call_monitoring("set_events", "(ii)", tool_id, 0) < 0)
        PyErr_Clear();
    if (call_monitoring("free_tool_id", "(i)", tool_id) < 0)
        PyErr_Clear();
    tool_id = -1;
}

void rec_backend_end_unless_held(void)
{
    if (holder_count > 0 || tool_id < 0)
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    switch_off();
    PyErr_Restore(type, value, traceback);
}

int rec_backend_hold(struct rec_thread *thread, bool c_calls)
{
    (void)thread;
    const bool is_first = holder_count++ == 0;
    const bool is_first_for_c = c_calls && c_holder_count++ == 0;
    const int status = is_first ? switch_on() : is_first_for_c ? set_events() : 0;
    if (status < 0) {
        c_holder_count -= c_calls;
        holder_count--;
        rec_backend_end_unless_held();
    }
    return status;
}

void rec_backend_release(struct rec_thread *thread, bool c_calls)
{
    (void)thread;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    const bool is_last_for_c = c_calls && --c_holder_count == 0;
    if (--holder_count > 0 && is_last_for_c && set_events() < 0)
        PyErr_Clear();
    rec_backend_end_unless_held();
    PyErr_Restore(type, value, traceback);
}

void rec_backend_forget_holders(void) { holder_count = c_holder_count = 0; }

/* All threads are heard anyway. */
void rec_backend_hear_this_thread(void) {}
void rec_backend_hear_all_threads(void) {}

const char *rec_backend_trouble(const struct rec_thread *thread)
{
    (void)thread;
    return NULL; /* each tool has its own events */
}

#endif

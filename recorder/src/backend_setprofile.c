/* PyEval_SetProfile, for Python 3.9 to 3.11. A hook that was there before ours goes on being called. */
#include "backend.h"

#if PY_VERSION_HEX < 0x030c0000

#include <frameobject.h>
#include <opcode.h>
#if PY_VERSION_HEX >= 0x030b0000
#define Py_BUILD_CORE 1 /* for where a frame has its code */
#include <internal/pycore_frame.h>
#undef Py_BUILD_CORE
#endif

#include "events.h"
#include "run.h"

const char *const rec_backend_name = "setprofile";

static PyCodeObject *code_of(PyFrameObject *frame)
{
#if PY_VERSION_HEX >= 0x030b0000
    return frame->f_frame->f_code;
#else
    return frame->f_code;
#endif
}

/* The instruction at which a frame stands: opcode and operand; false before its first one. */
static bool instruction_of(PyFrameObject *frame, PyCodeObject *code, unsigned *opcode, unsigned *operand)
{
#if PY_VERSION_HEX >= 0x030b0000
    const int offset = PyFrame_GetLasti(frame);
    if (offset < 0)
        return false;
    const _Py_CODEUNIT unit = _PyCode_CODE(code)[offset / (int)sizeof(_Py_CODEUNIT)];
    *opcode = _Py_OPCODE(unit);
    *operand = _Py_OPARG(unit);
    return true;
#else
    const int offset = PY_VERSION_HEX >= 0x030a0000 ? frame->f_lasti * 2 : frame->f_lasti;
    if (frame->f_lasti < 0)
        return false;
    const unsigned char *bytes = (const unsigned char *)PyBytes_AS_STRING(code->co_code);
    *opcode = bytes[offset];
    *operand = bytes[offset + 1];
    return true;
#endif
}

/* A resumable frame is entered: for the first time, or again? */
static bool is_first_entry(PyFrameObject *frame, PyCodeObject *code)
{
    unsigned opcode, operand;
    if (!instruction_of(frame, code, &opcode, &operand))
        return true;
#if PY_VERSION_HEX >= 0x030b0000
    return opcode == RETURN_GENERATOR || opcode == POP_TOP || (opcode == RESUME && operand == 0)
#ifdef RESUME_QUICK
           || (opcode == RESUME_QUICK && operand == 0)
#endif
        ;
#else
    return false;
#endif
}

static bool leaves_by_yield(PyFrameObject *frame, PyCodeObject *code)
{
    unsigned opcode, operand;
    if (!(code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) || !instruction_of(frame, code, &opcode, &operand))
        return false;
    if (opcode == YIELD_VALUE)
        return true;
#if PY_VERSION_HEX < 0x030b0000
    /* YIELD_FROM steps back by one when it suspends, so that it is executed again. */
    const int next = (PY_VERSION_HEX >= 0x030a0000 ? frame->f_lasti * 2 : frame->f_lasti) + 2;
    return opcode != RETURN_VALUE && next < PyBytes_GET_SIZE(code->co_code) && PyBytes_AS_STRING(code->co_code)[next] == YIELD_FROM;
#else
    return false;
#endif
}

static enum cptrace_ring_op entry_op(PyFrameObject *frame, PyCodeObject *code)
{
    if (!(code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)))
        return CPTRACE_RING_CALL;
    return is_first_entry(frame, code) ? CPTRACE_RING_CALL : CPTRACE_RING_RESUME;
}

static unsigned holder_count; /* runs that are open */

/* What was set before us on a thread: called after us, put back at the end. */
struct previous_hook {
    Py_tracefunc function;
    PyObject *object;
};
static _Thread_local struct previous_hook previous REC_TLS_MODEL;
static _Thread_local bool was_asked REC_TLS_MODEL; /* a run was begun on this thread */

/* PyEval_SetProfile tells audit hooks, which may be Python code, which we hear of: not to be set again from there. */
static _Thread_local bool is_setting REC_TLS_MODEL;

static void set_hook(Py_tracefunc function, PyObject *object)
{
    is_setting = true;
    PyEval_SetProfile(function, object);
    is_setting = false;
}

static void put_back(void)
{
    struct previous_hook before = previous;
    previous = (struct previous_hook){NULL, NULL};
    was_asked = false;
    set_hook(before.function, before.object);
    Py_XDECREF(before.object);
}

#define SLOW __attribute__((noinline, cold))

/* The last run ended on another thread: this one notices it here, since the fast path is closed. */
static bool is_over(void)
{
    if (holder_count > 0)
        return false;
    if (!is_setting)
        put_back();
    return true;
}

SLOW static int enter(PyFrameObject *frame, PyCodeObject *code)
{
    if (is_over())
        return 0;
    rec_enter(&rec_this_thread, code, entry_op(frame, code));
    return 0;
}

/* On 3.11, an exception that a signal handler raises as a function begins comes before the event of its call. */
static bool is_before_start(PyFrameObject *frame, PyCodeObject *code)
{
#if PY_VERSION_HEX >= 0x030b0000
    unsigned opcode, operand;
    return !(code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) && instruction_of(frame, code, &opcode, &operand) &&
           (opcode == RESUME || opcode == RESUME_QUICK) && operand == 0;
#else
    (void)frame, (void)code;
    return false;
#endif
}

SLOW static int leave(PyFrameObject *frame, PyCodeObject *code, PyObject *result)
{
    if (is_over() || (!result && is_before_start(frame, code)))
        return 0;
    rec_leave(&rec_this_thread, code,
              !result                        ? CPTRACE_RING_UNWIND
              : leaves_by_yield(frame, code) ? CPTRACE_RING_SUSPEND
                                             : CPTRACE_RING_RETURN);
    return 0;
}

SLOW static int c_event(PyObject *callable, enum cptrace_ring_op op)
{
    if (is_over())
        return 0;
    rec_c_event(&rec_this_thread, callable, op, NULL);
    return 0;
}

/* An exception that leaves a plain function goes the general way. */
static inline int on_event_inline(PyFrameObject *frame, int what, PyObject *argument)
{
    struct rec_thread *thread = &rec_this_thread;
    if (what == PyTrace_CALL) {
        PyCodeObject *code = code_of(frame);
        return rec_code_event_fast(thread->enter_lane, code, CPTRACE_RING_CALL) ? 0 : enter(frame, code);
    }
    if (what == PyTrace_RETURN) {
        PyCodeObject *code = code_of(frame);
        return argument && rec_code_event_fast(thread->leave_lane, code, CPTRACE_RING_RETURN) ? 0 : leave(frame, code, argument);
    }
    if (what == PyTrace_C_CALL)
        return rec_c_call_fast(thread, argument) ? 0 : c_event(argument, CPTRACE_RING_CALL);
    if (what == PyTrace_C_RETURN)
        return rec_c_return_fast(thread, argument) ? 0 : c_event(argument, CPTRACE_RING_RETURN);
    return what == PyTrace_C_EXCEPTION ? c_event(argument, CPTRACE_RING_UNWIND) : 0;
}

static int on_event(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)self;
    return on_event_inline(frame, what, argument);
}

/* On threads on which another profiler was before us. */
static int on_event_chained(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)self;
    on_event_inline(frame, what, argument);
    return previous.function ? previous.function(previous.object, frame, what, argument) : 0;
}

static bool is_ours(Py_tracefunc function) { return function == on_event || function == on_event_chained; }

/* ---- this thread ---- */

static const char lost_hook[] = "another profiler took the interpreter's profile hook during the run; calls after that are missing";

void rec_backend_hear_this_thread(void)
{
    PyThreadState *state = PyThreadState_Get();
    if (!is_ours(state->c_profilefunc) && !is_setting) {
        previous = (struct previous_hook){state->c_profilefunc, state->c_profileobj};
        Py_XINCREF(previous.object);
        set_hook(previous.function ? on_event_chained : on_event, NULL);
    }
}

static void tell_trouble(struct rec_lane *lane)
{
    for (; lane; lane = lane->outer)
        lane->run->trouble = lost_hook;
}

int rec_backend_hold(struct rec_thread *thread, bool c_calls)
{
    (void)c_calls;
    holder_count++;
    if (was_asked && !is_ours(PyThreadState_Get()->c_profilefunc)) { /* it comes back now, but runs that are on have missed something */
        tell_trouble(thread->lane);
        tell_trouble(thread->muted);
    }
    was_asked = true;
    rec_backend_hear_this_thread();
    return 0;
}

const char *rec_backend_trouble(const struct rec_thread *thread)
{
    (void)thread;
    if (!was_asked || is_ours(PyThreadState_Get()->c_profilefunc))
        return NULL;
    return lost_hook;
}

/* ---- other threads: those that are there, and those to come ---- */

static void hear_of(PyThreadState *state)
{
    if (state->c_profilefunc)
        return; /* ours, or a profiler's of that thread */
    state->c_profilefunc = on_event;
    state->c_profileobj = NULL;
#if PY_VERSION_HEX >= 0x030b0000
    if (state->tracing == 0)
        state->cframe->use_tracing = 255;
#elif PY_VERSION_HEX >= 0x030a0000
    state->cframe->use_tracing = 1;
#else
    state->use_tracing = 1;
#endif
}

/* What threading gives to sys.setprofile in a new thread: at the first event (which can be the call of run) it makes room for the real
 * hook. */
static PyObject *begin_thread(PyObject *self, PyObject *arguments)
{
    PyFrameObject *frame;
    const char *event;
    PyObject *argument;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "O!sO", &PyFrame_Type, &frame, &event, &argument))
        return NULL;
    set_hook(holder_count > 0 ? on_event : NULL, NULL);
    rec_this_thread.locals_are_written_back = true; /* since this is a Python function to it */
    if (holder_count > 0 && strcmp(event, "call") == 0)
        on_event(NULL, frame, PyTrace_CALL, argument);
    rec_this_thread.locals_are_written_back = false;
    Py_RETURN_NONE;
}

static PyMethodDef begin_thread_definition = {"callprofiler_thread", begin_thread, METH_VARARGS, NULL};
static PyObject *thread_hook; /* begin_thread, as an object */

static PyObject *threading_names(void)
{
    PyObject *threading = PyDict_GetItemString(PyImport_GetModuleDict(), "threading"); /* borrowed */
    return threading && PyModule_CheckExact(threading) ? PyModule_GetDict(threading) : NULL;
}

static void replace_thread_hook(PyObject *expected, PyObject *hook)
{
    PyObject *names = threading_names();
    if (names && hook && PyDict_GetItemString(names, "_profile_hook") == expected)
        PyDict_SetItemString(names, "_profile_hook", hook);
    PyErr_Clear();
}

void rec_backend_hear_all_threads(void)
{
    for (PyThreadState *state = PyInterpreterState_ThreadHead(PyInterpreterState_Get()); state; state = PyThreadState_Next(state))
        hear_of(state);
    replace_thread_hook(Py_None, thread_hook);
}

void rec_backend_end_unless_held(void)
{
    if (holder_count > 0)
        return; /* threads whose hook is not needed any more notice it at their next event */
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    replace_thread_hook(thread_hook, Py_None);
    if (is_ours(PyThreadState_Get()->c_profilefunc))
        put_back();
    was_asked = false;
    PyErr_Restore(type, value, traceback);
}

void rec_backend_release(struct rec_thread *thread, bool c_calls)
{
    (void)thread, (void)c_calls;
    holder_count--;
    rec_backend_end_unless_held();
}

void rec_backend_forget_holders(void) { holder_count = 0; }

int rec_backend_start(void)
{
    thread_hook = PyCFunction_New(&begin_thread_definition, NULL);
    return thread_hook ? 0 : -1;
}

#endif

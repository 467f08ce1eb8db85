/* PyEval_SetProfile, for Python 3.9 to 3.11. A hook that was there before ours goes on being called. */
#include "backend.h"

#if PY_VERSION_HEX < 0x030c0000

#include <frameobject.h>
#include <opcode.h>

#include "events.h"

const char *const rec_backend_name = "setprofile";

static PyCodeObject *code_of(PyFrameObject *frame)
{
#if PY_VERSION_HEX >= 0x030b0000
    PyCodeObject *code = PyFrame_GetCode(frame);
    Py_DECREF(code); /* the frame keeps it */
    return code;
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

/* What was set before us on a thread: called after us, put back at the end. */
struct previous_hook {
    Py_tracefunc function;
    PyObject *object;
};
static _Thread_local struct previous_hook previous REC_TLS_MODEL;

static int on_event(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)self;
    struct rec_thread *thread = &rec_this_thread;
    switch (what) {
    case PyTrace_CALL: {
        PyCodeObject *code = code_of(frame);
        rec_enter(thread, code, entry_op(frame, code));
        break;
    }
    case PyTrace_RETURN: {
        PyCodeObject *code = code_of(frame);
        rec_leave(thread, code,
                  !argument                      ? CPTRACE_RING_UNWIND
                  : leaves_by_yield(frame, code) ? CPTRACE_RING_SUSPEND
                                                 : CPTRACE_RING_RETURN);
        break;
    }
    case PyTrace_C_CALL:
        rec_c_event(thread, argument, CPTRACE_RING_CALL);
        break;
    case PyTrace_C_RETURN:
        rec_c_event(thread, argument, CPTRACE_RING_RETURN);
        break;
    case PyTrace_C_EXCEPTION:
        rec_c_event(thread, argument, CPTRACE_RING_UNWIND);
        break;
    default:
        break;
    }
    return previous.function ? previous.function(previous.object, frame, what, argument) : 0;
}

int rec_backend_start(void) { return 0; }

int rec_backend_hold(struct rec_thread *thread)
{
    PyThreadState *state = PyThreadState_Get();
    if (thread->hook_count++ == 0 || state->c_profilefunc != on_event) {
        if (state->c_profilefunc != on_event) {
            previous = (struct previous_hook){state->c_profilefunc, state->c_profileobj};
            Py_XINCREF(previous.object);
        }
        PyEval_SetProfile(on_event, NULL);
    }
    return 0;
}

void rec_backend_release(struct rec_thread *thread)
{
    if (thread->hook_count == 0 || --thread->hook_count > 0)
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (PyThreadState_Get()->c_profilefunc == on_event)
        PyEval_SetProfile(previous.function, previous.object);
    Py_CLEAR(previous.object);
    previous.function = NULL;
    PyErr_Restore(type, value, traceback);
}

const char *rec_backend_trouble(const struct rec_thread *thread)
{
    if (thread->hook_count == 0 || PyThreadState_Get()->c_profilefunc == on_event)
        return NULL;
    return "another profiler took the interpreter's profile hook during the run; calls after that are missing";
}

#endif

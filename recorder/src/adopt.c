#include "adopt.h"

#include "frame.h"
#include "landmark.h"
#include "run.h"
#include "run_object.h"

_Atomic unsigned rec_attention_count;
PyObject *rec_run_variable;

/* The run is its home context's own business (its frames switch it on and off), except for a block whose frame goes on, or what that waits
 * for: an exception that is thrown in goes to the innermost coroutine first. */
static bool belongs_here(const struct rec_run_object *object, const PyThreadState *state)
{
    return object->home_context != state->context || (object->frame && rec_frame_is_on_stack(object->frame));
}

bool rec_switch_on_for_frame(struct rec_thread *thread, struct rec_run *run, const void *frame, const PyCodeObject *code)
{
    struct rec_lane *lane = rec_run_lane(run, thread);
    if (lane)
        rec_thread_switch_on(thread, lane, frame, code);
    return lane != NULL;
}

static struct rec_run_object *run_of_context(void)
{
    PyObject *value = NULL;
    if (!rec_run_variable || PyContextVar_Get(rec_run_variable, NULL, &value) < 0) {
        PyErr_Clear();
        return NULL;
    }
    Py_XDECREF(value); /* the context keeps it alive while we look */
    return value && rec_run_object_check(value) ? (struct rec_run_object *)value : NULL;
}

static struct rec_run_object *outermost_that_is_off(const struct rec_thread *thread, struct rec_run_object *innermost,
                                                    const PyThreadState *state, bool *has_open_run)
{
    struct rec_run_object *found = NULL;
    for (struct rec_run_object *at = innermost; at; at = at->parent) {
        if (!at->run || !at->run->is_open)
            continue;
        *has_open_run = true;
        if (belongs_here(at, state) && !rec_thread_is_recording(thread, at->run))
            found = at;
    }
    return found;
}

struct rec_lane *rec_adopt(struct rec_thread *thread, PyCodeObject *code)
{
#if PY_VERSION_HEX >= 0x030d0000
    PyThreadState *state = PyThreadState_GetUnchecked();
#else
    PyThreadState *state = _PyThreadState_UncheckedGet();
#endif
    if (thread->mute_count > 0)
        return NULL;
    if (rec_pending_thread_count && !thread->lane)
        rec_landmark_thread_comes_up(thread, code);
    if (state->context == thread->context && state->context_ver == thread->context_version)
        return thread->lane; /* looked at before: nothing here */
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    struct rec_run_object *innermost = run_of_context();
    PyErr_Restore(type, error, traceback);
    const void *frame = rec_frame_current();
    bool has_open_run = false;
    for (struct rec_run_object *found; (found = outermost_that_is_off(thread, innermost, state, &has_open_run));)
        if (!rec_switch_on_for_frame(thread, found->run, frame, code))
            break;
    if (!has_open_run) {
        thread->context = state->context;
        thread->context_version = state->context_ver;
    }
    return thread->lane;
}

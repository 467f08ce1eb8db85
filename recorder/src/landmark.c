#include "landmark.h"

#include <stdlib.h>
#include <string.h>

#include "adopt.h"
#include "backend.h"
#include "drainer.h"
#include "frame.h"
#include "lock.h"
#include "run.h"
#include "run_object.h"

static bool is(const char *a, const char *b) { return strcmp(a, b) == 0; }

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && is(text + length - end_length, end);
}

enum rec_landmark rec_landmark_of(const struct rec_function_names *names)
{
    const char *name = names->qualified_name;
    if (is(names->module, "_thread") && (is(name, "start_new_thread") || is(name, "start_joinable_thread") || is(name, "start_new")))
        return REC_LANDMARK_THREAD_START;
    if ((is(names->module, "posix") || is(names->module, "nt")) && is(name, "_exit"))
        return REC_LANDMARK_PROCESS_EXIT;
    if (is(names->module, "threading") && ends_with(name, "start"))
        return REC_LANDMARK_THREAD_OBJECT_START;
    if (is(names->module, "asyncio.base_events") && ends_with(name, "create_task"))
        return REC_LANDMARK_TASK_CREATE;
#if PY_VERSION_HEX < 0x030c0000
    if ((is(names->module, "concurrent.futures.thread") && ends_with(name, "submit")) || is(name, "run_sync_in_worker_thread"))
        return REC_LANDMARK_POOL_SUBMIT;
#endif
    return REC_LANDMARK_NONE;
}

/* ---- threads ---- */

#define PENDING_RUNS_MAX 8

struct pending_thread {
    struct pending_thread *next;
    PyObject *object; /* its threading.Thread, or the function that it runs; owned */
    uint64_t run_serials[PENDING_RUNS_MAX];
    size_t run_count;
};

_Atomic unsigned rec_pending_thread_count;
static struct pending_thread *pending_threads; /* with the recorder's lock */

static struct pending_thread *take_pending(struct pending_thread **link)
{
    struct pending_thread *pending = *link;
    *link = pending->next;
    rec_pending_thread_count--;
    rec_attention_count--;
    return pending;
}

/* Outside the lock: the object may be the last thing that holds the program's data, whose end runs the program's code. */
static void free_pending(struct pending_thread *pending)
{
    while (pending) {
        struct pending_thread *next = pending->next;
        Py_XDECREF(pending->object);
        free(pending);
        pending = next;
    }
}

static bool has_open_run(const struct pending_thread *pending)
{
    bool is_open = false;
    for (size_t i = 0; i < pending->run_count && !is_open; i++) {
        struct rec_run *run = rec_drainer_find(pending->run_serials[i]);
        is_open = run != NULL;
        rec_run_free(run);
    }
    return is_open;
}

/* Threads that could not be started, or that died before they ran any Python code. */
static struct pending_thread *take_stale_pending(void)
{
    struct pending_thread *stale = NULL;
    for (struct pending_thread **link = &pending_threads; *link;) {
        if (has_open_run(*link)) {
            link = &(*link)->next;
            continue;
        }
        struct pending_thread *pending = take_pending(link);
        pending->next = stale;
        stale = pending;
    }
    return stale;
}

static bool is_thread_object(PyObject *object)
{
    PyObject *threading = PyDict_GetItemString(PyImport_GetModuleDict(), "threading");
    PyObject *type = threading && PyModule_CheckExact(threading) ? PyDict_GetItemString(PyModule_GetDict(threading), "Thread") : NULL;
    return type && PyType_Check(type) && PyType_IsSubtype(Py_TYPE(object), (PyTypeObject *)type);
}

static PyObject *new_reference(PyObject *object)
{
    Py_INCREF(object);
    return object;
}

/* The new thread will be known by this, whose reference is taken over: its Thread object, or the function that it runs. NULL: by nothing.
 */
static void announce(struct rec_thread *thread, PyObject *object)
{
    struct pending_thread *pending = object ? calloc(1, sizeof *pending) : NULL;
    if (!pending) {
        Py_XDECREF(object);
        return;
    }
    pending->object = object;
    for (const struct rec_lane *lane = thread->lane; lane && pending->run_count < PENDING_RUNS_MAX; lane = lane->outer)
        if (lane->run->wants.threads)
            pending->run_serials[pending->run_count++] = lane->run->serial;
    rec_backend_hear_all_threads();
    rec_lock();
    struct pending_thread *stale = take_stale_pending();
    pending->next = pending_threads;
    pending_threads = pending;
    rec_pending_thread_count++;
    rec_attention_count++;
    rec_unlock();
    free_pending(stale);
}

static bool wants_threads(const struct rec_thread *thread)
{
    const struct rec_lane *lane = thread->lane;
    while (lane && !lane->run->wants.threads)
        lane = lane->outer;
    return lane != NULL;
}

/* Thread.start is called: its `self`. */
static void announce_thread_object(struct rec_thread *thread)
{
    PyObject *self = wants_threads(thread) ? rec_frame_local("self") : NULL;
    if (self && !is_thread_object(self))
        Py_CLEAR(self);
    announce(thread, self);
}

/* _thread.start_new_thread is called, by Thread.start (which was heard of) or by the program itself. */
static void announce_function(struct rec_thread *thread, PyObject *function)
{
    if (!function || !wants_threads(thread))
        return;
    if (PyMethod_Check(function) && !is_thread_object(PyMethod_GET_SELF(function)))
        function = PyMethod_GET_FUNCTION(function);
    if (PyFunction_Check(function))
        announce(thread, new_reference(function));
}

static bool is_me(const struct pending_thread *pending, PyObject *thread_object, PyCodeObject *code)
{
    if (thread_object)
        return pending->object == thread_object;
    return PyFunction_Check(pending->object) && PyFunction_GET_CODE(pending->object) == (PyObject *)code;
}

static struct pending_thread *take_mine(PyObject *thread_object, PyCodeObject *code)
{
    struct pending_thread *mine = NULL;
    rec_lock();
    struct pending_thread **link = &pending_threads;
    while (*link && !is_me(*link, thread_object, code))
        link = &(*link)->next;
    if (*link) {
        mine = take_pending(link);
        mine->next = NULL;
    }
    rec_unlock();
    return mine;
}

void rec_landmark_thread_comes_up(struct rec_thread *thread, PyCodeObject *code)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    struct pending_thread *mine = take_mine(rec_thread_object(), code);
    const void *frame = rec_frame_current();
    for (size_t i = mine ? mine->run_count : 0; i > 0; i--) { /* outermost first */
        struct rec_run *run = rec_drainer_find(mine->run_serials[i - 1]);
        if (run)
            rec_switch_on_for_frame(thread, run, frame, code);
        rec_run_free(run);
    }
    free_pending(mine);
    PyErr_Restore(type, value, traceback);
}

/* ---- tasks ---- */

static void announce_task(struct rec_thread *thread, uint64_t tick)
{
    PyObject *coroutine = rec_frame_local("coro");
    const void *frame = coroutine ? rec_frame_of_generator(coroutine) : NULL;
    Py_XDECREF(coroutine);
    thread->announced_frame = frame;
    for (struct rec_lane *lane = thread->lane; frame && lane; lane = lane->outer)
        rec_lane_put_frame(lane, tick, CPTRACE_RING_TASK, frame);
}

void rec_landmark_entered(struct rec_thread *thread, const struct rec_function *function, uint64_t tick)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (function->landmark == REC_LANDMARK_TASK_CREATE)
        announce_task(thread, tick);
    else if (function->landmark == REC_LANDMARK_THREAD_OBJECT_START)
        announce_thread_object(thread);
    else if (function->landmark == REC_LANDMARK_POOL_SUBMIT)
        rec_backend_hear_all_threads();
    PyErr_Restore(type, value, traceback);
}

/* The task that runs on this thread, as a new reference, or NULL. */
static PyObject *current_task(void)
{
    PyObject *tasks = PyDict_GetItemString(PyImport_GetModuleDict(), "asyncio.tasks");
    if (!tasks || !PyModule_CheckExact(tasks))
        return NULL;
    PyObject *events = PyDict_GetItemString(PyImport_GetModuleDict(), "asyncio.events");
    PyObject *loop = events ? PyObject_CallMethod(events, "_get_running_loop", NULL) : NULL;
    PyObject *task = loop && loop != Py_None ? PyObject_CallMethod(tasks, "current_task", "O", loop) : NULL;
    Py_XDECREF(loop);
    return task;
}

void rec_landmark_task_started(struct rec_thread *thread, uint64_t tick, bool is_eager)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    thread->announced_frame = NULL;
    rec_thread_mute(thread);
    PyObject *task = current_task();
    PyObject *name = task && task != Py_None ? PyObject_CallMethod(task, "get_name", NULL) : NULL;
    Py_ssize_t length;
    const char *text = name && PyUnicode_Check(name) ? PyUnicode_AsUTF8AndSize(name, &length) : NULL;
    rec_thread_unmute(thread);
    for (struct rec_lane *lane = thread->lane; text && lane; lane = lane->outer)
        if (is_eager || lane->coroutine_depth == 1)
            rec_lane_put_bytes(lane, tick, CPTRACE_RING_TASK_NAME, text, (uint64_t)length);
    Py_XDECREF(name);
    Py_XDECREF(task);
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

/* ---- C code ---- */

void rec_landmark_c_event(struct rec_thread *thread, const struct rec_function *function, enum cptrace_ring_op op, PyObject *first_argument)
{
    if (op != CPTRACE_RING_CALL)
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (function->landmark == REC_LANDMARK_THREAD_START)
        announce_function(thread, first_argument);
    else if (function->landmark == REC_LANDMARK_PROCESS_EXIT)
        rec_run_object_close_each("os._exit");
    PyErr_Restore(type, value, traceback);
}

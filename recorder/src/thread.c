#include "thread.h"

#include <errno.h>
#include <stdio.h>

#include "backend.h"
#include "callable.h"
#include "clock.h"
#include "collector.h"
#include "drainer.h"
#include "lock.h"
#include "platform.h"
#include "ring_files.h"
#include "run.h"
#include "save.h"
#include "word_cache.h"

_Thread_local struct rec_thread rec_this_thread REC_TLS_MODEL = {.callables = &rec_no_callables};

/* A thread ends without the interpreter: this guards the ties between threads and lanes, and nothing else is done while it is held. */
static struct rec_mutex *ties;

/* ---- what the fast path looks at ---- */

static void set_fast_lanes(struct rec_thread *thread)
{
    struct rec_lane *lane = thread->lane;
    thread->enter_lane = lane && !lane->outer && rec_clock_is_fast() ? lane : NULL;
    thread->leave_lane = thread->enter_lane && !lane->root_frame ? lane : NULL;
    thread->last_callable = NULL;
}

struct rec_lane *rec_thread_swap_lanes(struct rec_thread *thread, struct rec_lane *lane)
{
    struct rec_lane *before = thread->lane;
    thread->lane = lane;
    set_fast_lanes(thread);
    return before;
}

/* ---- the thread's lanes ---- */

static void unlink_of_thread(struct rec_lane *lane)
{
    struct rec_lane **link = &lane->thread->lanes;
    while (*link != lane)
        link = &(*link)->next_of_thread;
    *link = lane->next_of_thread;
    lane->thread = NULL;
}

/* Lanes whose runs are over, and that only this thread still knows. */
static struct rec_lane *take_closed_lanes(struct rec_thread *thread)
{
    struct rec_lane *closed = NULL;
    rec_mutex_lock(ties);
    for (struct rec_lane *lane = thread->lanes, *next; lane; lane = next) {
        next = lane->next_of_thread;
        if (!lane->is_closed || lane->is_on)
            continue;
        unlink_of_thread(lane);
        lane->next_of_thread = closed;
        closed = lane;
    }
    thread->has_closed_lanes = false;
    rec_mutex_unlock(ties);
    return closed;
}

static void free_closed_lanes(struct rec_thread *thread)
{
    struct rec_lane *closed = take_closed_lanes(thread);
    while (closed) {
        struct rec_lane *next = closed->next_of_thread;
        rec_run_free_lane(closed);
        closed = next;
    }
}

struct rec_lane *rec_thread_lane(struct rec_thread *thread, const struct rec_run *run)
{
    if (__builtin_expect(thread->has_closed_lanes, 0))
        free_closed_lanes(thread);
    struct rec_lane *lane = thread->lanes;
    while (lane && lane->run != run)
        lane = lane->next_of_thread;
    return lane;
}

/* Its lanes stay with their runs, but nobody may reach the thread from them any more. */
static void forget_thread(void *value)
{
    struct rec_thread *thread = value;
    rec_mutex_lock(ties);
    for (struct rec_lane *lane = thread->lanes; lane; lane = lane->next_of_thread)
        lane->is_on = false;
    rec_mutex_unlock(ties);
    free_closed_lanes(thread);
    rec_mutex_lock(ties);
    for (struct rec_lane *lane = thread->lanes; lane; lane = lane->next_of_thread) {
        lane->thread = NULL;
        atomic_store_explicit(&lane->is_finished, true, memory_order_release);
    }
    thread->lanes = thread->muted = NULL;
    rec_thread_swap_lanes(thread, NULL);
    rec_mutex_unlock(ties);
    rec_callable_cache_free(thread);
    if (thread->words)
        rec_word_cache_free(thread->words);
    thread->words = NULL;
}

static void give_word_key(struct rec_thread *thread, struct rec_lane *lane)
{
    const bool has_key = thread->word_lane_count < REC_WORD_LANES_MAX;
    lane->words = has_key ? thread->words : &rec_no_words;
    lane->word_key = has_key ? ++thread->word_lane_count << REC_WORD_LANE_SHIFT : 0;
}

/* The lanes that there are begin anew with the keys. */
static void give_keys_anew(struct rec_thread *thread)
{
    rec_word_cache_clear(thread->words);
    thread->word_lane_count = 0;
    rec_mutex_lock(ties);
    for (struct rec_lane *lane = thread->lanes; lane; lane = lane->next_of_thread)
        give_word_key(thread, lane);
    rec_mutex_unlock(ties);
}

void rec_thread_give_words(struct rec_thread *thread, struct rec_lane *lane)
{
    if (!thread->words)
        thread->words = rec_word_cache_new();
    if (thread->word_lane_count == REC_WORD_LANES_MAX)
        give_keys_anew(thread);
    give_word_key(thread, lane);
}

void rec_thread_remember_lane(struct rec_thread *thread, struct rec_lane *lane)
{
    if (!thread->is_known) {
        thread->is_known = true;
        rec_platform_on_thread_end(forget_thread, thread);
    }
    rec_thread_give_words(thread, lane);
    rec_mutex_lock(ties);
    lane->thread = thread;
    lane->next_of_thread = thread->lanes;
    thread->lanes = lane;
    rec_mutex_unlock(ties);
}

/* Its hooks must not be looking at its lists: without a GIL they may be at any moment, so that only the thread itself takes a lane out. */
static bool may_take_from(const struct rec_thread *thread)
{
#ifdef Py_GIL_DISABLED
    return thread == &rec_this_thread;
#else
    return thread == &rec_this_thread || !thread->is_waiting;
#endif
}

static bool unlink_lane(struct rec_lane **link, struct rec_lane *lane)
{
    while (*link && *link != lane)
        link = &(*link)->outer;
    if (!*link)
        return false;
    *link = lane->outer;
    return true;
}

/* With `ties` held. False: the thread must do it. */
static bool detach(struct rec_lane *lane)
{
    struct rec_thread *thread = lane->thread;
    if (thread && !may_take_from(thread))
        return false;
    if (thread && lane->is_on && !unlink_lane(&thread->lane, lane))
        unlink_lane(&thread->muted, lane);
    lane->is_on = false;
    if (thread) {
        set_fast_lanes(thread);
        unlink_of_thread(lane);
    }
    return true;
}

bool rec_thread_detach_lane(struct rec_lane *lane)
{
    rec_mutex_lock(ties);
    const bool is_detached = detach(lane);
    rec_mutex_unlock(ties);
    return is_detached;
}

bool rec_thread_release_lane(struct rec_lane *lane)
{
    rec_mutex_lock(ties);
    const bool is_free = detach(lane);
    if (!is_free) {
        lane->is_closed = true;
        lane->thread->has_closed_lanes = true;
    }
    rec_mutex_unlock(ties);
    return is_free;
}

PyThreadState *rec_thread_let_others_run(void)
{
    rec_this_thread.is_waiting = true;
    return PyEval_SaveThread();
}

void rec_thread_go_on(PyThreadState *state)
{
    PyEval_RestoreThread(state);
    rec_this_thread.is_waiting = false;
}

/* ---- forks ---- */

static void on_fork_child(void)
{
    rec_locks_forget_after_fork();
    ties = rec_mutex_create(); /* the old one may have been held */
    rec_backend_forget_holders();
    rec_collector_forget_holders();
    rec_saves_forget_after_fork();
    rec_word_caches_forget_after_fork(rec_this_thread.words);
    for (struct rec_lane *lane = rec_this_thread.lane; lane; lane = lane->outer) {
        lane->run->was_on_in_fork = true;
        lane->is_on = false;
    }
    rec_thread_swap_lanes(&rec_this_thread, NULL); /* before Python code could write into the parent's rings */
    rec_this_thread.muted = rec_this_thread.lanes = NULL;
    rec_run_abandon_all_after_fork();
    rec_ring_files_forget_after_fork();
    rec_drainer_forget_after_fork();
    rec_drainer_start();
}

int rec_threads_start(void)
{
    ties = rec_mutex_create();
    return ties ? rec_platform_on_fork(rec_drainer_pause, on_fork_child) : ENOMEM;
}

/* ---- which runs are on ---- */

void rec_thread_switch_on(struct rec_thread *thread, struct rec_lane *lane, const void *root_frame, const PyCodeObject *root_code)
{
    lane->outer = thread->lane;
    lane->root_frame = root_frame;
    lane->root_code = root_code;
    lane->is_on = true;
    rec_thread_swap_lanes(thread, lane);
}

/* By the thread itself: its lane. */
void rec_thread_switch_off(struct rec_lane *lane)
{
    if (!lane->is_on)
        return;
    struct rec_thread *thread = lane->thread;
    if (!unlink_lane(&thread->lane, lane))
        unlink_lane(&thread->muted, lane);
    set_fast_lanes(thread);
    lane->is_on = false;
    lane->root_frame = NULL;
    lane->root_code = NULL;
    lane->coroutine_depth = 0;
    lane->outer = NULL;
}

bool rec_thread_is_recording(const struct rec_thread *thread, const struct rec_run *run)
{
    for (const struct rec_lane *lane = thread->lane; lane; lane = lane->outer)
        if (lane->run == run)
            return true;
    return false;
}

bool rec_thread_records_owner(const struct rec_thread *thread, const void *owner)
{
    for (const struct rec_lane *lane = thread->lane; lane; lane = lane->outer)
        if (owner && lane->run->owner == owner && lane->run->is_open)
            return true;
    return false;
}

/* ---- muting ---- */

void rec_thread_mute(struct rec_thread *thread)
{
    if (thread->mute_count++ > 0)
        return;
    thread->muted = rec_thread_swap_lanes(thread, NULL);
}

void rec_thread_unmute(struct rec_thread *thread)
{
    if (--thread->mute_count > 0)
        return;
    rec_thread_swap_lanes(thread, thread->muted);
    thread->muted = NULL;
}

/* ---- who it is ---- */

PyObject *rec_thread_object(void)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *threading = modules && PyDict_CheckExact(modules) ? PyDict_GetItemString(modules, "threading") : NULL;
    PyObject *names = threading && PyModule_CheckExact(threading) ? PyModule_GetDict(threading) : NULL;
    PyObject *active = names ? PyDict_GetItemString(names, "_active") : NULL;
    PyObject *ident = active && PyDict_CheckExact(active) ? PyLong_FromUnsignedLong(PyThread_get_thread_ident()) : NULL;
    PyObject *found = ident ? PyDict_GetItemWithError(active, ident) : NULL;
    Py_XDECREF(ident);
    PyErr_Clear();
    return found;
}

void rec_thread_name(char *name, size_t capacity)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *object = rec_thread_object();
    PyObject *attribute = object ? PyUnicode_FromString("_name") : NULL;
    PyObject *text = attribute ? PyObject_GenericGetAttr(object, attribute) : NULL; /* not a subclass's own way */
    Py_XDECREF(attribute);
    const char *utf8 = text && PyUnicode_Check(text) ? PyUnicode_AsUTF8(text) : NULL;
    if (utf8)
        snprintf(name, rec_bounded_length(utf8, capacity - 1) + 1, "%s", utf8);
    else
        rec_platform_thread_name(name, capacity);
    Py_XDECREF(text);
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

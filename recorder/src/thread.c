#include "thread.h"

#include "drainer.h"
#include "platform.h"
#include "run.h"

_Thread_local struct rec_thread rec_this_thread REC_TLS_MODEL;

/* A thread that ends: its lanes stay with their runs, but nobody may reach the thread from them any more. */
static void forget_thread(void *value)
{
    struct rec_thread *thread = value;
    for (struct rec_lane *lane = thread->lane; lane; lane = lane->outer)
        lane->is_on = false;
    thread->lane = NULL;
}

static void on_fork_child(void)
{
    rec_this_thread.lane = rec_this_thread.muted = NULL; /* before any Python code could write into the parent's rings */
    rec_this_thread.hook_count = 0;
    rec_this_thread.os_thread_id = 0;
    rec_run_abandon_all_after_fork();
    rec_drainer_forget_after_fork();
}

int rec_threads_start(void) { return rec_platform_on_fork(rec_drainer_pause, on_fork_child); }

void rec_thread_switch_on(struct rec_thread *thread, struct rec_lane *lane)
{
    if (!thread->is_known) {
        thread->is_known = true;
        rec_platform_on_thread_end(forget_thread, thread);
    }
    lane->outer = thread->lane;
    lane->is_on = true;
    thread->lane = lane;
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

void rec_thread_switch_off(struct rec_lane *lane)
{
    if (!lane->is_on)
        return;
    if (!unlink_lane(&lane->thread->lane, lane))
        unlink_lane(&lane->thread->muted, lane);
    lane->is_on = false;
    lane->ends_with_root = false;
    lane->outer = NULL;
}

void rec_thread_mute(struct rec_thread *thread)
{
    if (thread->mute_count++ > 0)
        return;
    thread->muted = thread->lane;
    thread->lane = NULL;
}

void rec_thread_unmute(struct rec_thread *thread)
{
    if (--thread->mute_count > 0)
        return;
    thread->lane = thread->muted;
    thread->muted = NULL;
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
        if (owner && lane->run->owner == owner)
            return true;
    return false;
}

const void *rec_current_frame(void)
{
#if PY_VERSION_HEX >= 0x030d0000
    return PyThreadState_GetUnchecked()->current_frame;
#elif PY_VERSION_HEX >= 0x030c0000
    return _PyThreadState_UncheckedGet()->cframe->current_frame;
#else
    return PyEval_GetFrame();
#endif
}

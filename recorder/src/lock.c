#include "lock.h"

#include "thread.h"

void rec_mutex_wait_for(struct rec_mutex *mutex)
{
    while (!rec_mutex_try_lock(mutex)) {
        PyThreadState *const state = rec_thread_let_others_run();
        rec_mutex_lock(mutex);
        rec_mutex_unlock(mutex);
        rec_thread_go_on(state);
    }
}

#ifdef Py_GIL_DISABLED

PyMutex rec_the_lock, rec_the_back_end_lock;
_Thread_local unsigned rec_fork_depth;

void rec_locks_before_fork(void)
{
    rec_lock_back_end();
    rec_fork_depth++;
}

void rec_locks_after_fork(void)
{
    if (rec_fork_depth == 0)
        return; /* this module was imported while the thread forked */
    rec_fork_depth--;
    rec_unlock_back_end();
}

void rec_locks_forget_after_fork(void)
{
    rec_the_lock = rec_the_back_end_lock = (PyMutex){0};
    rec_fork_depth = 0;
}

#else

void rec_locks_before_fork(void) {}
void rec_locks_after_fork(void) {}
void rec_locks_forget_after_fork(void) {}

#endif

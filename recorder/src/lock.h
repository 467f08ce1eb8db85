/* The recorder's locks. With a GIL, that is the lock, and these cost nothing. */
#ifndef REC_LOCK_H
#define REC_LOCK_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "platform.h"

/* rec_lock: for all state of the process that is not said to be a run's, a lane's or a thread's: tables of functions, Run objects, ring
 * files that are kept. Never held while Python code can run. rec_lock_back_end: for who listens to the interpreter. Held while the
 * interpreter is told, so not by hooks. */
#ifdef Py_GIL_DISABLED
extern PyMutex rec_the_lock, rec_the_back_end_lock;
extern _Thread_local unsigned rec_fork_depth; /* this thread holds the lock of the back end, to fork */
static inline void rec_lock(void) { PyMutex_Lock(&rec_the_lock); }
static inline void rec_unlock(void) { PyMutex_Unlock(&rec_the_lock); }
static inline void rec_lock_back_end(void)
{
    if (rec_fork_depth == 0)
        PyMutex_Lock(&rec_the_back_end_lock);
}
static inline void rec_unlock_back_end(void)
{
    if (rec_fork_depth == 0)
        PyMutex_Unlock(&rec_the_back_end_lock);
}
#else
static inline void rec_lock(void) {}
static inline void rec_unlock(void) {}
static inline void rec_lock_back_end(void) {}
static inline void rec_unlock_back_end(void) {}
#endif

/* For a lock whose holder may be waiting for a disk: other threads of Python run meanwhile. For threads with the GIL; nobody waits for the
 * GIL while he holds such a lock. */
void rec_mutex_wait_for(struct rec_mutex *mutex);

/* Around os.fork, in the thread that forks. No other thread is telling the interpreter anything meanwhile: in the child, sys.monitoring
 * would wait forever for a thread that is not there. What Python code other forkers run in between may begin and end runs. */
void rec_locks_before_fork(void);
void rec_locks_after_fork(void);

/* In the child, where whoever else held a lock does not exist. os.fork stops other threads only where they wait, and what rec_lock guards
 * is whole then. */
void rec_locks_forget_after_fork(void);

#endif

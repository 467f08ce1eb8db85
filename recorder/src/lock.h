/* The recorder's locks. With a GIL, that is the lock, and these cost nothing. */
#ifndef REC_LOCK_H
#define REC_LOCK_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* rec_lock: for all state of the process that is not said to be a run's, a lane's or a thread's: tables of functions, Run objects, ring
 * files that are kept. Never held while Python code can run. rec_lock_back_end: for who listens to the interpreter. Held while the
 * interpreter is told, so not by hooks. */
#ifdef Py_GIL_DISABLED
extern PyMutex rec_the_lock, rec_the_back_end_lock;
static inline void rec_lock(void) { PyMutex_Lock(&rec_the_lock); }
static inline void rec_unlock(void) { PyMutex_Unlock(&rec_the_lock); }
static inline void rec_lock_back_end(void) { PyMutex_Lock(&rec_the_back_end_lock); }
static inline void rec_unlock_back_end(void) { PyMutex_Unlock(&rec_the_back_end_lock); }
#else
static inline void rec_lock(void) {}
static inline void rec_unlock(void) {}
static inline void rec_lock_back_end(void) {}
static inline void rec_unlock_back_end(void) {}
#endif

#endif

/* The recorder's lock, for all state of the process that is not said to be a run's, a lane's or a thread's: tables of functions, open runs,
 * ring files. With a GIL, that is the lock, and this costs nothing. Never held while Python code can run. */
#ifndef REC_LOCK_H
#define REC_LOCK_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifdef Py_GIL_DISABLED
extern PyMutex rec_the_lock;
static inline void rec_lock(void) { PyMutex_Lock(&rec_the_lock); }
static inline void rec_unlock(void) { PyMutex_Unlock(&rec_the_lock); }
#else
static inline void rec_lock(void) {}
static inline void rec_unlock(void) {}
#endif

#endif

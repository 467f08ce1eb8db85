/* Interpreter frames: which one runs, which is below, which one an object stands for. The address of a frame is the identity of a generator
 * or coroutine while it lives. On 3.12 and later these are the interpreter's own, not objects, and no frame object is made for asking;
 * where they have what is needed is found out at start, by asking a generator. Before, they are frame objects. */
#ifndef REC_FRAME_H
#define REC_FRAME_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

/* The frame that runs now. */
static inline const void *rec_frame_current(void)
{
#if PY_VERSION_HEX >= 0x030d0000
    return PyThreadState_GetUnchecked()->current_frame;
#elif PY_VERSION_HEX >= 0x030c0000
    return _PyThreadState_UncheckedGet()->cframe->current_frame;
#else
    return PyEval_GetFrame();
#endif
}

/* Whether frame is on the stack of the calling thread. */
bool rec_frame_is_on_stack(const void *frame);

/* The frame of a generator or coroutine, running or not; NULL: it has ended, or is of another kind. */
const void *rec_frame_of_generator(PyObject *generator);

/* The frame that has to go on for a block that is entered now to go on: that of the code with the `with` statement, seen through contextlib
 * (an ExitStack, a context manager that is a generator), and its code (borrowed from it). NULL, both, when it is one that cannot be
 * suspended. */
const void *rec_frame_of_block(PyCodeObject **code);

/* A local variable of the frame that runs now, as a new reference; NULL: there is none. Runs no code of the program. */
PyObject *rec_frame_local(const char *name);

int rec_frames_start(void); /* once per process; -1 with a Python exception */

#endif

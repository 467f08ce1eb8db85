/* Landmarks: calls that tell the recorder something besides being calls: a thread is started, a task is created, the process is about to
 * end. They are seen as they pass; nothing of the program is patched for it. */
#ifndef REC_LANDMARK_H
#define REC_LANDMARK_H

#include <stdatomic.h>

#include "function.h"
#include "thread.h"

enum rec_landmark {
    REC_LANDMARK_NONE = 0,
    REC_LANDMARK_THREAD_OBJECT_START, /* threading.Thread.start: threads=True follows it */
    REC_LANDMARK_THREAD_START,        /* _thread.start_new_thread and its kin, called by the program itself */
    REC_LANDMARK_TASK_CREATE,         /* BaseEventLoop.create_task: who created which task */
    REC_LANDMARK_POOL_SUBMIT,         /* work for the threads of a pool: the setprofile back end has to listen there */
    REC_LANDMARK_PROCESS_EXIT,        /* os._exit: no other chance to save what is recorded */
};

enum rec_landmark rec_landmark_of(const struct rec_function_names *names);

/* A Python function that is a landmark was entered. */
void rec_landmark_entered(struct rec_thread *thread, const struct rec_function *function, uint64_t tick);

/* C code that is a landmark is called, returns or raises. first_argument: of the call, where the interpreter tells it; else NULL. */
void rec_landmark_c_event(struct rec_thread *thread, const struct rec_function *function, enum cptrace_ring_op op,
                          PyObject *first_argument);

/* The root coroutine of a task has just started: names the task, where asyncio knows it, on the lanes on which no other coroutine runs; on
 * all when it is eager: it starts within the one that created it. */
void rec_landmark_task_started(struct rec_thread *thread, uint64_t tick, bool is_eager);

/* ---- threads that runs started, and that have not come up yet ---- */

extern _Atomic unsigned rec_pending_thread_count; /* 0 spares all looking */

/* When this thread is one of them: switches its runs on until the frame that runs now ends. code: of that frame. */
void rec_landmark_thread_comes_up(struct rec_thread *thread, PyCodeObject *code);

#endif

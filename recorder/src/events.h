/* What both back ends do with an event of the interpreter: enter, leave, suspend, resume, for Python code and C callables. None of these
 * raises, allocates on the usual path, or touches a reference count. */
#ifndef REC_EVENTS_H
#define REC_EVENTS_H

#include "adopt.h"
#include "arguments.h"
#include "callable.h"
#include "clock.h"
#include "function.h"
#include "landmark.h"
#include "lane.h"
#include "run.h"
#include "thread.h"

/* True: some lane wants the arguments of the call. */
static inline bool rec_put_all(struct rec_lane *lane, struct rec_function *function, uint64_t tick, enum cptrace_ring_op op)
{
    bool wants_arguments = false;
    do {
        if (__builtin_expect(rec_lane_treatment(lane, function) == REC_RECORDED, 1))
            rec_lane_put(lane, tick, rec_function_word(function, op));
        else
            wants_arguments |= rec_lane_put_unusual(lane, function, tick, op, NULL);
        lane = lane->outer;
    } while (__builtin_expect(lane != NULL, 0));
    return wants_arguments;
}

/* A generator or coroutine starts or goes on: op is START, RESUME or THROW. */
static inline void rec_enter_resumable(struct rec_thread *thread, struct rec_function *function, uint64_t tick, enum cptrace_ring_op op)
{
    const void *frame = rec_current_frame();
    bool wants_arguments = false, starts_task = false;
    for (struct rec_lane *lane = thread->lane; lane; lane = lane->outer) {
        if (__builtin_expect(rec_lane_treatment(lane, function) == REC_RECORDED, 1))
            rec_lane_put_frame(lane, tick, rec_function_word(function, op), frame);
        else
            wants_arguments |= rec_lane_put_unusual(lane, function, tick, op, frame);
        if (function->is_coroutine)
            starts_task |= lane->coroutine_depth++ == 0 && op == CPTRACE_RING_START;
    }
    /* These run code of others, after which a run may have ended: no lane is kept over them. */
    if (__builtin_expect(starts_task, 0))
        rec_landmark_task_started(thread, tick);
    if (__builtin_expect(wants_arguments, 0))
        rec_arguments_put(thread, function, tick);
}

/* A frame begins or goes on: op is CALL (of plain code; START is chosen here), RESUME or THROW. */
static inline void rec_enter(struct rec_thread *thread, PyCodeObject *code, enum cptrace_ring_op op)
{
    if (!thread->lane && !rec_attention_count)
        return;
    struct rec_function *function = rec_function_of_code(code);
    if (__builtin_expect(!function, 0) && !(function = rec_function_create(code)))
        return;
    struct rec_lane *lane = thread->lane;
    if (__builtin_expect(function->kind == REC_FUNCTION_PLAIN, 1)) {
        if (!lane && !(lane = rec_adopt(thread, code)))
            return;
        const uint64_t tick = rec_clock_ticks();
        if (__builtin_expect(rec_put_all(lane, function, tick, CPTRACE_RING_CALL), 0))
            rec_arguments_put(thread, function, tick);
        return;
    }
    /* A profiled function may be the first thing that a child task or a pool thread runs, and a coroutine another run's. */
    if (rec_attention_count && (!lane || function->is_coroutine || function->kind == REC_FUNCTION_HIDDEN))
        lane = rec_adopt(thread, code);
    if (!lane || function->kind == REC_FUNCTION_HIDDEN)
        return;
    const uint64_t tick = rec_clock_ticks();
    if (function->kind == REC_FUNCTION_RESUMABLE) {
        rec_enter_resumable(thread, function, tick, op == CPTRACE_RING_CALL ? CPTRACE_RING_START : op);
        return;
    }
    const bool wants_arguments = rec_put_all(lane, function, tick, CPTRACE_RING_CALL);
    rec_landmark_entered(thread, function, tick);
    if (wants_arguments)
        rec_arguments_put(thread, function, tick);
}

/* A frame ends or suspends: op is RETURN, UNWIND or SUSPEND. */
static inline void rec_leave(struct rec_thread *thread, PyCodeObject *code, enum cptrace_ring_op op)
{
    struct rec_lane *lane = thread->lane;
    if (!lane)
        return;
    const struct rec_function *function = rec_function_of_code(code);
    if (!function)
        return;
    const uint64_t tick = rec_clock_ticks();
    do {
        struct rec_lane *outer = lane->outer;
        if (__builtin_expect(rec_lane_knows(lane, function), 1)) { /* hidden functions are never known */
            rec_lane_put(lane, tick, rec_function_word(function, op));
            if (function->is_coroutine && lane->coroutine_depth > 0)
                lane->coroutine_depth--;
        }
        if (__builtin_expect(lane->ends_with_root, 0) && lane->root_frame == rec_current_frame())
            rec_thread_switch_off(lane);
        lane = outer;
    } while (__builtin_expect(lane != NULL, 0));
}

/* C code is called, returns or raises: op is CALL, RETURN or UNWIND. first_argument: of a call, where the interpreter tells it, or NULL. */
static inline void rec_c_event(struct rec_thread *thread, PyObject *callable, enum cptrace_ring_op op, PyObject *first_argument)
{
    struct rec_lane *lane = thread->lane;
    if (!lane)
        return;
    struct rec_function *function = rec_function_of_callable(thread, callable);
    if (!function || function->kind == REC_FUNCTION_HIDDEN)
        return;
    rec_put_all(lane, function, rec_clock_ticks(), op);
    if (__builtin_expect(function->kind == REC_FUNCTION_LANDMARK, 0))
        rec_landmark_c_event(thread, function, op, first_argument);
}

#endif

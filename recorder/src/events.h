/* What both back ends do with an event of the interpreter: enter, leave, suspend, resume, for Python code and C callables. None of these
 * raises, allocates on the usual path, or touches a reference count. */
#ifndef REC_EVENTS_H
#define REC_EVENTS_H

#include "adopt.h"
#include "callable.h"
#include "clock.h"
#include "function.h"
#include "lane.h"
#include "run.h"
#include "thread.h"

static inline uint64_t rec_word(const struct rec_function *function, enum cptrace_ring_op op)
{
    return (uint64_t)function->number << 8 | (uint64_t)op;
}

/* Whether the lane knows the function: if not, the call that ends now began before the run. */
static inline bool rec_lane_knows(const struct rec_lane *lane, const struct rec_function *function)
{
    return __builtin_expect(function->lane_epoch == lane->epoch, 1) ||
           (function->number < lane->defined_capacity && lane->defined[function->number]);
}

static inline void rec_put_all(struct rec_lane *lane, struct rec_function *function, enum cptrace_ring_op op)
{
    const uint64_t tick = rec_clock_ticks();
    do {
        rec_lane_define(lane, function);
        rec_lane_put(lane, tick, rec_word(function, op));
        lane = lane->outer;
    } while (__builtin_expect(lane != NULL, 0));
}

static inline void rec_put_all_frame(struct rec_lane *lane, struct rec_function *function, enum cptrace_ring_op op, const void *frame)
{
    const uint64_t tick = rec_clock_ticks();
    for (; lane; lane = lane->outer) {
        rec_lane_define(lane, function);
        rec_lane_put_frame(lane, tick, rec_word(function, op), frame);
    }
}

/* A frame begins or goes on: op is CALL (of plain code; START is chosen here), RESUME or THROW. */
static inline void rec_enter(struct rec_thread *thread, PyCodeObject *code, enum cptrace_ring_op op)
{
    struct rec_lane *lane = thread->lane;
    if (!lane && !rec_context_run_count)
        return;
    struct rec_function *function = rec_function_of_code(code);
    if (__builtin_expect(!function, 0) && !(function = rec_function_create(code)))
        return;
    if (__builtin_expect(function->kind == REC_FUNCTION_PLAIN, 1)) {
        if (!lane && !(lane = rec_adopt(thread)))
            return;
        rec_put_all(lane, function, CPTRACE_RING_CALL);
        return;
    }
    if (function->kind == REC_FUNCTION_HIDDEN) {
        if (rec_context_run_count) /* a profiled function may be the first thing that a child task or a pool thread runs */
            rec_adopt(thread);
        return;
    }
    if (rec_context_run_count && (!lane || function->is_coroutine))
        lane = rec_adopt(thread);
    if (lane)
        rec_put_all_frame(lane, function, op == CPTRACE_RING_CALL ? CPTRACE_RING_START : op, rec_current_frame());
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
    const bool is_shown = function->kind != REC_FUNCTION_HIDDEN;
    const uint64_t tick = rec_clock_ticks();
    do {
        struct rec_lane *outer = lane->outer;
        if (is_shown && rec_lane_knows(lane, function))
            rec_lane_put(lane, tick, rec_word(function, op));
        if (__builtin_expect(lane->ends_with_root, 0) && lane->root_frame == rec_current_frame())
            rec_thread_switch_off(lane);
        lane = outer;
    } while (__builtin_expect(lane != NULL, 0));
}

/* C code is called, returns or raises: op is CALL, RETURN or UNWIND. */
static inline void rec_c_event(struct rec_thread *thread, PyObject *callable, enum cptrace_ring_op op)
{
    struct rec_lane *lane = thread->lane;
    if (!lane)
        return;
    struct rec_function *function = rec_function_of_callable(callable);
    if (function && __builtin_expect(function->kind == REC_FUNCTION_PLAIN, 1))
        rec_put_all(lane, function, op);
}

#endif

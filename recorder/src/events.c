#include "events.h"

#include "adopt.h"
#include "arguments.h"
#include "frame.h"
#include "landmark.h"

bool rec_put_all(struct rec_lane *lane, struct rec_function *function, uint64_t tick, enum cptrace_ring_op op)
{
    bool wants_arguments = false;
    do {
        if (rec_is_recorded(rec_lane_treatment(lane, function)))
            rec_lane_put(lane, tick, rec_function_word(function, op));
        else
            wants_arguments |= rec_lane_put_unusual(lane, function, tick, op, NULL);
        lane = lane->outer;
    } while (lane);
    return wants_arguments;
}

/* So that the fast path takes the next event of the function. Not when several runs are on, or there is more to do. */
static void remember_word(const struct rec_thread *thread, const void *address, enum rec_word_kind kind,
                          const struct rec_function *function)
{
    const struct rec_lane *lane = thread->enter_lane;
    if (lane && address && rec_lane_treatment(lane, function) == REC_PLAIN)
        rec_word_remember(lane->words, rec_word_key(lane->word_key, address, kind), address, rec_function_word(function, 0));
}

/* A generator or coroutine starts or goes on: op is START, RESUME or THROW. */
static void enter_resumable(struct rec_thread *thread, struct rec_function *function, uint64_t tick, enum cptrace_ring_op op)
{
    const void *frame = rec_frame_current();
    bool wants_arguments = false, starts_task = false;
    for (struct rec_lane *lane = thread->lane; lane; lane = lane->outer) {
        if (rec_is_recorded(rec_lane_treatment(lane, function)))
            rec_lane_put_frame(lane, tick, rec_function_word(function, op), frame);
        else
            wants_arguments |= rec_lane_put_unusual(lane, function, tick, op, frame);
        if (function->is_coroutine)
            starts_task |= lane->coroutine_depth++ == 0;
    }
    /* These run code of others, after which a run may have ended: no lane is kept over them. */
    const bool is_eager = frame == thread->announced_frame;
    if (op == CPTRACE_RING_START && (starts_task || is_eager))
        rec_landmark_task_started(thread, tick, is_eager);
    if (wants_arguments)
        rec_arguments_put(thread, function, tick);
}

void rec_enter(struct rec_thread *thread, PyCodeObject *code, enum cptrace_ring_op op)
{
    if (!thread->lane && !rec_attention_count)
        return;
    struct rec_function *function = rec_function_of_code(code);
    if (!function && !(function = rec_function_create(code)))
        return;
    struct rec_lane *lane = thread->lane;
    if (function->kind == REC_FUNCTION_PLAIN) {
        if (!lane && !(lane = rec_adopt(thread, code)))
            return;
        const uint64_t tick = rec_clock_ticks();
        const bool wants_arguments = rec_put_all(lane, function, tick, CPTRACE_RING_CALL);
        remember_word(thread, code, REC_WORD_OF_CODE, function);
        if (wants_arguments)
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
        enter_resumable(thread, function, tick, op == CPTRACE_RING_CALL ? CPTRACE_RING_START : op);
        return;
    }
    const bool wants_arguments = rec_put_all(lane, function, tick, CPTRACE_RING_CALL);
    rec_landmark_entered(thread, function, tick);
    if (wants_arguments)
        rec_arguments_put(thread, function, tick);
}

void rec_leave(struct rec_thread *thread, PyCodeObject *code, enum cptrace_ring_op op)
{
    struct rec_lane *lane = thread->lane;
    if (!lane)
        return;
    const struct rec_function *function = rec_function_of_code(code); /* NULL: it began before any run */
    const uint64_t tick = rec_clock_ticks();
    do {
        struct rec_lane *outer = lane->outer;
        if (function && rec_lane_knows(lane, function)) { /* hidden functions are never known */
            rec_lane_put(lane, tick, rec_function_word(function, op));
            if (function->is_coroutine && lane->coroutine_depth > 0)
                lane->coroutine_depth--;
        }
        if (lane->root_frame && lane->root_frame == rec_frame_current())
            rec_thread_switch_off(lane);
        lane = outer;
    } while (lane);
}

void rec_c_event(struct rec_thread *thread, PyObject *callable, enum cptrace_ring_op op, PyObject *first_argument)
{
    if (op == CPTRACE_RING_CALL)
        thread->last_callable = NULL; /* it may be an object at the same address as the last */
    struct rec_lane *lane = thread->lane;
    if (!lane)
        return;
    struct rec_function *function = rec_function_of_callable(thread, callable);
    if (!function || function->kind == REC_FUNCTION_HIDDEN)
        return;
    rec_put_all(lane, function, rec_clock_ticks(), op);
    remember_word(thread, rec_callable_address(callable), REC_WORD_OF_CALLABLE, function);
    if (function->kind == REC_FUNCTION_LANDMARK)
        rec_landmark_c_event(thread, function, op, first_argument);
}

/* What both back ends do with an event of the interpreter: enter, leave, suspend, resume, for Python code and C callables. Nothing here
 * raises, takes a lock or touches a reference count; on the fast path nothing allocates or calls.
 *
 * The fast path is here: one run is on in the thread, what is called was recorded by it before (word_cache.h), there is room, and no CPU
 * time is due. Generators have one that is nearly as fast. All else is in events.c. */
#ifndef REC_EVENTS_H
#define REC_EVENTS_H

#include "callable.h"
#include "clock.h"
#include "frame.h"
#include "function.h"
#include "lane.h"
#include "thread.h"
#include "word_cache.h"

/* ---- the general way, events.c ---- */

/* A frame begins or goes on: op is CALL (of any code; START is chosen there), RESUME or THROW. */
void rec_enter(struct rec_thread *thread, PyCodeObject *code, enum cptrace_ring_op op);

/* A frame ends or suspends: op is RETURN, UNWIND or SUSPEND. */
void rec_leave(struct rec_thread *thread, PyCodeObject *code, enum cptrace_ring_op op);

/* C code is called, returns or raises: op is CALL, RETURN or UNWIND. first_argument: of a call, where the interpreter tells it, or NULL. */
void rec_c_event(struct rec_thread *thread, PyObject *callable, enum cptrace_ring_op op, PyObject *first_argument);

/* Puts the event of a function on these lanes; true: some lane wants the arguments of the call. */
bool rec_put_all(struct rec_lane *lane, struct rec_function *function, uint64_t tick, enum cptrace_ring_op op);

/* ---- the fast path: false when it is not for this event, which is then to go the general way ---- */

/* The counter takes longer to read than all the rest: it is asked first, and what does not need it is done meanwhile. */

static inline bool rec_append_fast(struct rec_lane *lane, uint64_t word, uint64_t count)
{
    const uint64_t tick = rec_clock_ticks_of_count(count);
    const uint64_t head = atomic_load_explicit(&lane->ring->head, memory_order_relaxed);
    if (tick >= lane->cpu_due_tick || head >= lane->limit)
        return false;
    rec_lane_store(lane, head, tick, word);
    rec_lane_publish(lane, head + 1);
    return true;
}

static inline bool rec_find_word(const struct rec_lane *lane, const void *address, enum rec_word_kind kind, uint64_t *word)
{
    return __builtin_expect(rec_word_find(lane->words, rec_word_key(lane->word_key, address, kind), address, word), 1);
}

/* lane: thread->enter_lane, or thread->leave_lane for the end of a frame. */
static inline bool rec_code_event_fast(struct rec_lane *lane, PyCodeObject *code, enum cptrace_ring_op op)
{
    if (__builtin_expect(!lane, 0))
        return false;
    const uint64_t count = rec_clock_fast_count();
    uint64_t word;
    return rec_find_word(lane, code, REC_WORD_OF_CODE, &word) && __builtin_expect(rec_append_fast(lane, word | op, count), 1);
}

/* The end of a frame, or its suspension, also of a generator or coroutine, and in a run that goes off with one of its frames.
 * lane: thread->enter_lane. */
static inline bool rec_leave_fast(struct rec_lane *lane, PyCodeObject *code, enum cptrace_ring_op op)
{
    if (!lane)
        return false;
    const uint64_t count = rec_clock_fast_count();
    const struct rec_function *function = rec_function_of_code_fast(code);
    if (!function || code == lane->root_code)
        return false;
    const enum rec_treatment treatment = rec_lane_treatment(lane, function);
    if ((treatment != REC_PLAIN && treatment != REC_RESUMABLE) || !rec_append_fast(lane, rec_function_word(function, op), count))
        return false;
    if (function->is_coroutine && lane->coroutine_depth > 0)
        lane->coroutine_depth--;
    return true;
}

/* A generator goes on. Coroutines may belong to runs that are not on yet: rec_enter. lane: thread->enter_lane. */
static inline bool rec_resume_fast(struct rec_lane *lane, PyCodeObject *code)
{
    const struct rec_function *function = rec_function_of_code_fast(code);
    if (!lane || !function || function->is_coroutine || rec_lane_treatment(lane, function) != REC_RESUMABLE)
        return false;
    rec_lane_put_frame(lane, rec_clock_fast_ticks(), rec_function_word(function, CPTRACE_RING_RESUME), rec_frame_current());
    return true;
}

static inline bool rec_c_call_fast(struct rec_thread *thread, PyObject *callable)
{
    struct rec_lane *lane = thread->enter_lane;
    if (__builtin_expect(!lane, 0))
        return false;
    const uint64_t count = rec_clock_fast_count();
    const void *address = rec_callable_address(callable);
    uint64_t word;
    if (!address || !rec_find_word(lane, address, REC_WORD_OF_CALLABLE, &word))
        return false;
    thread->last_callable = callable;
    thread->last_c_return = word | CPTRACE_RING_RETURN;
    return __builtin_expect(rec_append_fast(lane, word | CPTRACE_RING_CALL, count), 1);
}

/* What returns is most often what was called last. */
static inline bool rec_c_return_fast(struct rec_thread *thread, PyObject *callable)
{
    struct rec_lane *lane = thread->enter_lane;
    if (__builtin_expect(!lane, 0))
        return false;
    const uint64_t count = rec_clock_fast_count();
    if (thread->last_callable == callable)
        return __builtin_expect(rec_append_fast(lane, thread->last_c_return, count), 1);
    const void *address = rec_callable_address(callable);
    uint64_t word;
    return address && rec_find_word(lane, address, REC_WORD_OF_CALLABLE, &word) &&
           __builtin_expect(rec_append_fast(lane, word | CPTRACE_RING_RETURN, count), 1);
}

#endif

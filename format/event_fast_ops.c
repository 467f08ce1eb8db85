/* The ops of nearly all events, without steps that only others need: one branch or two lead to what each of them does. Where anything is
 * out of the ordinary, nothing is done, and cptrace_decoder_take_op does it or says what is wrong. */
#include "events_decoder.h"

#if defined(__GNUC__)
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define LIKELY(condition) (condition)
#define UNLIKELY(condition) (condition)
#define ALWAYS_INLINE inline
#endif

/* False: the next delta of the context is wide or in a column that is not known yet, and is not taken. */
static inline bool add_delta(struct events_decoder *decoder, uint32_t context, uint64_t *tick, bool has_contexts)
{
    const uint32_t column = decoder_column(decoder, context, has_contexts);
    const uint64_t delta = *decoder->delta[column]++;
    if (UNLIKELY(delta == DELTA_WIDE)) {
        decoder->delta[column]--;
        return false;
    }
    *tick += delta;
    return true;
}

/* Moves on by the delta of an event that pushes or pops a call; false: nothing is done. */
static inline bool move_on(struct events_decoder *decoder, struct position *at, uint32_t callee, uint32_t pops, bool has_contexts)
{
    const uint32_t context = decoder_context(decoder, at->context, callee, pops, has_contexts);
    if (UNLIKELY(!add_delta(decoder, context, &at->tick, has_contexts)))
        return false;
    at->context = context;
    return true;
}

static inline bool take_call(struct events_decoder *decoder, struct position *at, uint32_t callee, bool has_contexts)
{
    if (UNLIKELY(!move_on(decoder, at, callee, 0, has_contexts)))
        return false;
    *at->top++ = callee;
    put_event(at, CPTRACE_OP_CALL, decoder->callees[callee].function);
    return true;
}

static inline bool take_leaf(struct events_decoder *decoder, struct position *at, uint32_t callee, bool has_contexts)
{
    struct position call = *at;
    if (UNLIKELY(!move_on(decoder, &call, callee, 0, has_contexts)))
        return false;
    struct position left = call;
    if (UNLIKELY(!move_on(decoder, &left, callee, 1, has_contexts))) {
        decoder->delta[decoder_column(decoder, call.context, has_contexts)]--;
        return false;
    }
    at->tick = call.tick;
    put_event(at, CPTRACE_OP_CALL, decoder->callees[callee].function);
    at->tick = left.tick;
    put_event(at, CPTRACE_OP_RETURN, 0);
    at->context = left.context;
    return true;
}

/* Or an unwind. */
static inline bool take_return(struct events_decoder *decoder, struct position *at, uint64_t op, bool has_contexts)
{
    if (UNLIKELY(at->top == decoder->stack || !move_on(decoder, at, call_callee(at->top[-1]), 1, has_contexts)))
        return false;
    at->top--;
    put_event(at, op, 0);
    return true;
}

/* Of an activation that is the one expected. */
static inline bool take_start(struct events_decoder *decoder, struct position *at, uint32_t callee, bool has_contexts)
{
    struct cptrace_events *const out = decoder->out;
    const uint32_t activation = (uint32_t)decoder->next_activation;
    if (UNLIKELY(cursor_left(&decoder->start) == 0 || *decoder->start.at != 0 || decoder->next_activation >= CPTRACE_NO_NUMBER ||
                 out->start_count >= out->start_capacity || !move_on(decoder, at, callee, 0, has_contexts)))
        return false;
    decoder->start.at++;
    decoder->next_activation++;
    *at->top++ = call_of(callee, activation);
    out->starts[out->start_count++] = (struct cptrace_activation_start){activation, decoder->callees[callee].function, at->tick};
    put_event(at, CPTRACE_OP_START, activation);
    return true;
}

static inline bool take_suspend(struct events_decoder *decoder, struct position *at, bool has_contexts)
{
    if (UNLIKELY(at->top == decoder->stack || decoder->suspension_count + (size_t)1 >= decoder->out->suspension_capacity))
        return false;
    const uint64_t call = at->top[-1];
    if (UNLIKELY(decoder->callee_kinds[call_callee(call)] != CALLEE_ACTIVATION ||
                 !move_on(decoder, at, call_callee(call), 1, has_contexts)))
        return false;
    at->top--;
    decoder_add_suspension(decoder, call);
    put_event(at, CPTRACE_OP_SUSPEND, 0);
    return true;
}

static inline bool take_resume(struct events_decoder *decoder, struct position *at, bool has_contexts)
{
    if (UNLIKELY(cursor_left(&decoder->resume) == 0 || *decoder->resume.at >= 0x80 || *decoder->resume.at > decoder->suspension_count))
        return false;
    const uint32_t back = *decoder->resume.at;
    const uint32_t number = back ? decoder->suspension_count + 1 - back : decoder->newest_suspension;
    struct cptrace_suspension *const suspension = &decoder->suspensions[number];
    const uint64_t call = suspension->call;
    if (UNLIKELY(call == CALL_NONE || !move_on(decoder, at, call_callee(call), 0, has_contexts)))
        return false;
    decoder->resume.at++;
    suspension->call = CALL_NONE;
    if (back == 0)
        decoder->newest_suspension = suspension->below;
    *at->top++ = call;
    put_event(at, CPTRACE_OP_RESUME, call_activation(call));
    return true;
}

/* Branches, since a jump table is predicted worse. */
static inline bool take_op(struct events_decoder *decoder, struct position *at, uint64_t op, bool has_contexts)
{
    if (op >= CPTRACE_OP_CALL) {
        const uint32_t callee = (uint32_t)op - CPTRACE_OP_CALL;
        const uint8_t kind = decoder->callee_kinds[callee];
        if (kind == CALLEE_LEAF)
            return take_leaf(decoder, at, callee, has_contexts);
        if (kind == CALLEE_PLAIN)
            return take_call(decoder, at, callee, has_contexts);
        return kind == CALLEE_ACTIVATION && take_start(decoder, at, callee, has_contexts);
    }
    if (LIKELY(op <= CPTRACE_OP_UNWIND))
        return take_return(decoder, at, op, has_contexts);
    if (op == CPTRACE_OP_SUSPEND)
        return take_suspend(decoder, at, has_contexts);
    return op == CPTRACE_OP_RESUME && take_resume(decoder, at, has_contexts);
}

/* An op of one byte or two. callee_kinds has something for all those of one byte: only others are compared with the number of callees. */
static inline bool next_op(const struct events_decoder *decoder, struct position *at, uint64_t *op)
{
    *op = *at->op;
    if (LIKELY(*op < SHORT_OP_LIMIT)) {
        at->op++;
        return true;
    }
    if (at->op[1] == 0 || at->op[1] >= 0x80)
        return false;
    *op = (*op & 0x7F) | (uint64_t)at->op[1] << 7;
    at->op += 2;
    return *op - CPTRACE_OP_CALL < decoder->callee_count;
}

/* How many ops can be taken whatever they are: two bytes each, and two events, if it is a leaf's. */
static inline size_t safe_ops(const struct events_decoder *decoder, const struct position *at)
{
    const size_t bytes = (size_t)(decoder->op_end - at->op), room = (size_t)(decoder->out_end - at->out);
    return (bytes < room ? bytes : room) / 2;
}

/* As far as nothing is out of the ordinary; the last few are left. Made twice, with either has_contexts. */
static ALWAYS_INLINE void take_fast_ops(struct events_decoder *decoder, bool has_contexts)
{
    struct position at = decoder->at; /* a copy whose address stays here lets the compiler keep it in registers */
    for (size_t ops = safe_ops(decoder, &at); ops > 0; ops = ops > 1 ? ops - 1 : safe_ops(decoder, &at)) {
        const uint8_t *const from = at.op;
        uint64_t op;
        if (UNLIKELY(!next_op(decoder, &at, &op) || !take_op(decoder, &at, op, has_contexts))) {
            at.op = from;
            break;
        }
    }
    decoder->at = at;
}

enum cptrace_status cptrace_decoder_take_events(struct events_decoder *decoder, uint32_t event_count)
{
    enum cptrace_status status = CPTRACE_OK;
    decoder->out_end = decoder->at.out + event_count;
    while (status == CPTRACE_OK && decoder->at.out < decoder->out_end) {
        if (decoder->has_contexts)
            take_fast_ops(decoder, true);
        else
            take_fast_ops(decoder, false);
        if (decoder->at.out < decoder->out_end)
            status = cptrace_decoder_take_op(decoder);
    }
    return status;
}

/* The ops of nearly all events, without steps that only others need: one branch or two lead to what each of them does. Where anything is
 * out of the ordinary, nothing is done, and cptrace_decoder_take_op does it or says what is wrong. */
#include "events_decoder.h"

#if defined(__GNUC__)
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define LIKELY(condition) (condition)
#define UNLIKELY(condition) (condition)
#endif

/* False: the next delta of the column is wide, and is not taken. */
static inline bool add_delta(struct events_decoder *decoder, uint32_t column, uint64_t *tick)
{
    const uint64_t delta = *decoder->delta[column]++;
    if (UNLIKELY(delta == DELTA_WIDE)) {
        decoder->delta[column]--;
        return false;
    }
    *tick += delta;
    return true;
}

static inline bool take_call(struct events_decoder *decoder, struct position *at, uint64_t callee)
{
    const struct callee *const called = &decoder->callees[callee];
    if (UNLIKELY(!add_delta(decoder, column_of(called, COLUMNS_PUSH, at->after_pop), &at->tick)))
        return false;
    *at->top++ = callee;
    at->after_pop = 0;
    put_event(at, CPTRACE_OP_CALL, called->function);
    return true;
}

static inline bool take_leaf(struct events_decoder *decoder, struct position *at, uint64_t callee)
{
    const struct callee *const called = &decoder->callees[callee];
    const uint32_t column = column_of(called, COLUMNS_PUSH, at->after_pop);
    uint64_t call_tick = at->tick;
    if (UNLIKELY(!add_delta(decoder, column, &call_tick)))
        return false;
    uint64_t return_tick = call_tick;
    if (UNLIKELY(!add_delta(decoder, column_of(called, COLUMNS_POP, 0), &return_tick))) {
        decoder->delta[column]--;
        return false;
    }
    at->tick = call_tick;
    put_event(at, CPTRACE_OP_CALL, called->function);
    at->tick = return_tick;
    put_event(at, CPTRACE_OP_RETURN, 0);
    at->after_pop = 1;
    return true;
}

/* Or an unwind. */
static inline bool take_return(struct events_decoder *decoder, struct position *at, uint64_t op)
{
    if (UNLIKELY(at->top == decoder->stack))
        return false;
    const struct callee *const left = &decoder->callees[call_callee(at->top[-1])];
    if (UNLIKELY(!add_delta(decoder, column_of(left, COLUMNS_POP, at->after_pop), &at->tick)))
        return false;
    at->top--;
    at->after_pop = 1;
    put_event(at, op, 0);
    return true;
}

/* Of an activation that is the one expected. */
static inline bool take_start(struct events_decoder *decoder, struct position *at, uint64_t callee)
{
    struct cptrace_events *const out = decoder->out;
    const uint32_t activation = (uint32_t)decoder->next_activation;
    if (UNLIKELY(cursor_left(&decoder->start) == 0 || *decoder->start.at != 0 || decoder->next_activation >= CPTRACE_NO_NUMBER ||
                 out->start_count >= out->start_capacity))
        return false;
    const struct callee *const called = &decoder->callees[callee];
    if (UNLIKELY(!add_delta(decoder, column_of(called, COLUMNS_PUSH, at->after_pop), &at->tick)))
        return false;
    decoder->start.at++;
    decoder->next_activation++;
    *at->top++ = call_of((uint32_t)callee, activation);
    at->after_pop = 0;
    out->starts[out->start_count++] = (struct cptrace_activation_start){activation, called->function, at->tick};
    put_event(at, CPTRACE_OP_START, activation);
    return true;
}

static inline bool take_suspend(struct events_decoder *decoder, struct position *at)
{
    if (UNLIKELY(at->top == decoder->stack || decoder->suspension_count + (size_t)1 >= decoder->out->suspension_capacity))
        return false;
    const uint64_t call = at->top[-1];
    const uint32_t callee = call_callee(call);
    if (UNLIKELY(decoder->callee_kinds[callee] != CALLEE_ACTIVATION))
        return false;
    if (UNLIKELY(!add_delta(decoder, column_of(&decoder->callees[callee], COLUMNS_POP, at->after_pop), &at->tick)))
        return false;
    at->top--;
    at->after_pop = 1;
    decoder_add_suspension(decoder, call);
    put_event(at, CPTRACE_OP_SUSPEND, 0);
    return true;
}

static inline bool take_resume(struct events_decoder *decoder, struct position *at)
{
    if (UNLIKELY(cursor_left(&decoder->resume) == 0 || *decoder->resume.at >= 0x80 || *decoder->resume.at > decoder->suspension_count))
        return false;
    const uint32_t back = *decoder->resume.at;
    const uint32_t number = back ? decoder->suspension_count + 1 - back : decoder->newest_suspension;
    struct cptrace_suspension *const suspension = &decoder->suspensions[number];
    const uint64_t call = suspension->call;
    if (UNLIKELY(call == CALL_NONE))
        return false;
    if (UNLIKELY(!add_delta(decoder, column_of(&decoder->callees[call_callee(call)], COLUMNS_PUSH, at->after_pop), &at->tick)))
        return false;
    decoder->resume.at++;
    suspension->call = CALL_NONE;
    if (back == 0)
        decoder->newest_suspension = suspension->below;
    *at->top++ = call;
    at->after_pop = 0;
    put_event(at, CPTRACE_OP_RESUME, call_activation(call));
    return true;
}

/* Branches, since a jump table is predicted worse. */
static inline bool take_op(struct events_decoder *decoder, struct position *at, uint64_t op)
{
    if (op >= CPTRACE_OP_CALL) {
        const uint64_t callee = op - CPTRACE_OP_CALL;
        const uint8_t kind = decoder->callee_kinds[callee];
        if (kind == CALLEE_LEAF)
            return take_leaf(decoder, at, callee);
        if (kind == CALLEE_PLAIN)
            return take_call(decoder, at, callee);
        return kind == CALLEE_ACTIVATION && take_start(decoder, at, callee);
    }
    if (LIKELY(op <= CPTRACE_OP_UNWIND))
        return take_return(decoder, at, op);
    if (op == CPTRACE_OP_SUSPEND)
        return take_suspend(decoder, at);
    return op == CPTRACE_OP_RESUME && take_resume(decoder, at);
}

/* An op of one byte or two. callee_kinds has something for all those of one byte: only others are compared with the number of callees. */
static inline bool next_op(const struct events_decoder *decoder, struct position *at, const uint8_t *end, uint64_t *op)
{
    if (UNLIKELY(at->op >= end))
        return false;
    *op = *at->op;
    if (LIKELY(*op < SHORT_OP_LIMIT)) {
        at->op++;
        return true;
    }
    if (end - at->op < 2 || at->op[1] == 0 || at->op[1] >= 0x80)
        return false;
    *op = (*op & 0x7F) | (uint64_t)at->op[1] << 7;
    at->op += 2;
    return *op - CPTRACE_OP_CALL < decoder->callee_count;
}

/* As far as nothing is out of the ordinary, and a leaf's two events fit. */
static void take_fast_ops(struct events_decoder *decoder)
{
    struct position at = decoder->at; /* a copy whose address stays here lets the compiler keep it in registers */
    const uint8_t *const op_end = decoder->op_end;
    const struct cptrace_event *const last = decoder->out_end - 1;
    while (at.out < last) {
        const uint8_t *const from = at.op;
        uint64_t op;
        if (UNLIKELY(!next_op(decoder, &at, op_end, &op) || !take_op(decoder, &at, op))) {
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
        take_fast_ops(decoder);
        if (decoder->at.out < decoder->out_end)
            status = cptrace_decoder_take_op(decoder);
    }
    return status;
}

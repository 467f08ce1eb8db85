/* The state of what decodes an events block: events_decode.c reads its columns, event_fast_ops.c the ops of nearly all events, and
 * event_ops.c any op. */
#ifndef CPTRACE_EVENTS_DECODER_H
#define CPTRACE_EVENTS_DECODER_H

#include <stddef.h>
#include <string.h>

#include "annotation_reader.h"
#include "bytes.h"
#include "cptrace/reader.h"
#include "frame.h"

/* An op below is one byte. */
#define SHORT_OP_LIMIT 0x80u

/* An entry of the column callee, but for its kind, and what events that push, or pop, its calls add to the context. */
struct callee {
    uint32_t function;
    uint16_t pushed, popped;
};

/* A block without contexts is read as if it had them: one for each callee, push or pop, and push or pop before, which the highest bit of
 * the context before tells. */
#define CONTEXT_POPPED_V2 (UINT32_C(1) << 31)
#define CONTEXT_NUMBER_MASK (CONTEXT_POPPED_V2 - 1)
static_assert((BLOCK_EVENTS_MAX + OPEN_CALLS_MAX + 1) * (uint64_t)DELTA_PLACES_V2 < CONTEXT_POPPED_V2, "numbers of contexts");

static inline uint32_t context_of_callee_v2(uint32_t callee, uint32_t pops)
{
    return DELTA_PLACES_V2 * (callee + 1) + 2 * pops + pops * CONTEXT_POPPED_V2;
}

/* Of contexts that no event had yet. Its deltas are wide ones for ever, so that nobody but who takes these asks whether a column is known.
 */
#define COLUMN_UNKNOWN DELTA_COLUMNS_MAX

/* Beside enum callee_kind: no callee has the number. */
#define CALLEE_NONE (CALLEE_LEAF + 1)

/* A call on the stack, or one that is suspended: its callee, and above it its activation (anything, for a plain call). One integer, which
 * is moved at once. */
#define CALL_ACTIVATION_SHIFT 32
#define CALL_NONE UINT64_MAX /* no callee has such a number */

static inline uint64_t call_of(uint32_t callee, uint32_t activation) { return (uint64_t)activation << CALL_ACTIVATION_SHIFT | callee; }
static inline uint32_t call_callee(uint64_t call) { return (uint32_t)call; }
static inline uint32_t call_activation(uint64_t call) { return (uint32_t)(call >> CALL_ACTIVATION_SHIFT); }

/* The suspensions that may wait form a list, newest first. Those that were resumed leave it when it is asked for its newest. */
struct cptrace_suspension {
    uint64_t call;  /* CALL_NONE: resumed */
    uint32_t below; /* the next one of the list */
};

/* What nearly every event changes. */
struct position {
    uint64_t tick;
    uint32_t context; /* of the event before */
    uint64_t *top;    /* behind the last call of the stack */
    struct cptrace_event *out;
    const uint8_t *op;
};

struct events_decoder {
    /* What is next in each column; first here, which saves an addition for each event. Whether columns were as long as their events asked
     * for is looked at in the end: up to then there is room behind them. */
    const uint8_t *delta[DELTA_COLUMNS_MAX + 1];
    const uint8_t *delta_end[DELTA_COLUMNS_MAX];
    uint32_t delta_columns;
    bool has_contexts;
    const struct cptrace_block *block;
    struct cptrace_events *out;
    struct cptrace_error *error;
    struct cursor start, resume, reopen, annotation, wide, context;
    struct callee *callees;
    uint8_t *callee_kinds; /* of all numbers that an op of one byte has, and of all callees */
    uint32_t callee_count;
    uint32_t suspension_count, newest_suspension;
    struct cptrace_suspension *suspensions; /* numbered from 1 on; 0 ends the list, and is as if it was resumed */
    uint64_t *stack;
    uint64_t last_tick, wide_tick; /* of the block, and of the last event yet whose delta was wide (at first: the first tick) */
    const uint8_t *op_end;
    const struct cptrace_event *out_end;
    struct position at;
    uint64_t next_activation, reopened_activation, reopened_start;
    struct cpu_base cpu_base;
    uint8_t *columns_v2;            /* as follows, of a block without contexts */
    uint8_t columns[CONTEXT_COUNT]; /* by context: which delta column */
};

enum cptrace_status cptrace_decoder_corrupt(const struct events_decoder *decoder, const char *what, const char *problem);
enum cptrace_status cptrace_decoder_no_memory(const struct events_decoder *decoder);

/* The next so many events, from decoder->at on. */
enum cptrace_status cptrace_decoder_take_events(struct events_decoder *decoder, uint32_t event_count);

/* The op at decoder->at: one event, two if a leaf is called, or none. */
enum cptrace_status cptrace_decoder_take_op(struct events_decoder *decoder);

/* The context of the next event, which pushes or pops a call. */
static inline uint32_t decoder_context(const struct events_decoder *decoder, uint32_t before, uint32_t callee, uint32_t pops,
                                       bool has_contexts)
{
    if (!has_contexts)
        return context_of_callee_v2(callee, pops) + (before >= CONTEXT_POPPED_V2);
    const struct callee *const entry = &decoder->callees[callee];
    return next_context(before, pops ? entry->popped : entry->pushed);
}

static inline uint32_t decoder_column(const struct events_decoder *decoder, uint32_t context, bool has_contexts)
{
    return has_contexts ? decoder->columns[context] : decoder->columns_v2[context & CONTEXT_NUMBER_MASK];
}

static inline void decoder_add_suspension(struct events_decoder *decoder, uint64_t call)
{
    const uint32_t number = ++decoder->suspension_count;
    decoder->suspensions[number] = (struct cptrace_suspension){call, decoder->newest_suspension};
    decoder->newest_suspension = number;
}

/* Value and op as they lie in an event: one integer, which takes one store. */
static inline uint64_t behind_tick(uint64_t op, uint32_t value)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (uint64_t)value << 32 | op << 24;
#else
    return op << 32 | value;
#endif
}
static_assert(offsetof(struct cptrace_event, op) == offsetof(struct cptrace_event, value) + 4 &&
                  sizeof(struct cptrace_event) == offsetof(struct cptrace_event, value) + 8,
              "value and op fill eight bytes");

static inline void put_event(struct position *at, uint64_t op, uint32_t value)
{
    const uint64_t behind = behind_tick(op, value);
    at->out->tick = at->tick;
    memcpy(&at->out->value, &behind, sizeof behind);
    at->out++;
}

#endif

/* The state of what decodes an events block: events_decode.c reads its columns, event_fast_ops.c the ops of nearly all events, and
 * event_ops.c any op. */
#ifndef CPTRACE_EVENTS_DECODER_H
#define CPTRACE_EVENTS_DECODER_H

#include "annotation_reader.h"
#include "bytes.h"
#include "cptrace/reader.h"
#include "frame.h"

/* An op below is one byte. */
#define SHORT_OP_LIMIT 0x80u

/* An entry of the column callee, but for its kind. */
struct callee {
    uint32_t function;
    uint8_t columns[DELTA_CONTEXTS];
};

/* Where the columns of events that push, or pop, stand in those of a callee. */
#define COLUMNS_PUSH 0
#define COLUMNS_POP 2

static inline uint32_t column_of(const struct callee *callee, size_t columns, size_t after_pop)
{
    return callee->columns[columns + after_pop];
}

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
    size_t after_pop; /* 1: the event before popped a call; else 0 */
    uint64_t *top;    /* behind the last call of the stack */
    struct cptrace_event *out;
    const uint8_t *op;
};

struct events_decoder {
    /* What is next in each column; first here, which saves an addition for each event. Whether columns were as long as their events asked
     * for is looked at in the end: up to then there is room behind them. */
    const uint8_t *delta[DELTA_COLUMNS_MAX];
    const uint8_t *delta_end[DELTA_COLUMNS_MAX];
    uint32_t delta_columns;
    const struct cptrace_block *block;
    struct cptrace_events *out;
    struct cptrace_error *error;
    struct cursor start, resume, reopen, annotation, wide;
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
};

enum cptrace_status cptrace_decoder_corrupt(const struct events_decoder *decoder, const char *what, const char *problem);
enum cptrace_status cptrace_decoder_no_memory(const struct events_decoder *decoder);

/* The next so many events, from decoder->at on. */
enum cptrace_status cptrace_decoder_take_events(struct events_decoder *decoder, uint32_t event_count);

/* The op at decoder->at: one event, two if a leaf is called, or none. */
enum cptrace_status cptrace_decoder_take_op(struct events_decoder *decoder);

static inline void decoder_add_suspension(struct events_decoder *decoder, uint64_t call)
{
    const uint32_t number = ++decoder->suspension_count;
    decoder->suspensions[number] = (struct cptrace_suspension){call, decoder->newest_suspension};
    decoder->newest_suspension = number;
}

/* Member by member: what lies between them need not be written. */
static inline void put_event(struct position *at, uint64_t op, uint32_t value)
{
    at->out->tick = at->tick;
    at->out->value = value;
    at->out->op = (uint8_t)op;
    at->out++;
}

#endif

/* Makes the body of an events block, SPEC.md 4.3, of the events that waited on a lane. Nothing of a block stays in it for the next, so that
 * writers take one for a block and put it back: those that wait for their next block need none, and its memory, some hundred pages, is not
 * asked for and given back with each run. */
#ifndef CPTRACE_EVENTS_ENCODER_H
#define CPTRACE_EVENTS_ENCODER_H

#include "byte_buffer.h"
#include "delta_columns.h"

struct events_encoder {
    uint32_t *numbers; /* of callees in the block + 1, by pending_callee; 0: not in this block yet */
    size_t number_count;
    uint64_t *steps; /* PENDING_CODES per function: how an event of it is written; 0: not known yet */
    size_t step_function_count;
    uint64_t *callees; /* in the block's order, as pending_callee has them */
    size_t callee_count, callee_capacity;
    struct delta_columns deltas;
    struct byte_buffer lengths, callee, open, op, start, resume, reopen, wide, code, context, bits;
};

/* What the columns of a block take at most besides events and open calls: code has four lengths of streams and a byte or two per delta,
 * context a byte per context. */
#define EVENTS_CODE_MAX_BYTES (DELTA_COLUMNS_MAX * (4 * VARINT_MAX_BYTES + 512) + CONTEXT_COUNT)

struct pending_block {
    const uint64_t *events; /* pending_event.h */
    uint32_t pending_count;
    uint32_t event_count;     /* leaves count twice */
    const uint64_t *operands; /* of long deltas, starts (activation), resumes (operand), reopens (activation, start tick), in event order */
    size_t operand_count;
    uint64_t first_tick;
    const struct byte_buffer *open; /* per call: callee as pending_callee has it, age, and the activation if it is one; varints */
    uint32_t open_count;
    size_t annotation_bytes;
};

/* One that nobody else uses until it is put back; NULL when there is no memory. */
struct events_encoder *cptrace_events_encoder_take(void);
void cptrace_events_encoder_put_back(struct events_encoder *encoder);

/* False when there is no memory. */
bool cptrace_events_encode(struct events_encoder *encoder, const struct pending_block *block);

#endif

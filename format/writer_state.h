/* What writer.c and lane_writer.c share. */
#ifndef CPTRACE_WRITER_STATE_H
#define CPTRACE_WRITER_STATE_H

#include "block_writer.h"
#include "definitions_writer.h"
#include "events_encoder.h"
#include "function_set.h"
#include "suspended_calls.h"
#include "suspension_order.h"

struct stack_entry {
    uint64_t start_tick;
    uint32_t function;
    uint32_t activation; /* or CPTRACE_NO_NUMBER */
};

/* Events of one lane that wait for their block to be full. The first line of members is all that a call or return touches. */
struct cptrace_lane_writer {
    uint64_t *event_at; /* where the next one goes, pending_event.h */
    uint64_t last_tick;
    uint32_t room; /* events that fit without any check */
    uint32_t depth;
    struct stack_entry *stack;
    uint64_t call_count;
    uint64_t saved_call_count; /* of them, in blocks that the sink took */

    uint64_t *events;
    size_t event_capacity;
    uint64_t *operands; /* as struct pending_block has them */
    size_t operand_count, operand_capacity;
    uint32_t granted;                                /* events of this block = granted - room; 0: no block is begun */
    uint32_t limit;                                  /* events of this block at most */
    uint64_t previous_cpu_ns, previous_switch_count; /* of the cpu annotation before, in this block */
    struct suspension_order suspensions;
    uint64_t block_stamp;
    uint64_t first_tick;
    struct byte_buffer open, annotation;
    size_t stack_capacity;
    uint32_t open_count;
    uint32_t number;
    bool is_listed; /* among the writer's waiting */
    struct cptrace_lane_writer *next_waiting;
    struct cptrace_writer *writer;
};

struct cptrace_writer {
    struct block_writer blocks;
    struct definitions_writer definitions;
    struct suspended_calls suspended;
    struct events_encoder *encoder;     /* while a block is written; else NULL */
    struct function_set mentioned;      /* by the block that is written */
    struct cptrace_lane_writer **lanes; /* that have begun */
    size_t lane_count, lane_capacity;
    struct cptrace_lane_writer *first_waiting, *last_waiting; /* lanes that began a block since the last flush */
    struct cptrace_calibration start, calibration;
    uint64_t events_written;
    uint64_t calls_before; /* by another writer, of which no lane here knows */
    uint64_t block_stamps; /* given out so far */
    uint32_t activation_count;
    uint32_t block_event_count;
    bool finished;
};

/* A writer that has written nothing, not even the header. NULL on failure, with the reason in error. */
struct cptrace_writer *cptrace_writer_allocate(struct cptrace_sink sink, const struct cptrace_writer_options *options,
                                               struct cptrace_error *error);

struct cptrace_lane_writer *cptrace_lane_create(struct cptrace_writer *writer, uint32_t number);
void cptrace_lane_free(struct cptrace_lane_writer *lane);
/* The lane has begun a block, which the next flush is to write. */
void cptrace_writer_await(struct cptrace_writer *writer, struct cptrace_lane_writer *lane);
/* Writes the events that wait, if any, as one block; false after an error. */
bool cptrace_lane_write_block(struct cptrace_lane_writer *lane);
uint32_t cptrace_lane_waiting(const struct cptrace_lane_writer *lane);
/* Takes back the room that was granted, so that the next event looks at the writer first. */
void cptrace_lane_stop(struct cptrace_lane_writer *lane);

/* Stores tick and op of an annotation. Returns where its bytes go, length first, with room for that and payload_bytes; then end tells
 * where they ended. NULL: not taken. */
uint8_t *cptrace_lane_begin_annotation(struct cptrace_lane_writer *lane, uint64_t tick, enum cptrace_annotation_kind kind,
                                       size_t payload_bytes);
void cptrace_lane_end_annotation(struct cptrace_lane_writer *lane, const uint8_t *end);

/* Writes the definitions that wait, if any. */
bool cptrace_writer_write_definitions(struct cptrace_writer *writer);
/* Writes one block, after an empty info block if that is still missing; stops all lanes when it fails. */
bool cptrace_writer_write_block(struct cptrace_writer *writer, struct index_block block, const struct block_piece *pieces,
                                size_t piece_count);
bool cptrace_writer_no_memory(struct cptrace_writer *writer);
/* Events can be taken: no error, not finished. */
bool cptrace_writer_live(const struct cptrace_writer *writer);

#endif

/* The hot side of the writer: an event is one store of eight bytes behind one check. */
#include <stdlib.h>
#include <string.h>

#include "cptrace/reader.h"
#include "error.h"
#include "frame.h"
#include "pending_event.h"
#include "writer_state.h"

/* Room is granted for this many events at once; for few at first, since many lanes may have few. */
#define GRANT_EVENTS 1024u
#define GRANT_EVENTS_FIRST 32u
#define MANY_EVENTS 8192u /* from there on there is room for a whole block: to grow step by step is to copy, and to ask for new pages */
#define OPERANDS_MAX 3    /* reopen after a long pause: delta, activation, start */

/* On disk, at most: op, delta and a callee of its own, with what reopen has besides. */
#define EVENT_MAX_BYTES (4 + 1 + VARINT_MAX_BYTES + 7)
#define OPERAND_MAX_BYTES (VARINT_MAX_BYTES + 4)
#define OPEN_MAX_BYTES 20        /* function, age, activation */
#define OPEN_NUMBER_MORE_BYTES 3 /* than the function has: the block's number of a callee takes at most 4 */
#define CALLEE_MAX_BYTES 7

/* Text makes a block full before its events do, so that memory stays bounded. */
#define BLOCK_ANNOTATION_BYTES (1u << 20)

/* With more lanes than this, blocks become smaller and idle lanes give their columns back. */
#define LANES_WITH_FULL_BLOCKS 8u
#define BLOCK_EVENTS_MIN 1024u

#define EVENTS_PIECES 12 /* of a block's content, besides its header */

#if defined(__GNUC__)
#define UNLIKELY(condition) __builtin_expect(condition, 0)
#else
#define UNLIKELY(condition) (condition)
#endif

struct cptrace_lane_writer *cptrace_lane_create(struct cptrace_writer *writer, uint32_t number)
{
    struct cptrace_lane_writer *const lane = calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->writer = writer;
    lane->number = number;
    lane->last_tick = writer->start.ticks;
    return lane;
}

static void free_pending(struct cptrace_lane_writer *lane)
{
    cptrace_buffer_free(&lane->open);
    cptrace_buffer_free(&lane->annotation);
    cptrace_suspension_order_free(&lane->suspensions);
    free(lane->events);
    free(lane->operands);
    lane->events = lane->event_at = lane->operands = NULL;
    lane->event_capacity = lane->operand_capacity = 0;
}

void cptrace_lane_free(struct cptrace_lane_writer *lane)
{
    if (!lane)
        return;
    free_pending(lane);
    free(lane->stack);
    free(lane);
}

uint32_t cptrace_lane_waiting(const struct cptrace_lane_writer *lane) { return lane->granted - lane->room; }

void cptrace_lane_stop(struct cptrace_lane_writer *lane)
{
    lane->granted -= lane->room;
    lane->room = 0;
}

static uint32_t block_limit(const struct cptrace_lane_writer *lane)
{
    const struct cptrace_writer *const writer = lane->writer;
    uint32_t limit = writer->block_event_count;
    if (writer->lane_count > LANES_WITH_FULL_BLOCKS && limit > BLOCK_EVENTS_MIN) {
        limit = (uint32_t)((uint64_t)limit * LANES_WITH_FULL_BLOCKS / writer->lane_count);
        if (limit < BLOCK_EVENTS_MIN)
            limit = BLOCK_EVENTS_MIN;
    }
    /* So that the snapshot never outweighs the events, however deep the recursion. */
    if (limit / 2 < lane->depth)
        limit = lane->depth > BLOCK_EVENTS_MAX / 2 ? BLOCK_EVENTS_MAX : lane->depth * 2;
    return limit;
}

/* At most, of the columns open and callee. Were this far more than they take, no room would be left for events: a deep stack would then be
 * written again for every few of them. */
static size_t open_bytes(const struct cptrace_lane_writer *lane)
{
    const size_t callees = 2 * (size_t)cptrace_definitions_count(&lane->writer->definitions, TABLE_FUNCTIONS); /* plain, activations */
    return lane->open.length + (size_t)lane->open_count * OPEN_NUMBER_MORE_BYTES +
           (callees < lane->open_count ? callees : lane->open_count) * CALLEE_MAX_BYTES;
}

/* At most, of the block's content. */
static size_t content_bytes(const struct cptrace_lane_writer *lane, uint32_t more_events)
{
    return EVENTS_HEADER_BYTES + EVENTS_LENGTHS_MAX_BYTES + EVENTS_CODE_MAX_BYTES + open_bytes(lane) + lane->annotation.length +
           ((size_t)lane->granted + more_events) * EVENT_MAX_BYTES +
           (lane->operand_count + (size_t)more_events * OPERANDS_MAX) * OPERAND_MAX_BYTES;
}

/* The stack as it is now, as struct pending_block has it. */
static bool snapshot_stack(struct cptrace_lane_writer *lane)
{
    struct byte_buffer *const open = &lane->open;
    open->length = 0;
    lane->open_count = lane->depth;
    if (!cptrace_buffer_reserve(open, (size_t)lane->depth * OPEN_MAX_BYTES))
        return cptrace_writer_no_memory(lane->writer);
    uint8_t *at = open->bytes;
    for (uint32_t i = 0; i < lane->depth; i++) {
        const struct stack_entry *const call = &lane->stack[i];
        const bool is_activation = call->activation != CPTRACE_NO_NUMBER;
        at = store_varint(at, (uint64_t)call->function << CALLEE_KIND_BITS | (is_activation ? CALLEE_ACTIVATION : CALLEE_PLAIN));
        at = store_varint(at, lane->first_tick - call->start_tick);
        if (is_activation)
            at = store_varint(at, call->activation);
    }
    open->length = lane->depth ? (size_t)(at - open->bytes) : 0;
    return true;
}

static bool begin_block(struct cptrace_lane_writer *lane, uint64_t tick)
{
    lane->limit = block_limit(lane);
    lane->operand_count = 0;
    lane->annotation.length = 0;
    suspension_order_reset(&lane->suspensions);
    lane->previous_cpu_ns = lane->previous_switch_count = 0;
    lane->block_stamp = ++lane->writer->block_stamps;
    cptrace_writer_await(lane->writer, lane);
    if (lane->last_tick < tick)
        lane->last_tick = tick;
    lane->first_tick = lane->last_tick;
    return snapshot_stack(lane);
}

static size_t pending_count(const struct cptrace_lane_writer *lane) { return (size_t)(lane->event_at - lane->events); }

static bool reserve_events(struct cptrace_lane_writer *lane, uint32_t events)
{
    const size_t pending = lane->events ? pending_count(lane) : 0;
    const size_t wanted = pending < MANY_EVENTS ? pending + events : lane->limit;
    if (!cptrace_array_reserve(&lane->events, &lane->event_capacity, wanted, sizeof *lane->events) ||
        !cptrace_array_reserve(&lane->operands, &lane->operand_capacity, lane->operand_count + (size_t)events * OPERANDS_MAX,
                               sizeof *lane->operands) ||
        !cptrace_array_reserve(&lane->stack, &lane->stack_capacity, (size_t)lane->depth + events, sizeof *lane->stack))
        return cptrace_writer_no_memory(lane->writer);
    lane->event_at = lane->events + pending;
    return true;
}

static uint32_t next_grant(const struct cptrace_lane_writer *lane)
{
    const uint32_t left = lane->limit - lane->granted;
    const uint32_t wanted = lane->granted < GRANT_EVENTS_FIRST ? GRANT_EVENTS_FIRST : lane->granted; /* as much again */
    const uint32_t grant = wanted < GRANT_EVENTS ? wanted : GRANT_EVENTS;
    return left < grant ? left : grant;
}

/* Called when the room is used up: makes more, in a new block if this one is full. False: the event is not taken. */
static bool make_room(struct cptrace_lane_writer *lane, uint64_t tick)
{
    if (!cptrace_writer_live(lane->writer))
        return false;
    if (lane->granted && (lane->granted >= lane->limit || content_bytes(lane, GRANT_EVENTS) > CPTRACE_CONTENT_MAX))
        if (!cptrace_lane_write_block(lane))
            return false;
    if (!lane->granted && !begin_block(lane, tick))
        return false;

    const uint32_t grant = next_grant(lane);
    if (!reserve_events(lane, grant))
        return false;
    lane->granted += grant;
    lane->room = grant;
    return true;
}

static void encode_events_header(const struct cptrace_lane_writer *lane, uint32_t event_count, uint8_t *header)
{
    uint8_t *at = store_u32(header, lane->number);
    at = store_u32(at, event_count);
    at = store_u64(at, lane->first_tick);
    at = store_u64(at, lane->last_tick);
    at = store_calibration(at, &lane->writer->calibration);
    store_u32(at, lane->open_count);
}

static void empty_block(struct cptrace_lane_writer *lane)
{
    lane->granted = lane->room = 0;
    if (lane->writer->lane_count > LANES_WITH_FULL_BLOCKS)
        free_pending(lane);
    lane->event_at = lane->events;
}

static bool encode(struct cptrace_lane_writer *lane, uint32_t event_count)
{
    const struct pending_block pending = {
        .events = lane->events,
        .pending_count = (uint32_t)pending_count(lane),
        .event_count = event_count,
        .operands = lane->operands,
        .operand_count = lane->operand_count,
        .first_tick = lane->first_tick,
        .open = &lane->open,
        .open_count = lane->open_count,
        .annotation_bytes = lane->annotation.length,
    };
    return cptrace_events_encode(lane->writer->encoder, &pending) || cptrace_writer_no_memory(lane->writer);
}

static size_t make_pieces(const struct cptrace_lane_writer *lane, const uint8_t *header, size_t header_bytes, struct block_piece *pieces)
{
    const struct events_encoder *const encoder = lane->writer->encoder;
    const struct byte_buffer *const columns[EVENTS_PIECES] = {
        &encoder->lengths, &encoder->callee,  &encoder->open, &encoder->op,   &encoder->start,   &encoder->resume,
        &encoder->reopen,  &lane->annotation, &encoder->wide, &encoder->code, &encoder->context, &encoder->bits,
    };
    pieces[0] = (struct block_piece){header, header_bytes};
    for (size_t i = 0; i < EVENTS_PIECES; i++)
        pieces[1 + i] = (struct block_piece){columns[i]->bytes, columns[i]->length};
    return 1 + EVENTS_PIECES;
}

static struct cursor column_of(const struct byte_buffer *column)
{
    return (struct cursor){column->bytes, column->bytes ? column->bytes + column->length : NULL};
}

/* The functions that the block mentions, for the index. */
static bool gather_functions(struct cptrace_writer *writer)
{
    const struct events_encoder *const encoder = writer->encoder;
    const uint32_t function_count = cptrace_definitions_count(&writer->definitions, TABLE_FUNCTIONS);
    return cptrace_function_set_gather(&writer->mentioned, column_of(&encoder->callee), CALLEE_KIND_BITS, 0, function_count) ||
           cptrace_writer_no_memory(writer);
}

static bool write_events(struct cptrace_lane_writer *lane, uint32_t event_count)
{
    uint8_t header[EVENTS_HEADER_BYTES - BLOCK_HEADER_BYTES];
    encode_events_header(lane, event_count, header);
    struct block_piece pieces[1 + EVENTS_PIECES];
    const size_t piece_count = make_pieces(lane, header, sizeof header, pieces);
    const struct index_block block = {
        .kind = CPTRACE_BLOCK_EVENTS,
        .lane = lane->number,
        .event_count = event_count,
        .first_tick = lane->first_tick,
        .last_tick = lane->last_tick,
        .calibration = lane->writer->calibration,
        .functions = column_of(&lane->writer->mentioned.runs),
    };
    return cptrace_writer_write_block(lane->writer, block, pieces, piece_count);
}

static bool encode_and_write(struct cptrace_lane_writer *lane, uint32_t event_count)
{
    struct cptrace_writer *const writer = lane->writer;
    writer->encoder = cptrace_events_encoder_take();
    if (!writer->encoder)
        return cptrace_writer_no_memory(writer);
    const bool is_written = encode(lane, event_count) && gather_functions(writer) && write_events(lane, event_count);
    cptrace_events_encoder_put_back(writer->encoder);
    writer->encoder = NULL;
    return is_written;
}

bool cptrace_lane_write_block(struct cptrace_lane_writer *lane)
{
    struct cptrace_writer *const writer = lane->writer;
    const uint32_t event_count = cptrace_lane_waiting(lane);
    if (event_count == 0)
        return cptrace_writer_live(writer);
    if (!cptrace_writer_write_definitions(writer) || !encode_and_write(lane, event_count))
        return false;
    writer->events_written += event_count;
    lane->saved_call_count = lane->call_count;
    empty_block(lane);
    return true;
}

/* More ticks than an event holds. */
static uint64_t keep_long_delta(struct cptrace_lane_writer *lane, uint64_t delta)
{
    lane->operands[lane->operand_count++] = delta;
    return PENDING_TICKS_LONG;
}

/* Stores one event; false: it is not taken. */
static inline bool put_event(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t code, uint32_t function)
{
    if (UNLIKELY(lane->room == 0) && !make_room(lane, tick))
        return false;
    lane->room--;
    uint64_t delta = tick > lane->last_tick ? tick - lane->last_tick : 0;
    lane->last_tick += delta;
    if (UNLIKELY(delta >= PENDING_TICKS_LONG))
        delta = keep_long_delta(lane, delta);
    *lane->event_at++ = pending_event(delta, code, function);
    return true;
}

static void put_operand(struct cptrace_lane_writer *lane, uint64_t value) { lane->operands[lane->operand_count++] = value; }

/* A throw or an annotation. */
static bool put_other(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t op)
{
    return put_event(lane, tick, PENDING_CODE_OTHER, PENDING_NO_FUNCTION + op);
}

static inline void push(struct cptrace_lane_writer *lane, uint64_t start_tick, uint32_t function, uint32_t activation)
{
    lane->stack[lane->depth++] = (struct stack_entry){start_tick, function, activation};
}

void cptrace_lane_call(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t function)
{
    if (function >= PENDING_NO_FUNCTION || !put_event(lane, tick, PENDING_CODE_CALL, function))
        return;
    push(lane, lane->last_tick, function, CPTRACE_NO_NUMBER);
    lane->call_count++;
}

static inline void pop(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t code)
{
    if (lane->depth == 0)
        return;
    const struct stack_entry call = lane->stack[lane->depth - 1];
    if (put_event(lane, tick, call.activation == CPTRACE_NO_NUMBER ? code : PENDING_ACTIVATION + code, call.function))
        lane->depth--;
}

/* A return right behind its call makes one event with it. */
static inline bool end_leaf(struct cptrace_lane_writer *lane, uint64_t tick)
{
    if (lane->room == 0 && (lane->granted >= lane->limit || !make_room(lane, tick)))
        return false;
    if (lane->event_at == lane->events || pending_code(lane->event_at[-1]) != PENDING_CODE_CALL)
        return false;
    const uint64_t call = lane->event_at[-1];
    uint64_t ticks = tick > lane->last_tick ? tick - lane->last_tick : 0;
    lane->last_tick += ticks;
    if (ticks >= PENDING_LEAF_TICKS_LONG) {
        put_operand(lane, ticks);
        ticks = PENDING_LEAF_TICKS_LONG;
    }
    lane->event_at[-1] = pending_leaf(pending_ticks(call), ticks, pending_function(call));
    lane->room--;
    lane->depth--;
    return true;
}

void cptrace_lane_return(struct cptrace_lane_writer *lane, uint64_t tick)
{
    if (!end_leaf(lane, tick))
        pop(lane, tick, CPTRACE_OP_RETURN);
}

void cptrace_lane_unwind(struct cptrace_lane_writer *lane, uint64_t tick) { pop(lane, tick, CPTRACE_OP_UNWIND); }

uint32_t cptrace_lane_start(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t function)
{
    struct cptrace_writer *const writer = lane->writer;
    if (writer->activation_count == CPTRACE_NO_NUMBER) { /* four thousand million generators: the next are plain calls */
        cptrace_lane_call(lane, tick, function);
        return CPTRACE_NO_NUMBER;
    }
    if (function >= PENDING_NO_FUNCTION || !put_event(lane, tick, PENDING_ACTIVATION + CPTRACE_OP_START, function))
        return CPTRACE_NO_NUMBER;
    const uint32_t activation = writer->activation_count++;
    put_operand(lane, activation);
    push(lane, lane->last_tick, function, activation);
    lane->call_count++;
    return activation;
}

void cptrace_lane_suspend(struct cptrace_lane_writer *lane, uint64_t tick)
{
    if (cptrace_lane_top_activation(lane) == CPTRACE_NO_NUMBER)
        return;
    const struct stack_entry call = lane->stack[lane->depth - 1];
    if (!put_event(lane, tick, PENDING_ACTIVATION + CPTRACE_OP_SUSPEND, call.function))
        return;
    lane->depth--;
    const struct suspended_call suspended = {call.activation, call.function, call.start_tick, lane->block_stamp,
                                             (uint32_t)lane->suspensions.count};
    if (!cptrace_suspension_add(&lane->suspensions) || !cptrace_suspended_add(&lane->writer->suspended, &suspended))
        cptrace_writer_no_memory(lane->writer);
}

bool cptrace_lane_resume(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t activation)
{
    struct cptrace_writer *const writer = lane->writer;
    struct suspended_call call;
    if (!cptrace_suspended_take(&writer->suspended, activation, &call))
        return false;                                        /* not suspended: its suspend was not seen, so it is still on a stack */
    if (UNLIKELY(lane->room == 0) && !make_room(lane, tick)) /* a new block knows no suspensions */
        return false;
    const bool is_known = call.block_stamp == lane->block_stamp;
    put_event(lane, tick, PENDING_ACTIVATION + (is_known ? CPTRACE_OP_RESUME : CPTRACE_OP_REOPEN), call.function);
    if (call.start_tick == START_TICK_UNKNOWN)
        call.start_tick = lane->last_tick;
    /* Another lane's clock may be ahead by a few ticks. */
    const uint64_t start_tick = call.start_tick < lane->last_tick ? call.start_tick : lane->last_tick;
    if (is_known) {
        put_operand(lane, suspension_resume_operand(&lane->suspensions, call.suspension));
    } else {
        put_operand(lane, activation);
        put_operand(lane, start_tick);
    }
    push(lane, start_tick, call.function, activation);
    return true;
}

void cptrace_lane_throw(struct cptrace_lane_writer *lane, uint64_t tick)
{
    if (lane->depth)
        put_other(lane, tick, CPTRACE_OP_THROW);
}

uint8_t *cptrace_lane_begin_annotation(struct cptrace_lane_writer *lane, uint64_t tick, enum cptrace_annotation_kind kind,
                                       size_t payload_bytes)
{
    if (lane->granted && lane->annotation.length + payload_bytes > BLOCK_ANNOTATION_BYTES)
        if (!cptrace_lane_write_block(lane))
            return NULL;
    if (!put_other(lane, tick, kind))
        return NULL;
    if (!cptrace_buffer_reserve(&lane->annotation, VARINT_MAX_BYTES + payload_bytes)) {
        cptrace_writer_no_memory(lane->writer);
        return NULL;
    }
    return lane->annotation.bytes + lane->annotation.length;
}

void cptrace_lane_end_annotation(struct cptrace_lane_writer *lane, const uint8_t *end)
{
    lane->annotation.length = (size_t)(end - lane->annotation.bytes);
}

uint32_t cptrace_lane_top_activation(const struct cptrace_lane_writer *lane)
{
    return lane->depth ? lane->stack[lane->depth - 1].activation : CPTRACE_NO_NUMBER;
}

uint32_t cptrace_lane_depth(const struct cptrace_lane_writer *lane) { return lane->depth; }

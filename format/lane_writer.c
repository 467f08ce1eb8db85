/* The hot side of the writer: an event is one or two varint stores behind one check. */
#include <stdlib.h>
#include <string.h>

#include "cptrace/reader.h"
#include "error.h"
#include "frame.h"
#include "writer_state.h"

/* Room is granted for this many events at once; the columns grow by what they really hold. */
#define GRANT_EVENTS 256u
#define OP_MAX_BYTES 5       /* 16 + a 32-bit function number */
#define OPERAND_MAX_BYTES 21 /* cpu: length, two varints */
#define OPEN_MAX_BYTES 20    /* function, age, activation */
static_assert(OPERAND_MAX_BYTES >= 5 + 5 + VARINT_MAX_BYTES, "reopen: activation, function, age");

/* Text makes a block full before its events do, so that memory stays bounded. */
#define BLOCK_OPERAND_BYTES (1u << 20)

/* With more lanes than this, blocks become smaller and idle lanes give their columns back. */
#define LANES_WITH_FULL_BLOCKS 8u
#define BLOCK_EVENTS_MIN 1024u

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

static void free_columns(struct cptrace_lane_writer *lane)
{
    cptrace_buffer_free(&lane->open);
    cptrace_buffer_free(&lane->op);
    cptrace_buffer_free(&lane->delta);
    cptrace_buffer_free(&lane->operand);
    lane->op_at = lane->delta_at = lane->operand_at = NULL;
}

void cptrace_lane_free(struct cptrace_lane_writer *lane)
{
    if (!lane)
        return;
    free_columns(lane);
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

static void sync_lengths(struct cptrace_lane_writer *lane)
{
    lane->op.length = lane->op.bytes ? (size_t)(lane->op_at - lane->op.bytes) : 0;
    lane->delta.length = lane->delta.bytes ? (size_t)(lane->delta_at - lane->delta.bytes) : 0;
    lane->operand.length = lane->operand.bytes ? (size_t)(lane->operand_at - lane->operand.bytes) : 0;
}

static size_t content_bytes(const struct cptrace_lane_writer *lane)
{
    return EVENTS_HEADER_BYTES + lane->open.length + lane->op.length + lane->delta.length + lane->operand.length;
}

/* The column open: the stack as it is now. */
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
        at = store_varint(at, call->function);
        at = store_varint(at, lane->first_tick - call->start_tick);
        at = store_varint(at, call->activation == CPTRACE_NO_NUMBER ? 0 : call->activation + UINT64_C(1));
    }
    open->length = lane->depth ? (size_t)(at - open->bytes) : 0;
    return true;
}

static bool begin_block(struct cptrace_lane_writer *lane, uint64_t tick)
{
    lane->limit = block_limit(lane);
    lane->previous_activation = 0;
    lane->previous_cpu_ns = lane->previous_switch_count = 0;
    lane->block_stamp = ++lane->writer->block_stamps;
    if (lane->last_tick < tick)
        lane->last_tick = tick;
    lane->first_tick = lane->last_tick;
    return snapshot_stack(lane);
}

static bool reserve_events(struct cptrace_lane_writer *lane, uint32_t events)
{
    if (!cptrace_buffer_reserve(&lane->op, (size_t)events * OP_MAX_BYTES) ||
        !cptrace_buffer_reserve(&lane->delta, (size_t)events * VARINT_MAX_BYTES) ||
        !cptrace_buffer_reserve(&lane->operand, (size_t)events * OPERAND_MAX_BYTES) ||
        !cptrace_array_reserve(&lane->stack, &lane->stack_capacity, (size_t)lane->depth + events, sizeof *lane->stack))
        return cptrace_writer_no_memory(lane->writer);
    lane->op_at = lane->op.bytes + lane->op.length;
    lane->delta_at = lane->delta.bytes + lane->delta.length;
    lane->operand_at = lane->operand.bytes + lane->operand.length;
    return true;
}

/* Called when the room is used up: makes more, in a new block if this one is full. False: the event is not taken. */
static bool make_room(struct cptrace_lane_writer *lane, uint64_t tick)
{
    if (!cptrace_writer_live(lane->writer))
        return false;
    sync_lengths(lane);
    const size_t grant_bytes = GRANT_EVENTS * (OP_MAX_BYTES + VARINT_MAX_BYTES + OPERAND_MAX_BYTES);
    if (lane->granted && (lane->granted >= lane->limit || content_bytes(lane) + grant_bytes > CPTRACE_CONTENT_MAX))
        if (!cptrace_lane_write_block(lane))
            return false;
    if (!lane->granted && !begin_block(lane, tick))
        return false;

    const uint32_t left = lane->limit - lane->granted;
    const uint32_t grant = left < GRANT_EVENTS ? left : GRANT_EVENTS;
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
    at = store_u32(at, lane->open_count);
    at = store_u32(at, (uint32_t)lane->open.length);
    at = store_u32(at, (uint32_t)lane->op.length);
    at = store_u32(at, (uint32_t)lane->delta.length);
    store_u32(at, (uint32_t)lane->operand.length);
}

static void empty_columns(struct cptrace_lane_writer *lane)
{
    lane->granted = lane->room = 0;
    if (lane->writer->lane_count > LANES_WITH_FULL_BLOCKS)
        free_columns(lane);
    lane->op_at = lane->op.bytes;
    lane->delta_at = lane->delta.bytes;
    lane->operand_at = lane->operand.bytes;
    sync_lengths(lane);
}

bool cptrace_lane_write_block(struct cptrace_lane_writer *lane)
{
    struct cptrace_writer *const writer = lane->writer;
    const uint32_t event_count = cptrace_lane_waiting(lane);
    if (event_count == 0)
        return cptrace_writer_live(writer);
    sync_lengths(lane);
    uint8_t header[EVENTS_HEADER_BYTES - BLOCK_HEADER_BYTES];
    encode_events_header(lane, event_count, header);
    const struct block_piece pieces[] = {
        {header, sizeof header},
        {lane->open.bytes, lane->open.length},
        {lane->op.bytes, lane->op.length},
        {lane->delta.bytes, lane->delta.length},
        {lane->operand.bytes, lane->operand.length},
    };
    const struct index_block block = {
        .kind = CPTRACE_BLOCK_EVENTS,
        .lane = lane->number,
        .event_count = event_count,
        .first_tick = lane->first_tick,
        .last_tick = lane->last_tick,
    };
    if (!cptrace_writer_write_definitions(writer) || !cptrace_writer_write_block(writer, block, pieces, sizeof pieces / sizeof *pieces))
        return false;
    writer->events_written += event_count;
    lane->saved_call_count = lane->call_count;
    empty_columns(lane);
    return true;
}

/* Stores the time of one event; its op follows. */
static inline bool event_begin(struct cptrace_lane_writer *lane, uint64_t tick)
{
    if (UNLIKELY(lane->room == 0) && !make_room(lane, tick))
        return false;
    lane->room--;
    const uint64_t delta = tick > lane->last_tick ? tick - lane->last_tick : 0;
    lane->last_tick += delta;
    lane->delta_at = store_varint(lane->delta_at, delta);
    return true;
}

static inline void push(struct cptrace_lane_writer *lane, uint64_t start_tick, uint32_t function, uint32_t activation)
{
    lane->stack[lane->depth++] = (struct stack_entry){start_tick, function, activation};
}

static inline void put_op(struct cptrace_lane_writer *lane, enum cptrace_op op) { *lane->op_at++ = (uint8_t)op; }

static inline void put_operand(struct cptrace_lane_writer *lane, uint64_t value)
{
    lane->operand_at = store_varint(lane->operand_at, value);
}

static void put_activation(struct cptrace_lane_writer *lane, uint32_t activation)
{
    put_operand(lane, zigzag((int64_t)activation - (int64_t)lane->previous_activation));
    lane->previous_activation = activation;
}

void cptrace_lane_call(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t function)
{
    if (function == CPTRACE_NO_NUMBER || !event_begin(lane, tick))
        return;
    lane->op_at = store_varint(lane->op_at, (uint64_t)CPTRACE_OP_CALL + function);
    push(lane, lane->last_tick, function, CPTRACE_NO_NUMBER);
    lane->call_count++;
}

void cptrace_lane_return(struct cptrace_lane_writer *lane, uint64_t tick)
{
    if (lane->depth == 0 || !event_begin(lane, tick))
        return;
    put_op(lane, CPTRACE_OP_RETURN);
    lane->depth--;
}

void cptrace_lane_unwind(struct cptrace_lane_writer *lane, uint64_t tick)
{
    if (lane->depth == 0 || !event_begin(lane, tick))
        return;
    put_op(lane, CPTRACE_OP_UNWIND);
    lane->depth--;
}

uint32_t cptrace_lane_start(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t function)
{
    struct cptrace_writer *const writer = lane->writer;
    if (writer->activation_count == CPTRACE_NO_NUMBER) { /* four thousand million generators: the next are plain calls */
        cptrace_lane_call(lane, tick, function);
        return CPTRACE_NO_NUMBER;
    }
    if (function == CPTRACE_NO_NUMBER || !event_begin(lane, tick))
        return CPTRACE_NO_NUMBER;
    const uint32_t activation = writer->activation_count++;
    put_op(lane, CPTRACE_OP_START);
    put_activation(lane, activation);
    put_operand(lane, function);
    push(lane, lane->last_tick, function, activation);
    lane->call_count++;
    return activation;
}

void cptrace_lane_suspend(struct cptrace_lane_writer *lane, uint64_t tick)
{
    if (cptrace_lane_top_activation(lane) == CPTRACE_NO_NUMBER || !event_begin(lane, tick))
        return;
    put_op(lane, CPTRACE_OP_SUSPEND);
    const struct stack_entry *const call = &lane->stack[--lane->depth];
    const struct suspended_call suspended = {call->activation, call->function, call->start_tick, lane->block_stamp};
    if (!cptrace_suspended_add(&lane->writer->suspended, &suspended))
        cptrace_writer_no_memory(lane->writer);
}

bool cptrace_lane_resume(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t activation)
{
    struct cptrace_writer *const writer = lane->writer;
    struct suspended_call call;
    if (!cptrace_suspended_take(&writer->suspended, activation, &call))
        return false; /* not suspended: its suspend was not seen, so it is still on a stack */
    if (!event_begin(lane, tick))
        return false;
    if (call.start_tick == START_TICK_UNKNOWN)
        call.start_tick = lane->last_tick;
    /* Another lane's clock may be ahead by a few ticks. */
    const uint64_t start_tick = call.start_tick < lane->last_tick ? call.start_tick : lane->last_tick;
    if (call.block_stamp == lane->block_stamp) {
        put_op(lane, CPTRACE_OP_RESUME);
        put_activation(lane, activation);
    } else {
        put_op(lane, CPTRACE_OP_REOPEN);
        put_activation(lane, activation);
        put_operand(lane, call.function);
        put_operand(lane, lane->last_tick - start_tick);
    }
    push(lane, start_tick, call.function, activation);
    return true;
}

void cptrace_lane_throw(struct cptrace_lane_writer *lane, uint64_t tick)
{
    if (lane->depth == 0 || !event_begin(lane, tick))
        return;
    put_op(lane, CPTRACE_OP_THROW);
}

uint8_t *cptrace_lane_begin_annotation(struct cptrace_lane_writer *lane, uint64_t tick, enum cptrace_annotation_kind kind,
                                       size_t payload_bytes)
{
    if (lane->granted && (size_t)(lane->operand_at - lane->operand.bytes) + payload_bytes > BLOCK_OPERAND_BYTES)
        if (!cptrace_lane_write_block(lane))
            return NULL;
    if (!event_begin(lane, tick))
        return NULL;
    put_op(lane, (enum cptrace_op)kind);
    sync_lengths(lane);
    const size_t events = (size_t)lane->room + 1;
    if (!cptrace_buffer_reserve(&lane->operand, events * OPERAND_MAX_BYTES + payload_bytes)) {
        cptrace_writer_no_memory(lane->writer);
        return NULL;
    }
    return lane->operand.bytes + lane->operand.length;
}

void cptrace_lane_end_annotation(struct cptrace_lane_writer *lane, uint8_t *at) { lane->operand_at = at; }

uint32_t cptrace_lane_top_activation(const struct cptrace_lane_writer *lane)
{
    return lane->depth ? lane->stack[lane->depth - 1].activation : CPTRACE_NO_NUMBER;
}

uint32_t cptrace_lane_depth(const struct cptrace_lane_writer *lane) { return lane->depth; }

/* Nearly all records of a ring: calls that end in order, and generators and coroutines, while they go on in the block they were suspended
 * in. What is done to lane and writer is the same as in ring_record.c, lane_stack.c and lane_writer.c, but one loop does it for as many
 * records as follow each other. Where anything is out of the ordinary, the loop leaves the record to them. */
#include <assert.h>

#include "pending_event.h"
#include "transcoder.h"
#include "writer_state.h"

/* So that the registers of the loop are its own. */
#if defined(__GNUC__)
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE
#endif

static_assert(CPTRACE_RING_UNWIND - CPTRACE_RING_RETURN == CPTRACE_OP_UNWIND &&
                  CPTRACE_RING_SUSPEND - CPTRACE_RING_RETURN == CPTRACE_OP_SUSPEND,
              "pop_code");

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* How many records may follow each other without a look at the room that they need. */
static uint64_t common_room(const struct lane_stack *lane)
{
    if (lane->sieve || lane->ending_count || lane->depth != lane->writer->depth)
        return 0;
    return least(lane->writer->room, lane->capacity - lane->depth);
}

static void put_operand(struct cptrace_lane_writer *writer, uint64_t value) { writer->operands[writer->operand_count++] = value; }

static bool suspend(struct cptrace_lane_writer *writer, const struct stack_entry *call)
{
    struct suspension_order *const order = &writer->suspensions;
    if (order->count == order->capacity)
        return false;
    struct suspended_call *const slot = cptrace_suspended_add_at_home(&writer->writer->suspended, call->activation);
    if (!slot)
        return false;
    *slot = (struct suspended_call){call->activation, call->function, call->start_tick, writer->block_stamp, (uint32_t)order->count};
    return cptrace_suspension_add(order);
}

static bool end_frame(struct frame_table *table, uint64_t address)
{
    struct frame_entry *const frame = cptrace_frame_find(table, address);
    if (frame && frame->first_span)
        return false;
    if (frame)
        cptrace_frame_remove(table, frame);
    return true;
}

/* A return, an unwind or a suspend of the generator or coroutine on top; false: nothing is done. */
static NOINLINE bool pop_frame(struct run_frames *run, const struct lane_stack *lane, uint32_t op, const struct open_call *call,
                               const struct stack_entry *entry)
{
    if (entry->activation == CPTRACE_NO_NUMBER)
        return false;
    return op == CPTRACE_RING_SUSPEND ? suspend(lane->writer, entry) : end_frame(&run->table, call->identity);
}

static bool resume(const struct frame_table *table, struct cptrace_lane_writer *writer, uint32_t function, uint64_t address,
                   struct stack_entry *entry)
{
    const struct frame_entry *const frame = cptrace_frame_find(table, address);
    if (!frame || frame->function != function || frame->activation == CPTRACE_NO_NUMBER || frame->left_out || frame->first_span)
        return false;
    struct suspended_calls *const suspended = &writer->writer->suspended;
    struct suspended_call *const call = cptrace_suspended_find_at_home(suspended, frame->activation);
    if (!call || call->block_stamp != writer->block_stamp || call->function != function)
        return false;
    *entry = (struct stack_entry){least(call->start_tick, entry->start_tick), function, call->activation};
    put_operand(writer, suspension_resume_operand(&writer->suspensions, call->suspension));
    cptrace_suspended_release(suspended, call);
    return true;
}

static bool start(struct frame_table *table, struct lane_stack *lane, uint32_t function, uint64_t address, struct stack_entry *entry)
{
    struct cptrace_writer *const writer = lane->writer->writer;
    struct frame_entry *const frame = writer->activation_count != CPTRACE_NO_NUMBER ? cptrace_frame_put(table, address) : NULL;
    if (!frame || frame->first_span)
        return false;
    lane->task_creator = frame->task_creator;
    *frame = (struct frame_entry){.address = address, .activation = writer->activation_count++, .function = function};
    put_operand(lane->writer, frame->activation);
    entry->activation = frame->activation;
    return true;
}

/* A start or a resume; *entry is what stands on the stack of the writer if it begins now. false: nothing is done. */
static NOINLINE bool push_frame(struct run_frames *run, struct lane_stack *lane, uint32_t op, uint32_t function, uint64_t address,
                                struct stack_entry *entry)
{
    if (!address || function >= PENDING_NO_FUNCTION)
        return false;
    if (op == CPTRACE_RING_RESUME)
        return resume(&run->table, lane->writer, function, address, entry);
    return op == CPTRACE_RING_START && start(&run->table, lane, function, address, entry);
}

static inline bool is_top(const struct open_call *call, const struct stack_entry *entry, uint32_t function, enum open_kind kind)
{
    return call[-1].function == function && call[-1].kind == kind && entry[-1].function == function;
}

/* The record behind that of a call returns from it, so that no stack need know: half of all calls, in most programs. */
static inline bool is_leaf(struct cptrace_ring_slot call, struct cptrace_ring_slot end, uint64_t last_tick)
{
    return end.word == call.word + (CPTRACE_RING_RETURN - CPTRACE_RING_CALL) && end.tick >= call.tick && end.tick <= last_tick;
}

static inline uint64_t leaf_ticks(struct cptrace_lane_writer *writer, uint64_t ticks)
{
    if (ticks < PENDING_LEAF_TICKS_LONG)
        return ticks;
    put_operand(writer, ticks);
    return PENDING_LEAF_TICKS_LONG;
}

/* The call that it returns from came last, as the last of the records that were taken at once. */
static inline bool ends_leaf(const struct cptrace_lane_writer *writer, struct cptrace_ring_slot slot)
{
    return (slot.word & 0xff) == CPTRACE_RING_RETURN && writer->event_at > writer->events &&
           pending_code(writer->event_at[-1]) == PENDING_CODE_CALL;
}

uint64_t cptrace_ring_take_common(struct cptrace_transcoder *transcoder, const struct ring_reading *reading, uint64_t at, uint64_t end,
                                  uint64_t last_tick)
{
    struct lane_stack *const lane = reading->lane;
    struct cptrace_lane_writer *const writer = lane->writer;
    const uint64_t first = at & reading->mask;
    const uint64_t count = least(least(end - at, reading->mask + 1 - first), common_room(lane));
    if (count == 0 || ends_leaf(writer, reading->slots[first]))
        return at;
    const uint32_t *const functions = transcoder->function_numbers;
    const uint64_t function_capacity = transcoder->function_capacity;
    struct open_call *call = lane->calls + lane->depth;
    struct stack_entry *entry = writer->stack + lane->depth;
    const struct open_call *const first_call = lane->calls;
    uint64_t tick = writer->last_tick, resume_count = 0, leaf_count = 0;
    uint64_t *event = writer->event_at;
    const struct cptrace_ring_slot *next = reading->slots + first, *const next_end = next + count;
    for (; next < next_end; next++) {
        const struct cptrace_ring_slot slot = *next;
        const uint32_t op = slot.word & 0xff, pop_code = op - CPTRACE_RING_RETURN;
        const uint64_t number = slot.word >> 8, ticks = slot.tick - tick; /* beyond all limits when time went backwards */
        if (slot.tick > last_tick || number >= function_capacity || ticks >= PENDING_TICKS_LONG)
            break;
        const uint32_t function = functions[number] - 1; /* beyond PENDING_NO_FUNCTION: nothing defined it, or it is left out */
        if (op == CPTRACE_RING_CALL && function < PENDING_NO_FUNCTION) {
            if (next + 1 < next_end && is_leaf(slot, next[1], last_tick)) {
                next++;
                tick = next->tick;
                *event++ = pending_leaf(ticks, leaf_ticks(writer, tick - slot.tick), function);
                leaf_count++;
                continue;
            }
            *call++ = (struct open_call){.function = function, .kind = OPEN_CALL};
            *entry++ = (struct stack_entry){slot.tick, function, CPTRACE_NO_NUMBER};
            *event++ = pending_event(ticks, PENDING_CODE_CALL, function);
        } else if (pop_code <= CPTRACE_OP_UNWIND && call > first_call && is_top(call, entry, function, OPEN_CALL) &&
                   entry[-1].activation == CPTRACE_NO_NUMBER) {
            call--;
            entry--;
            *event++ = pending_event(ticks, pop_code, function);
        } else if (pop_code <= CPTRACE_OP_SUSPEND && call > first_call && is_top(call, entry, function, OPEN_FRAME) &&
                   pop_frame(&transcoder->run, lane, op, call - 1, entry - 1)) {
            call--;
            entry--;
            *event++ = pending_event(ticks, PENDING_ACTIVATION + pop_code, function);
        } else if (next + 1 < next_end) {
            *entry = (struct stack_entry){.start_tick = slot.tick, .function = function};
            if (!push_frame(&transcoder->run, lane, op, function, next[1].tick, entry))
                break;
            next++;
            *call++ = (struct open_call){.function = function, .kind = OPEN_FRAME, .identity = next->tick};
            entry++;
            *event++ =
                pending_event(ticks, PENDING_ACTIVATION + (op == CPTRACE_RING_START ? CPTRACE_OP_START : CPTRACE_OP_RESUME), function);
            resume_count += op == CPTRACE_RING_RESUME;
        } else {
            break;
        }
        tick = slot.tick;
    }
    const uint64_t taken = (uint64_t)(event - writer->event_at) + leaf_count, depth = (uint64_t)(call - lane->calls);
    writer->call_count += (taken + depth - lane->depth) / 2 - resume_count;
    writer->room -= (uint32_t)taken;
    writer->event_at = event;
    writer->last_tick = tick;
    lane->depth = (size_t)depth;
    writer->depth = (uint32_t)depth;
    return at + count - (uint64_t)(next_end - next);
}

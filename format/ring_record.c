/* The records of a ring, include/cptrace/ring.h: each is read, checked and handed to the stack of its lane. */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "transcoder.h"

#define COUNTER_VALUE_BYTES 8

static bool map_function(struct cptrace_transcoder *transcoder, uint32_t process_number, uint32_t file_number)
{
    if (process_number >= transcoder->function_capacity) {
        size_t capacity = transcoder->function_capacity ? transcoder->function_capacity : 256;
        while (capacity <= process_number)
            capacity *= 2;
        uint32_t *numbers = realloc(transcoder->function_numbers, capacity * sizeof *numbers);
        if (!numbers)
            return false;
        memset(numbers + transcoder->function_capacity, 0, (capacity - transcoder->function_capacity) * sizeof *numbers);
        transcoder->function_numbers = numbers;
        transcoder->function_capacity = capacity;
    }
    transcoder->function_numbers[process_number] = file_number + 1;
    return true;
}

static struct cptrace_string take_string(const uint8_t **at, uint16_t length)
{
    struct cptrace_string string = {(const char *)*at, length};
    *at += length;
    return string;
}

static enum cptrace_status define_recorded(struct cptrace_transcoder *transcoder, const struct cptrace_ring_function *fixed,
                                           const uint8_t *strings)
{
    const uint8_t *at = strings;
    struct cptrace_function function = {.line = fixed->line, .category = fixed->category, .flags = fixed->flags, .file = CPTRACE_NO_NUMBER};
    function.qualified_name = take_string(&at, fixed->qualified_name_bytes);
    function.module = take_string(&at, fixed->module_bytes);
    function.library = take_string(&at, fixed->library_bytes);
    const struct cptrace_string path = take_string(&at, fixed->path_bytes);
    if (path.length)
        function.file = cptrace_writer_define_file(transcoder->run.writer, path, fixed->file_size_bytes, fixed->file_mtime_ns);
    const uint32_t number = cptrace_writer_define_function(transcoder->run.writer, &function);
    if (number == CPTRACE_NO_NUMBER)
        return cptrace_writer_status(transcoder->run.writer);
    return map_function(transcoder, fixed->number, number) ? CPTRACE_OK : CPTRACE_NO_MEMORY;
}

static enum cptrace_status define_function(struct cptrace_transcoder *transcoder, const uint8_t *bytes, size_t length, bool left_out)
{
    struct cptrace_ring_function fixed;
    if (length < sizeof fixed)
        return CPTRACE_CORRUPT;
    memcpy(&fixed, bytes, sizeof fixed);
    const size_t strings = (size_t)fixed.qualified_name_bytes + fixed.module_bytes + fixed.library_bytes + fixed.path_bytes;
    if (length != sizeof fixed + strings || fixed.number > transcoder->function_number_max)
        return CPTRACE_CORRUPT;
    if (fixed.number < transcoder->function_capacity && transcoder->function_numbers[fixed.number])
        return CPTRACE_OK; /* each lane's ring carries its own definitions */
    if (!left_out)
        return define_recorded(transcoder, &fixed, bytes + sizeof fixed);
    const bool done =
        cptrace_transcoder_begin_sieving(transcoder) && map_function(transcoder, fixed.number, FUNCTION_LEFT_OUT | fixed.number);
    return done ? CPTRACE_OK : CPTRACE_NO_MEMORY;
}

/* Copies the bytes behind a record's first slot out of the ring, where they may wrap. NULL: no memory. */
static const uint8_t *copy_payload(struct cptrace_transcoder *transcoder, const struct cptrace_ring_slot *slots, uint64_t mask,
                                   uint64_t first_slot, size_t length)
{
    const size_t slot_count = (length + sizeof *slots - 1) / sizeof *slots;
    const size_t padded = slot_count ? slot_count * sizeof *slots : sizeof *slots;
    if (padded > transcoder->payload_capacity) {
        uint8_t *larger = realloc(transcoder->payload, padded);
        if (!larger)
            return NULL;
        transcoder->payload = larger;
        transcoder->payload_capacity = padded;
    }
    for (size_t i = 0; i < slot_count; i++)
        memcpy(transcoder->payload + i * sizeof *slots, &slots[(first_slot + i) & mask], sizeof *slots);
    return transcoder->payload;
}

static enum cptrace_status take_counter(struct lane_stack *lane, uint64_t tick, struct cptrace_string payload)
{
    if (payload.length < COUNTER_VALUE_BYTES)
        return CPTRACE_CORRUPT;
    const uint64_t bits = load_u64((const uint8_t *)payload.bytes);
    double value;
    memcpy(&value, &bits, sizeof value);
    const struct cptrace_string name = {payload.bytes + COUNTER_VALUE_BYTES, payload.length - COUNTER_VALUE_BYTES};
    cptrace_lane_counter(lane->writer, tick, value, name);
    return CPTRACE_OK;
}

/* What carries text about a lane. Where it stands in the file, the calls around it must stand too. */
static enum cptrace_status take_text(struct cptrace_transcoder *transcoder, struct lane_stack *lane, enum cptrace_ring_op op, uint64_t tick,
                                     struct cptrace_string text)
{
    if (op == CPTRACE_RING_ARGUMENTS && lane->sieve && cptrace_sieve_top_is_left_out(lane->sieve))
        return CPTRACE_OK;
    if (lane->sieve)
        cptrace_sieve_commit(lane->sieve);
    if (op == CPTRACE_RING_COUNTER)
        return take_counter(lane, tick, text);
    if (op == CPTRACE_RING_MARK)
        cptrace_lane_mark(lane->writer, tick, text);
    else if (op == CPTRACE_RING_ARGUMENTS)
        cptrace_lane_arguments(lane->writer, tick, text);
    else
        cptrace_lane_stack_name_task(&transcoder->run, lane, text);
    return CPTRACE_OK;
}

/* A record that is followed by its bytes. */
static enum cptrace_status take_payload(struct cptrace_transcoder *transcoder, struct lane_stack *lane, enum cptrace_ring_op op,
                                        uint64_t tick, const uint8_t *bytes, size_t length)
{
    if (!bytes)
        return CPTRACE_NO_MEMORY;
    if (op == CPTRACE_RING_DEFINE || op == CPTRACE_RING_DEFINE_OMITTED)
        return define_function(transcoder, bytes, length, op == CPTRACE_RING_DEFINE_OMITTED);
    return take_text(transcoder, lane, op, tick, (struct cptrace_string){(const char *)bytes, (uint32_t)length});
}

/* A record of two slots whose operand is no function. */
static bool take_pair(struct cptrace_transcoder *transcoder, struct lane_stack *lane, struct cptrace_ring_slot slot, uint64_t second,
                      uint64_t at)
{
    const uint64_t operand = slot.word >> 8;
    if ((slot.word & 0xff) == CPTRACE_RING_TASK)
        return cptrace_lane_stack_task(&transcoder->run, lane, second);
    if (lane->sieve)
        return cptrace_sieve_cpu(lane->sieve, slot.tick, operand, second, at);
    cptrace_lane_cpu(lane->writer, slot.tick, operand, second);
    return true;
}

/* A record of a frame: its address stands in the second slot. */
static bool take_frame(struct cptrace_transcoder *transcoder, struct lane_stack *lane, enum cptrace_ring_op op, uint64_t tick,
                       uint32_t function, uint64_t address)
{
    if (op == CPTRACE_RING_START)
        return cptrace_lane_stack_start(&transcoder->run, lane, tick, function, address);
    return cptrace_lane_stack_resume(&transcoder->run, lane, tick, function, address, op == CPTRACE_RING_THROW);
}

/* A record of one slot whose operand is a function. */
static bool take_event(struct cptrace_transcoder *transcoder, struct lane_stack *lane, enum cptrace_ring_op op, uint64_t tick,
                       uint32_t function, uint64_t at)
{
    switch (op) {
    case CPTRACE_RING_CALL:
        return cptrace_lane_stack_call(lane, tick, function, at);
    case CPTRACE_RING_SUSPEND:
        return cptrace_lane_stack_suspend(&transcoder->run, lane, tick, function);
    case CPTRACE_RING_SPAN_BEGIN:
        return cptrace_lane_stack_begin_span(lane, tick, function);
    case CPTRACE_RING_SPAN_END:
        cptrace_lane_stack_end_span(&transcoder->run, lane, tick, function);
        return true;
    default:
        cptrace_lane_stack_end(&transcoder->run, lane, tick, function, op == CPTRACE_RING_UNWIND);
        return true;
    }
}

/* Of a record that carries so many bytes. */
static uint64_t payload_slots(uint64_t byte_count)
{
    return 1 + (byte_count + sizeof(struct cptrace_ring_slot) - 1) / sizeof(struct cptrace_ring_slot);
}

/* What the slots of a record are, by its op. */
enum record_shape { SHAPE_NONE, SHAPE_EVENT, SHAPE_FRAME, SHAPE_PAIR, SHAPE_PAYLOAD };

static enum record_shape shape_of(enum cptrace_ring_op op)
{
    static const uint8_t shapes[] = {
        [CPTRACE_RING_CALL] = SHAPE_EVENT,
        [CPTRACE_RING_RETURN] = SHAPE_EVENT,
        [CPTRACE_RING_UNWIND] = SHAPE_EVENT,
        [CPTRACE_RING_SUSPEND] = SHAPE_EVENT,
        [CPTRACE_RING_START] = SHAPE_FRAME,
        [CPTRACE_RING_RESUME] = SHAPE_FRAME,
        [CPTRACE_RING_THROW] = SHAPE_FRAME,
        [CPTRACE_RING_DEFINE] = SHAPE_PAYLOAD,
        [CPTRACE_RING_CPU] = SHAPE_PAIR,
        [CPTRACE_RING_MARK] = SHAPE_PAYLOAD,
        [CPTRACE_RING_COUNTER] = SHAPE_PAYLOAD,
        [CPTRACE_RING_ARGUMENTS] = SHAPE_PAYLOAD,
        [CPTRACE_RING_DEFINE_OMITTED] = SHAPE_PAYLOAD,
        [CPTRACE_RING_SPAN_BEGIN] = SHAPE_EVENT,
        [CPTRACE_RING_SPAN_END] = SHAPE_EVENT,
        [CPTRACE_RING_TASK] = SHAPE_PAIR,
        [CPTRACE_RING_TASK_NAME] = SHAPE_PAYLOAD,
    };
    return (size_t)op < sizeof shapes ? (enum record_shape)shapes[op] : SHAPE_NONE;
}

uint64_t cptrace_ring_call_count(struct cptrace_ring *ring, uint64_t from, uint64_t to)
{
    const struct cptrace_ring_slot *const slots = cptrace_ring_slots(ring);
    uint64_t count = 0;
    while (from < to) {
        const uint64_t word = slots[from & (ring->capacity_slots - 1)].word;
        const enum cptrace_ring_op op = (enum cptrace_ring_op)(word & 0xff);
        const enum record_shape shape = shape_of(op);
        count += op == CPTRACE_RING_CALL || op == CPTRACE_RING_START;
        from += shape == SHAPE_PAYLOAD ? payload_slots(word >> 8) : shape == SHAPE_EVENT ? 1 : 2;
    }
    return count;
}

static bool find_function(const struct cptrace_transcoder *transcoder, uint64_t process_number, uint32_t *function)
{
    if (process_number >= transcoder->function_capacity || transcoder->function_numbers[process_number] == 0)
        return false;
    *function = transcoder->function_numbers[process_number] - 1;
    return true;
}

/* Everything but records of one slot. */
static enum cptrace_status take_long_record(struct cptrace_transcoder *transcoder, struct lane_stack *lane,
                                            const struct cptrace_ring_slot *slots, uint64_t mask, uint64_t at, uint64_t available,
                                            uint64_t *slot_count)
{
    const struct cptrace_ring_slot slot = slots[at & mask];
    const enum cptrace_ring_op op = (enum cptrace_ring_op)(slot.word & 0xff);
    const uint64_t operand = slot.word >> 8;
    const enum record_shape shape = shape_of(op);
    if (shape == SHAPE_NONE)
        return CPTRACE_CORRUPT;
    *slot_count = shape == SHAPE_PAYLOAD ? payload_slots(operand) : 2;
    if (*slot_count > available)
        return CPTRACE_CORRUPT;
    if (shape == SHAPE_PAYLOAD) {
        const uint8_t *const bytes = copy_payload(transcoder, slots, mask, at + 1, (size_t)operand);
        return take_payload(transcoder, lane, op, slot.tick, bytes, (size_t)operand);
    }
    const uint64_t second = slots[(at + 1) & mask].tick;
    if (second == 0 && op != CPTRACE_RING_CPU)
        return CPTRACE_CORRUPT;
    if (shape == SHAPE_PAIR)
        return take_pair(transcoder, lane, slot, second, at) ? CPTRACE_OK : CPTRACE_NO_MEMORY;
    uint32_t function;
    if (!find_function(transcoder, operand, &function))
        return CPTRACE_CORRUPT;
    return take_frame(transcoder, lane, op, slot.tick, function, second) ? CPTRACE_OK : CPTRACE_NO_MEMORY;
}

/* Takes the record at slot number `at`; *slot_count is how many slots it fills. */
static inline enum cptrace_status take_record(struct cptrace_transcoder *transcoder, struct lane_stack *lane,
                                              const struct cptrace_ring_slot *slots, uint64_t mask, uint64_t at, uint64_t available,
                                              uint64_t *slot_count)
{
    const struct cptrace_ring_slot slot = slots[at & mask];
    const enum cptrace_ring_op op = (enum cptrace_ring_op)(slot.word & 0xff);
    *slot_count = 1;
    if (shape_of(op) != SHAPE_EVENT)
        return take_long_record(transcoder, lane, slots, mask, at, available, slot_count);
    uint32_t function;
    if (!find_function(transcoder, slot.word >> 8, &function))
        return CPTRACE_CORRUPT;
    return take_event(transcoder, lane, op, slot.tick, function, at) ? CPTRACE_OK : CPTRACE_NO_MEMORY;
}

enum cptrace_status cptrace_transcoder_read(struct cptrace_transcoder *transcoder, struct ring_reading *reading, uint64_t end,
                                            uint64_t last_tick)
{
    struct lane_stack *const lane = reading->lane;
    enum cptrace_status status = CPTRACE_OK;
    uint64_t at = reading->at;
    while (at < end && status == CPTRACE_OK && reading->slots[at & reading->mask].tick <= last_tick) {
        const uint64_t common_end = cptrace_ring_take_common(transcoder, reading, at, end, last_tick);
        if (common_end != at) {
            at = common_end;
            continue;
        }
        uint64_t slot_count;
        status = take_record(transcoder, lane, reading->slots, reading->mask, at, reading->head - at, &slot_count);
        at += slot_count;
    }
    reading->at = lane->taken = at;
    return status;
}

/* Ring slots to file: reads the records of include/cptrace/ring.h, and hands each to the stack of its lane. */
#include "cptrace/ring.h"

#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "lane_stack.h"

#define LANE_MAX (1u << 20)
#define COUNTER_VALUE_BYTES 8

struct cptrace_transcoder {
    struct run_frames run;
    struct cptrace_transcoder_options options;
    bool sieving;               /* lanes have sieves */
    uint32_t *function_numbers; /* by process-wide number: the file's (or with FUNCTION_LEFT_OUT) + 1; 0: undefined */
    size_t function_capacity;
    struct lane_stack *lanes;
    size_t lane_count;
    uint8_t *payload; /* of the record at hand, where it cannot wrap; grows to the largest */
    size_t payload_capacity;
};

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

static bool give_sieve(struct cptrace_transcoder *transcoder, struct lane_stack *lane)
{
    if (lane->writer && !lane->sieve)
        lane->sieve = cptrace_sieve_create(lane->writer, &transcoder->options, lane->depth);
    return !lane->writer || lane->sieve;
}

/* The first function that is left out may come in the middle of a run. */
static bool begin_sieving(struct cptrace_transcoder *transcoder)
{
    transcoder->sieving = true;
    for (size_t i = 0; i < transcoder->lane_count; i++)
        if (!give_sieve(transcoder, &transcoder->lanes[i]))
            return false;
    return true;
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
    if (length != sizeof fixed + strings || fixed.number > UINT32_MAX / 8)
        return CPTRACE_CORRUPT;
    if (fixed.number < transcoder->function_capacity && transcoder->function_numbers[fixed.number])
        return CPTRACE_OK; /* each lane's ring carries its own definitions */
    if (!left_out)
        return define_recorded(transcoder, &fixed, bytes + sizeof fixed);
    const bool done = begin_sieving(transcoder) && map_function(transcoder, fixed.number, FUNCTION_LEFT_OUT | fixed.number);
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

/* Rings are drained as they fill up: lanes come in any order, and get their number in the file when they first come. */
static struct lane_stack *lane_of(struct cptrace_transcoder *transcoder, const struct cptrace_ring *ring)
{
    if (ring->lane >= LANE_MAX)
        return NULL;
    if (ring->lane >= transcoder->lane_count) {
        struct lane_stack *lanes = realloc(transcoder->lanes, (ring->lane + 1) * sizeof *lanes);
        if (!lanes)
            return NULL;
        memset(lanes + transcoder->lane_count, 0, (ring->lane + 1 - transcoder->lane_count) * sizeof *lanes);
        transcoder->lanes = lanes;
        transcoder->lane_count = ring->lane + 1;
    }
    struct lane_stack *lane = &transcoder->lanes[ring->lane];
    if (!lane->writer) {
        struct cptrace_string name = {ring->thread_name, (uint32_t)strnlen(ring->thread_name, CPTRACE_RING_NAME_MAX)};
        lane->writer = cptrace_writer_define_lane(transcoder->run.writer, ring->os_thread_id, name);
        if (transcoder->sieving && !give_sieve(transcoder, lane))
            return NULL;
    }
    return lane->writer ? lane : NULL;
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
    *slot_count = shape == SHAPE_PAYLOAD ? 1 + (operand + sizeof slot - 1) / sizeof slot : 2;
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

struct cptrace_transcoder *cptrace_transcoder_create(struct cptrace_writer *writer, const struct cptrace_transcoder_options *options)
{
    struct cptrace_transcoder *transcoder = calloc(1, sizeof *transcoder);
    if (!transcoder)
        return NULL;
    transcoder->run.writer = writer;
    if (options)
        transcoder->options = *options;
    transcoder->sieving = transcoder->options.max_depth || transcoder->options.min_call_ticks;
    return transcoder;
}

void cptrace_transcoder_free(struct cptrace_transcoder *transcoder)
{
    if (!transcoder)
        return;
    for (size_t i = 0; i < transcoder->lane_count; i++)
        cptrace_lane_stack_free(&transcoder->lanes[i]);
    free(transcoder->lanes);
    cptrace_frame_table_free(&transcoder->run.table);
    free(transcoder->function_numbers);
    free(transcoder->payload);
    free(transcoder);
}

enum cptrace_status cptrace_transcoder_consume(struct cptrace_transcoder *transcoder, struct cptrace_ring *ring, uint64_t *consumed)
{
    struct lane_stack *lane = lane_of(transcoder, ring);
    if (!lane) {
        enum cptrace_status status = cptrace_writer_status(transcoder->run.writer);
        return status == CPTRACE_OK ? CPTRACE_NO_MEMORY : status;
    }
    const struct cptrace_ring_slot *slots = cptrace_ring_slots(ring);
    const uint64_t mask = ring->capacity_slots - 1;
    const uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t at = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (at < lane->taken)
        at = lane->taken; /* what lies between is held back */
    enum cptrace_status status = CPTRACE_OK;
    while (at < head && status == CPTRACE_OK) {
        uint64_t slot_count;
        status = take_record(transcoder, lane, slots, mask, at, head - at, &slot_count);
        at += slot_count;
    }
    lane->taken = at;
    *consumed = lane->sieve ? cptrace_sieve_end_round(lane->sieve, at, ring->capacity_slots / 2) : at;
    return status == CPTRACE_OK ? cptrace_writer_status(transcoder->run.writer) : status;
}

void cptrace_transcoder_finish(struct cptrace_transcoder *transcoder, uint64_t end_tick)
{
    for (size_t i = 0; i < transcoder->lane_count; i++)
        if (transcoder->lanes[i].sieve)
            cptrace_sieve_finish(transcoder->lanes[i].sieve, end_tick);
}

uint64_t cptrace_transcoder_repaired_count(const struct cptrace_transcoder *transcoder) { return transcoder->run.repaired_count; }

void cptrace_transcoder_omitted(const struct cptrace_transcoder *transcoder, uint64_t *count, uint64_t *ticks)
{
    *count = *ticks = 0;
    for (size_t i = 0; i < transcoder->lane_count; i++) {
        const struct sieve *const sieve = transcoder->lanes[i].sieve;
        *count += sieve ? sieve->omitted_count : 0;
        *ticks += sieve ? sieve->omitted_ticks : 0;
    }
}

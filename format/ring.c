/* Ring slots into writer events. The consumer's side of include/cptrace/ring.h. */
#include "cptrace/ring.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LANE_MAX (1u << 20)

/* What is known of a generator or coroutine frame at one address. A later frame may reuse the address: START then begins anew. */
struct frame_entry {
    uint64_t address; /* 0: free */
    uint32_t activation;
    uint32_t function; /* of the file */
    bool ended;
};

struct frame_table {
    struct frame_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

struct open_frame {
    uint32_t function;
    bool resumable;
    uint64_t address; /* of a resumable frame */
};

struct lane_state {
    struct cptrace_lane_writer *writer;
    struct open_frame *stack;
    size_t depth, capacity;
};

struct cptrace_transcoder {
    struct cptrace_writer *writer;
    uint32_t *function_numbers; /* by process-wide number: the file's number + 1, 0 = undefined */
    size_t function_capacity;
    struct frame_table frames;
    struct lane_state *lanes;
    size_t lane_count;
    uint64_t repaired_count;
    uint8_t *definition; /* scratch, grows to the largest */
    size_t definition_capacity;
};

static size_t address_hash(uint64_t address) { return (size_t)((address >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20); }

static struct frame_entry *find_frame(const struct frame_table *table, uint64_t address)
{
    if (table->capacity == 0)
        return NULL;
    size_t mask = table->capacity - 1;
    for (size_t i = address_hash(address) & mask;; i = (i + 1) & mask) {
        struct frame_entry *entry = &table->entries[i];
        if (entry->address == address)
            return entry;
        if (entry->address == 0)
            return NULL;
    }
}

static bool grow_frames(struct frame_table *table)
{
    struct frame_table larger = {.capacity = table->capacity ? table->capacity * 2 : 256};
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (!larger.entries)
        return false;
    size_t mask = larger.capacity - 1;
    for (size_t old = 0; old < table->capacity; old++) {
        if (table->entries[old].address == 0)
            continue;
        size_t i = address_hash(table->entries[old].address) & mask;
        while (larger.entries[i].address)
            i = (i + 1) & mask;
        larger.entries[i] = table->entries[old];
        larger.count++;
    }
    free(table->entries);
    *table = larger;
    return true;
}

/* The entry for an address, made if it is new. NULL: no memory. */
static struct frame_entry *put_frame(struct frame_table *table, uint64_t address)
{
    struct frame_entry *found = find_frame(table, address);
    if (found)
        return found;
    if (table->count * 2 >= table->capacity && !grow_frames(table))
        return NULL;
    size_t mask = table->capacity - 1;
    size_t i = address_hash(address) & mask;
    while (table->entries[i].address)
        i = (i + 1) & mask;
    table->entries[i] = (struct frame_entry){.address = address, .activation = CPTRACE_NO_NUMBER};
    table->count++;
    return &table->entries[i];
}

static bool push(struct lane_state *lane, struct open_frame frame)
{
    if (lane->depth == lane->capacity) {
        size_t capacity = lane->capacity ? lane->capacity * 2 : 256;
        struct open_frame *stack = realloc(lane->stack, capacity * sizeof *stack);
        if (!stack)
            return false;
        lane->stack = stack;
        lane->capacity = capacity;
    }
    lane->stack[lane->depth++] = frame;
    return true;
}

static void pop(struct cptrace_transcoder *transcoder, struct lane_state *lane)
{
    struct open_frame frame = lane->stack[--lane->depth];
    if (!frame.resumable)
        return;
    struct frame_entry *entry = find_frame(&transcoder->frames, frame.address);
    if (entry)
        entry->ended = true;
}

/* Makes the call of `function` the top of the stack by ending what lies above it; false when it is not on the stack at all. */
static bool bring_to_top(struct cptrace_transcoder *transcoder, struct lane_state *lane, uint32_t function, uint64_t tick)
{
    size_t at = lane->depth;
    while (at > 0 && lane->stack[at - 1].function != function)
        at--;
    if (at == 0)
        return false;
    while (lane->depth > at) {
        cptrace_lane_unwind(lane->writer, tick);
        pop(transcoder, lane);
        transcoder->repaired_count++;
    }
    return true;
}

static bool is_top(const struct lane_state *lane, uint32_t function)
{
    return lane->depth > 0 && lane->stack[lane->depth - 1].function == function;
}

static bool take_start(struct cptrace_transcoder *transcoder, struct lane_state *lane, uint64_t tick, uint32_t function, uint64_t address)
{
    struct frame_entry *entry = put_frame(&transcoder->frames, address);
    if (!entry)
        return false;
    entry->activation = cptrace_lane_start(lane->writer, tick, function);
    entry->function = function;
    entry->ended = false;
    return push(lane, (struct open_frame){.function = function, .resumable = true, .address = address});
}

static bool take_resume(struct cptrace_transcoder *transcoder, struct lane_state *lane, uint64_t tick, uint32_t function, uint64_t address)
{
    struct frame_entry *entry = put_frame(&transcoder->frames, address);
    if (!entry)
        return false;
    bool began_before_the_run = entry->activation == CPTRACE_NO_NUMBER || entry->ended || entry->function != function;
    if (began_before_the_run) {
        entry->activation = cptrace_writer_adopt(transcoder->writer, function);
        entry->function = function;
        entry->ended = false;
    }
    cptrace_lane_resume(lane->writer, tick, entry->activation);
    return push(lane, (struct open_frame){.function = function, .resumable = true, .address = address});
}

static void take_suspend(struct cptrace_transcoder *transcoder, struct lane_state *lane, uint64_t tick, uint32_t function)
{
    if (!is_top(lane, function) && !bring_to_top(transcoder, lane, function, tick))
        return;
    if (!lane->stack[lane->depth - 1].resumable)
        return;
    cptrace_lane_suspend(lane->writer, tick);
    lane->depth--;
}

static void take_end(struct cptrace_transcoder *transcoder, struct lane_state *lane, uint64_t tick, uint32_t function, bool unwound)
{
    if (!is_top(lane, function) && !bring_to_top(transcoder, lane, function, tick))
        return;
    if (unwound)
        cptrace_lane_unwind(lane->writer, tick);
    else
        cptrace_lane_return(lane->writer, tick);
    pop(transcoder, lane);
}

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

static enum cptrace_status define_function(struct cptrace_transcoder *transcoder, const uint8_t *bytes, size_t length)
{
    struct cptrace_ring_function fixed;
    if (length < sizeof fixed)
        return CPTRACE_CORRUPT;
    memcpy(&fixed, bytes, sizeof fixed);
    size_t strings = (size_t)fixed.qualified_name_bytes + fixed.module_bytes + fixed.library_bytes + fixed.path_bytes;
    if (length != sizeof fixed + strings || fixed.number > UINT32_MAX / 8)
        return CPTRACE_CORRUPT;
    if (fixed.number < transcoder->function_capacity && transcoder->function_numbers[fixed.number])
        return CPTRACE_OK; /* each lane's ring carries its own definitions */
    const uint8_t *at = bytes + sizeof fixed;
    struct cptrace_function function = {.line = fixed.line, .category = fixed.category, .flags = fixed.flags, .file = CPTRACE_NO_NUMBER};
    function.qualified_name = take_string(&at, fixed.qualified_name_bytes);
    function.module = take_string(&at, fixed.module_bytes);
    function.library = take_string(&at, fixed.library_bytes);
    struct cptrace_string path = take_string(&at, fixed.path_bytes);
    if (path.length)
        function.file = cptrace_writer_define_file(transcoder->writer, path, fixed.file_size_bytes, fixed.file_mtime_ns);
    uint32_t number = cptrace_writer_define_function(transcoder->writer, &function);
    if (number == CPTRACE_NO_NUMBER)
        return cptrace_writer_status(transcoder->writer);
    return map_function(transcoder, fixed.number, number) ? CPTRACE_OK : CPTRACE_NO_MEMORY;
}

/* Copies the bytes of a DEFINE out of the ring, where they may wrap. */
static enum cptrace_status take_definition(struct cptrace_transcoder *transcoder, const struct cptrace_ring_slot *slots, uint64_t mask,
                                           uint64_t first_slot, size_t length)
{
    size_t slot_count = (length + sizeof *slots - 1) / sizeof *slots;
    size_t padded = slot_count * sizeof *slots;
    if (padded > transcoder->definition_capacity) {
        uint8_t *larger = realloc(transcoder->definition, padded);
        if (!larger)
            return CPTRACE_NO_MEMORY;
        transcoder->definition = larger;
        transcoder->definition_capacity = padded;
    }
    for (size_t i = 0; i < slot_count; i++)
        memcpy(transcoder->definition + i * sizeof *slots, &slots[(first_slot + i) & mask], sizeof *slots);
    return define_function(transcoder, transcoder->definition, length);
}

/* Rings are drained as they fill up: lanes come in any order, and get their number in the file when they first come. */
static struct lane_state *lane_of(struct cptrace_transcoder *transcoder, const struct cptrace_ring *ring)
{
    if (ring->lane >= LANE_MAX)
        return NULL;
    if (ring->lane >= transcoder->lane_count) {
        struct lane_state *lanes = realloc(transcoder->lanes, (ring->lane + 1) * sizeof *lanes);
        if (!lanes)
            return NULL;
        memset(lanes + transcoder->lane_count, 0, (ring->lane + 1 - transcoder->lane_count) * sizeof *lanes);
        transcoder->lanes = lanes;
        transcoder->lane_count = ring->lane + 1;
    }
    struct lane_state *lane = &transcoder->lanes[ring->lane];
    if (!lane->writer) {
        struct cptrace_string name = {ring->thread_name, (uint32_t)strnlen(ring->thread_name, CPTRACE_RING_NAME_MAX)};
        lane->writer = cptrace_writer_define_lane(transcoder->writer, ring->os_thread_id, name);
    }
    return lane->writer ? lane : NULL;
}

/* Takes the record at slot number `at`; *slot_count is how many slots it fills. */
static enum cptrace_status take_record(struct cptrace_transcoder *transcoder, struct lane_state *lane,
                                       const struct cptrace_ring_slot *slots, uint64_t mask, uint64_t at, uint64_t available,
                                       uint64_t *slot_count)
{
    const struct cptrace_ring_slot slot = slots[at & mask];
    const enum cptrace_ring_op op = (enum cptrace_ring_op)(slot.word & 0xff);
    const uint64_t operand = slot.word >> 8;
    *slot_count = 1;
    if (op == CPTRACE_RING_DEFINE) {
        *slot_count = 1 + (operand + sizeof slot - 1) / sizeof slot;
        return *slot_count > available ? CPTRACE_CORRUPT : take_definition(transcoder, slots, mask, at + 1, (size_t)operand);
    }
    if (operand >= transcoder->function_capacity || transcoder->function_numbers[operand] == 0)
        return CPTRACE_CORRUPT;
    const uint32_t function = transcoder->function_numbers[operand] - 1;
    if (op == CPTRACE_RING_CALL) {
        cptrace_lane_call(lane->writer, slot.tick, function);
        return push(lane, (struct open_frame){.function = function}) ? CPTRACE_OK : CPTRACE_NO_MEMORY;
    }
    if (op == CPTRACE_RING_RETURN || op == CPTRACE_RING_UNWIND) {
        take_end(transcoder, lane, slot.tick, function, op == CPTRACE_RING_UNWIND);
        return CPTRACE_OK;
    }
    if (op == CPTRACE_RING_SUSPEND) {
        take_suspend(transcoder, lane, slot.tick, function);
        return CPTRACE_OK;
    }
    if (op != CPTRACE_RING_START && op != CPTRACE_RING_RESUME && op != CPTRACE_RING_THROW)
        return CPTRACE_CORRUPT;
    if (available < 2)
        return CPTRACE_CORRUPT;
    *slot_count = 2;
    const uint64_t address = slots[(at + 1) & mask].tick;
    if (address == 0)
        return CPTRACE_CORRUPT;
    bool done = op == CPTRACE_RING_START ? take_start(transcoder, lane, slot.tick, function, address)
                                         : take_resume(transcoder, lane, slot.tick, function, address);
    if (op == CPTRACE_RING_THROW && done)
        cptrace_lane_throw(lane->writer, slot.tick);
    return done ? CPTRACE_OK : CPTRACE_NO_MEMORY;
}

struct cptrace_transcoder *cptrace_transcoder_create(struct cptrace_writer *writer)
{
    struct cptrace_transcoder *transcoder = calloc(1, sizeof *transcoder);
    if (transcoder)
        transcoder->writer = writer;
    return transcoder;
}

void cptrace_transcoder_free(struct cptrace_transcoder *transcoder)
{
    if (!transcoder)
        return;
    for (size_t i = 0; i < transcoder->lane_count; i++)
        free(transcoder->lanes[i].stack);
    free(transcoder->lanes);
    free(transcoder->frames.entries);
    free(transcoder->function_numbers);
    free(transcoder->definition);
    free(transcoder);
}

enum cptrace_status cptrace_transcoder_consume(struct cptrace_transcoder *transcoder, struct cptrace_ring *ring, uint64_t *consumed)
{
    struct lane_state *lane = lane_of(transcoder, ring);
    if (!lane) {
        enum cptrace_status status = cptrace_writer_status(transcoder->writer);
        return status == CPTRACE_OK ? CPTRACE_NO_MEMORY : status;
    }
    const struct cptrace_ring_slot *slots = cptrace_ring_slots(ring);
    const uint64_t mask = ring->capacity_slots - 1;
    const uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    enum cptrace_status status = CPTRACE_OK;
    while (tail < head && status == CPTRACE_OK) {
        uint64_t slot_count;
        status = take_record(transcoder, lane, slots, mask, tail, head - tail, &slot_count);
        tail += slot_count;
    }
    *consumed = tail;
    return status == CPTRACE_OK ? cptrace_writer_status(transcoder->writer) : status;
}

uint64_t cptrace_transcoder_repaired_count(const struct cptrace_transcoder *transcoder) { return transcoder->repaired_count; }

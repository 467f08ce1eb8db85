#include "trace_replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#include "cptrace/ring.h"
#include "memory_file.h"
#if defined(BENCH_WRAPS_BLOCKS)
#include "writer_state.h"
#endif

#define ROUNDS_MAX 99
#define RING_SLOTS (1u << 16)
#define RECORD_SLOTS_MAX 2
#define DEFINITION_MAX_BYTES 512
#define FRAME_ADDRESS UINT64_C(0x7f0000001000)
#define FRAME_BYTES 0x1c0

/* A record of one or two slots, of one lane. */
struct record {
    struct cptrace_ring_slot slots[RECORD_SLOTS_MAX];
    uint32_t lane, slot_count;
};

struct call {
    uint32_t function, activation;
};

struct lane {
    struct call *stack;
    size_t depth, capacity;
    struct cptrace_ring *ring;
};

/* Addresses are given out again as allocators do: the one that was freed last comes first. */
struct frames {
    uint64_t *addresses; /* by activation; 0: none */
    uint32_t *functions;
    size_t capacity;
    uint64_t *free;
    size_t free_count, free_capacity, given_count;
};

struct replay {
    struct cptrace_reader *reader;
    struct record *records;
    size_t record_count, record_capacity, event_count;
    struct lane *lanes;
    size_t lane_count;
    struct frames frames;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void *grow(void *array, size_t *capacity, size_t count, size_t element_bytes)
{
    if (count <= *capacity)
        return array;
    size_t larger = *capacity ? *capacity : 1024;
    while (larger < count)
        larger *= 2;
    char *const grown = realloc(array, larger * element_bytes);
    if (!grown)
        abort();
    memset(grown + *capacity * element_bytes, 0, (larger - *capacity) * element_bytes);
    *capacity = larger;
    return grown;
}

static void know_activation(struct frames *frames, uint32_t activation, uint32_t function)
{
    size_t capacity = frames->capacity;
    frames->addresses = grow(frames->addresses, &capacity, (size_t)activation + 1, sizeof *frames->addresses);
    frames->functions = grow(frames->functions, &frames->capacity, (size_t)activation + 1, sizeof *frames->functions);
    if (frames->addresses[activation])
        return;
    frames->addresses[activation] =
        frames->free_count ? frames->free[--frames->free_count] : FRAME_ADDRESS + FRAME_BYTES * frames->given_count++;
    frames->functions[activation] = function;
}

static void end_activation(struct frames *frames, uint32_t activation)
{
    frames->free = grow(frames->free, &frames->free_capacity, frames->free_count + 1, sizeof *frames->free);
    frames->free[frames->free_count++] = frames->addresses[activation];
    frames->addresses[activation] = 0;
}

static struct lane *lane_of(struct replay *replay, uint32_t number)
{
    while (replay->lane_count <= number) {
        replay->lanes = realloc(replay->lanes, (replay->lane_count + 1) * sizeof *replay->lanes);
        if (!replay->lanes)
            abort();
        replay->lanes[replay->lane_count++] = (struct lane){0};
    }
    return &replay->lanes[number];
}

static void push(struct lane *lane, uint32_t function, uint32_t activation)
{
    lane->stack = grow(lane->stack, &lane->capacity, lane->depth + 1, sizeof *lane->stack);
    lane->stack[lane->depth++] = (struct call){function, activation};
}

static void add(struct replay *replay, uint32_t lane, uint64_t tick, enum cptrace_ring_op op, uint64_t operand, const uint64_t *second)
{
    replay->records = grow(replay->records, &replay->record_capacity, replay->record_count + 1, sizeof *replay->records);
    replay->records[replay->record_count++] =
        (struct record){.slots = {{tick, operand << 8 | op}, {second ? *second : 0, 0}}, .lane = lane, .slot_count = second ? 2 : 1};
}

static void add_frame(struct replay *replay, uint32_t lane, uint64_t tick, enum cptrace_ring_op op, uint32_t activation)
{
    const struct frames *const frames = &replay->frames;
    push(lane_of(replay, lane), frames->functions[activation], activation);
    add(replay, lane, tick, op, frames->functions[activation], &frames->addresses[activation]);
}

static void add_pop(struct replay *replay, uint32_t lane, struct cptrace_event event)
{
    static const enum cptrace_ring_op ops[] = {
        [CPTRACE_OP_RETURN] = CPTRACE_RING_RETURN, [CPTRACE_OP_UNWIND] = CPTRACE_RING_UNWIND, [CPTRACE_OP_SUSPEND] = CPTRACE_RING_SUSPEND};
    struct lane *const its_lane = lane_of(replay, lane);
    const struct call call = its_lane->stack[--its_lane->depth];
    add(replay, lane, event.tick, ops[event.op], call.function, NULL);
    if (event.op != CPTRACE_OP_SUSPEND && call.activation != CPTRACE_NO_NUMBER)
        end_activation(&replay->frames, call.activation);
}

/* Annotations but cpu are left out. */
static void add_event(struct replay *replay, const struct cptrace_events *events, struct cptrace_event event,
                      const struct cptrace_activation_start **start)
{
    switch (event.op) {
    case CPTRACE_OP_RETURN:
    case CPTRACE_OP_UNWIND:
    case CPTRACE_OP_SUSPEND:
        add_pop(replay, events->lane, event);
        break;
    case CPTRACE_OP_START:
    case CPTRACE_OP_REOPEN:
        know_activation(&replay->frames, event.value, (*start)++->function);
        add_frame(replay, events->lane, event.tick, event.op == CPTRACE_OP_START ? CPTRACE_RING_START : CPTRACE_RING_RESUME, event.value);
        break;
    case CPTRACE_OP_RESUME:
        add_frame(replay, events->lane, event.tick, CPTRACE_RING_RESUME, event.value);
        break;
    case CPTRACE_OP_THROW: /* follows its resume */
        replay->records[replay->record_count - 1].slots[0].word += CPTRACE_RING_THROW - CPTRACE_RING_RESUME;
        break;
    case CPTRACE_OP_CALL:
        push(lane_of(replay, events->lane), event.value, CPTRACE_NO_NUMBER);
        add(replay, events->lane, event.tick, CPTRACE_RING_CALL, event.value, NULL);
        break;
    case CPTRACE_ANNOTATION_CPU: {
        const struct cptrace_annotation *const cpu = &events->annotations[event.value];
        add(replay, events->lane, event.tick, CPTRACE_RING_CPU, cpu->cpu_ns, &cpu->voluntary_switch_count);
        break;
    }
    default:
        return;
    }
    replay->event_count++;
}

/* Records of all lanes, one block after the other. */
static enum cptrace_status read_records(struct replay *replay, struct cptrace_error *error)
{
    struct cptrace_block block;
    struct cptrace_events events = {0};
    enum cptrace_status status;
    while ((status = cptrace_reader_next(replay->reader, &block, error)) == CPTRACE_OK) {
        if (block.kind != CPTRACE_BLOCK_EVENTS)
            continue;
        status = cptrace_events_decode(&block, &events, error);
        if (status != CPTRACE_OK)
            break;
        const struct cptrace_activation_start *start = events.starts;
        for (size_t i = 0; i < events.event_count; i++)
            add_event(replay, &events, events.events[i], &start);
    }
    cptrace_events_free(&events);
    return status;
}

static void put_slot(struct cptrace_ring *ring, struct cptrace_ring_slot slot)
{
    const uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    cptrace_ring_slots(ring)[head % RING_SLOTS] = slot;
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

/* Names are cut; what they cost comes once per function. */
static void put_definition(struct cptrace_ring *ring, uint32_t number, const struct cptrace_function_definition *function)
{
    struct cptrace_ring_function fixed = {
        .number = number, .line = function->line, .category = function->category, .flags = function->flags};
    const uint32_t room = DEFINITION_MAX_BYTES - sizeof fixed, length = function->qualified_name.length;
    fixed.qualified_name_bytes = (uint16_t)(length < room ? length : room);
    struct cptrace_ring_slot slots[DEFINITION_MAX_BYTES / sizeof(struct cptrace_ring_slot)] = {0};
    memcpy(slots, &fixed, sizeof fixed);
    memcpy((char *)slots + sizeof fixed, function->qualified_name.bytes, fixed.qualified_name_bytes);
    const size_t bytes = sizeof fixed + fixed.qualified_name_bytes;
    put_slot(ring, (struct cptrace_ring_slot){0, (uint64_t)bytes << 8 | CPTRACE_RING_DEFINE});
    for (size_t i = 0; i * sizeof *slots < bytes; i++)
        put_slot(ring, slots[i]);
}

static struct cptrace_ring *make_ring(uint32_t lane)
{
    struct cptrace_ring *const ring = calloc(1, CPTRACE_RING_HEADER_BYTES + RING_SLOTS * sizeof(struct cptrace_ring_slot));
    if (!ring)
        abort();
    ring->magic = CPTRACE_RING_MAGIC;
    ring->lane = lane;
    ring->capacity_slots = RING_SLOTS;
    return ring;
}

static double drain(struct replay *replay, struct cptrace_transcoder *transcoder)
{
    struct cptrace_ring *rings[64];
    uint64_t consumed[64];
    const size_t count = replay->lane_count < 64 ? replay->lane_count : 64;
    for (size_t i = 0; i < count; i++)
        rings[i] = replay->lanes[i].ring;
    const double start = now_s();
    if (cptrace_transcoder_consume_all(transcoder, rings, count, consumed) != CPTRACE_OK)
        abort();
    const double seconds = now_s() - start;
    for (size_t i = 0; i < count; i++)
        cptrace_ring_release(rings[i], consumed[i]);
    return seconds;
}

static double define(struct replay *replay, struct cptrace_transcoder *transcoder)
{
    const struct cptrace_definitions *const definitions = cptrace_reader_definitions(replay->reader);
    double seconds = 0;
    for (uint32_t i = 0; i < definitions->function_count; i++) {
        put_definition(replay->lanes[0].ring, i, &definitions->functions[i]);
        if (i % 512 == 511)
            seconds += drain(replay, transcoder);
    }
    return seconds + drain(replay, transcoder);
}

/* As the recorder's drainer does it, in rounds of half a ring. What fills the rings is not measured. */
static double write_file(struct replay *replay, struct memory_file *file)
{
    struct cptrace_writer *const writer = memory_writer(file, 0);
    struct cptrace_transcoder *const transcoder = cptrace_transcoder_create(writer, NULL);
    file->capacity = replay->event_count * 3 + (1u << 20);
    file->bytes = realloc(file->bytes, file->capacity);
    memset(file->bytes + file->length, 1, file->capacity - file->length); /* its pages are not what is measured */
    for (uint32_t i = 0; i < replay->lane_count; i++)
        replay->lanes[i].ring = make_ring(i);
    double seconds = define(replay, transcoder);
    uint64_t tick = 0;
    for (size_t i = 0; i < replay->record_count; i++) {
        const struct record *const record = &replay->records[i];
        struct cptrace_ring *const ring = lane_of(replay, record->lane)->ring;
        for (uint32_t slot = 0; slot < record->slot_count; slot++)
            put_slot(ring, record->slots[slot]);
        tick = record->slots[0].tick > tick ? record->slots[0].tick : tick;
        if (ring->head - ring->tail >= RING_SLOTS / 2)
            seconds += drain(replay, transcoder);
    }
    seconds += drain(replay, transcoder);
    const double start = now_s();
    cptrace_transcoder_finish(transcoder, tick);
    if (cptrace_writer_finish(writer, (struct cptrace_calibration){tick, tick, tick}, NULL, 0, NULL) != CPTRACE_OK)
        abort();
    seconds += now_s() - start;
    cptrace_transcoder_free(transcoder);
    cptrace_writer_free(writer);
    for (size_t i = 0; i < replay->lane_count; i++)
        free(replay->lanes[i].ring);
    return seconds;
}

/* ---- what of it goes into blocks ---- */

/* Encoding and compressing, by wrappers of what the lane writer asks of others: only where the linker knows --wrap. */
static double blocks_s;

#if defined(BENCH_WRAPS_BLOCKS)
bool __real_cptrace_events_encode(struct events_encoder *encoder, const struct pending_block *block);
bool __wrap_cptrace_events_encode(struct events_encoder *encoder, const struct pending_block *block);
bool __real_cptrace_writer_write_block(struct cptrace_writer *writer, struct index_block block, const struct block_piece *pieces,
                                       size_t piece_count);
bool __wrap_cptrace_writer_write_block(struct cptrace_writer *writer, struct index_block block, const struct block_piece *pieces,
                                       size_t piece_count);

bool __wrap_cptrace_events_encode(struct events_encoder *encoder, const struct pending_block *block)
{
    const double start = now_s();
    const bool done = __real_cptrace_events_encode(encoder, block);
    blocks_s += now_s() - start;
    return done;
}

bool __wrap_cptrace_writer_write_block(struct cptrace_writer *writer, struct index_block block, const struct block_piece *pieces,
                                       size_t piece_count)
{
    const double start = now_s();
    const bool done = __real_cptrace_writer_write_block(writer, block, pieces, piece_count);
    blocks_s += now_s() - start;
    return done;
}
#endif

/* ---- what the file is compared with, and read for ---- */

struct file_reading {
    struct cptrace_events events; /* for all rounds, as a reader of many blocks has it: the first touch of its memory is not decoding */
    double plain_s, decode_s, read_s;
    size_t plain_bytes;
    ZSTD_CCtx *compressor;
    uint8_t *columns, *compressed;
    size_t columns_capacity;
};

static uint8_t *put_varint(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

/* What zstd alone takes for the events of a block in two columns, varints of what happens and of deltas. */
static void compress_plain(struct file_reading *reading)
{
    const struct cptrace_events *const events = &reading->events;
    const size_t capacity = events->event_count * 16;
    if (capacity > reading->columns_capacity) {
        reading->columns = realloc(reading->columns, capacity);
        reading->compressed = realloc(reading->compressed, ZSTD_compressBound(capacity));
        reading->columns_capacity = capacity;
    }
    if (!reading->columns || !reading->compressed)
        abort();
    uint8_t *at = reading->columns;
    for (size_t i = 0; i < events->event_count; i++) {
        const struct cptrace_event *const event = &events->events[i];
        at = put_varint(at, event->op == CPTRACE_OP_CALL ? CPTRACE_OP_CALL + (uint64_t)event->value : event->op);
    }
    uint64_t tick = events->first_tick;
    for (size_t i = 0; i < events->event_count; i++) {
        at = put_varint(at, events->events[i].tick - tick);
        tick = events->events[i].tick;
    }
    const size_t length = (size_t)(at - reading->columns);
    const double start = now_s();
    reading->plain_bytes +=
        ZSTD_compressCCtx(reading->compressor, reading->compressed, ZSTD_compressBound(length), reading->columns, length, 1);
    reading->plain_s += now_s() - start;
}

/* All blocks are read, decompressed and verified, and events decoded, without replay. */
static void read_file(struct memory_file *file, struct file_reading *reading)
{
    struct cptrace_reader *reader;
    struct cptrace_block block;
    enum cptrace_status status;
    if (cptrace_reader_open_source(memory_source(file), &reader, NULL) != CPTRACE_OK)
        abort();
    do {
        const double start = now_s();
        status = cptrace_reader_next(reader, &block, NULL);
        reading->read_s += now_s() - start;
        if (status != CPTRACE_OK || block.kind != CPTRACE_BLOCK_EVENTS)
            continue;
        const double decode_start = now_s();
        if (cptrace_events_decode(&block, &reading->events, NULL) != CPTRACE_OK)
            abort();
        const double decode_s = now_s() - decode_start;
        reading->decode_s += decode_s;
        reading->read_s += decode_s;
        compress_plain(reading);
    } while (status == CPTRACE_OK);
    cptrace_reader_close(reader);
}

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

static void keep_copy(const struct memory_file *file, const char *path)
{
    FILE *const copy = fopen(path, "wb");
    if (!copy || fwrite(file->bytes, 1, file->length, copy) != file->length || fclose(copy) != 0) {
        perror(path);
        exit(1);
    }
}

/* Sorts the values. */
static void print_ns(const char *what, double *values, size_t count, double events)
{
    const double middle = median(values, count);
    printf("%-44s %10.2f ns/event, the fastest %.2f\n", what, middle / events * 1e9, values[0] / events * 1e9);
}

static void measure(struct replay *replay, size_t rounds, const char *copy_path)
{
    struct memory_file file = {0};
    double drain_s[ROUNDS_MAX], plain_s[ROUNDS_MAX], ratio[ROUNDS_MAX], decode_s[ROUNDS_MAX], read_s[ROUNDS_MAX], encode_s[ROUNDS_MAX];
    size_t plain_bytes = 0, file_bytes = 0;
    struct file_reading reading = {.compressor = ZSTD_createCCtx()};
    for (size_t round = 0; round < rounds; round++) {
        blocks_s = 0;
        drain_s[round] = write_file(replay, &file);
        encode_s[round] = blocks_s;
        reading.plain_s = reading.decode_s = reading.read_s = 0;
        reading.plain_bytes = 0;
        read_file(&file, &reading);
        plain_s[round] = reading.plain_s;
        ratio[round] = drain_s[round] / plain_s[round];
        decode_s[round] = reading.decode_s;
        read_s[round] = reading.read_s;
        plain_bytes = reading.plain_bytes;
        file_bytes = file.length;
        if (round == 0 && copy_path)
            keep_copy(&file, copy_path);
        memory_file_free(&file);
    }
    ZSTD_freeCCtx(reading.compressor);
    cptrace_events_free(&reading.events);
    free(reading.columns);
    free(reading.compressed);
    const double n = (double)replay->event_count;
    printf("%-44s %10zu\n", "events", replay->event_count);
    printf("%-44s %10zu bytes, %.4f per event\n", "file", file_bytes, (double)file_bytes / n);
    printf("%-44s %10zu bytes\n", "two varint columns, plain zstd -1", plain_bytes);
    print_ns("ring to file", drain_s, rounds, n);
    if (blocks_s > 0)
        print_ns("  of which encode, compress, write", encode_s, rounds, n);
    print_ns("plain zstd -1 of two varint columns", plain_s, rounds, n);
    printf("%-44s %10.2f\n", "time ratio, median", median(ratio, rounds));
    print_ns("read: decompress, verify, decode", read_s, rounds, n);
    print_ns("  of which decode", decode_s, rounds, n);
    printf("%-44s %10.1f M events/s, the fastest %.1f\n", "decode, median", n / median(decode_s, rounds) * 1e-6, n / decode_s[0] * 1e-6);
}

static void free_replay(struct replay *replay)
{
    for (size_t i = 0; i < replay->lane_count; i++)
        free(replay->lanes[i].stack);
    free(replay->lanes);
    free(replay->records);
    free(replay->frames.addresses);
    free(replay->frames.functions);
    free(replay->frames.free);
    cptrace_reader_close(replay->reader);
}

int replay_trace(const char *path, size_t rounds, const char *copy_path)
{
    struct replay replay = {0};
    struct cptrace_error error;
    enum cptrace_status status = cptrace_reader_open(path, &replay.reader, &error);
    if (status == CPTRACE_OK)
        status = read_records(&replay, &error);
    if (status == CPTRACE_END && replay.record_count)
        measure(&replay, rounds < 1 ? 1 : rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX, copy_path);
    else
        fprintf(stderr, "%s: %s\n", path, status == CPTRACE_END ? "no events" : error.message);
    const bool done = status == CPTRACE_END && replay.record_count;
    free_replay(&replay);
    return done ? 0 : 1;
}

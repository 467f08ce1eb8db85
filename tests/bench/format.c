/* What the format costs: encode + compress, verify, decode, and bytes per event, on a synthetic program; or, given a trace, what the drain
 * of its events costs.
 *
 * The program is a fixed set of functions that call each other the same way again and again, as programs do; the clock is a noisy one
 * with ticks of 4 ns. Ratios are against zstd level 1 on two varint columns, ops and deltas, in one piece, and against fixed 16-byte
 * events. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#include "cptrace/ring.h"
#include "memory_file.h"
#include "trace_replay.h"

#define FUNCTIONS 400
#define RING_SLOTS (1u << 16)
#define MEAN_TICKS 14 /* 56 ns between events */

struct program {
    uint64_t random;
    uint64_t tick;
    uint32_t left;
    uint32_t count;
    uint32_t *values; /* function + 1, or 0 for a return */
    uint64_t *ticks;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static uint32_t random_below(struct program *program, uint32_t limit)
{
    program->random = program->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((program->random >> 33) % limit);
}

static void add(struct program *program, uint32_t value, uint32_t function)
{
    uint32_t step = MEAN_TICKS / 2 + function % 9 + random_below(program, 4);
    if (random_below(program, 12) == 0)
        step += random_below(program, 60);
    if (random_below(program, 400) == 0)
        step += random_below(program, 20000);
    program->tick += step;
    program->values[program->count] = value;
    program->ticks[program->count++] = program->tick;
    program->left--;
}

/* Which functions a function calls is fixed; how often, now and then not. */
static void run_function(struct program *program, uint32_t function, int depth)
{
    if (program->left < 2 * 60)
        return;
    add(program, function + 1, function);
    const uint32_t children = depth == 0 ? 0 : function % 5 + (random_below(program, 16) == 0);
    for (uint32_t i = 0; i < children; i++)
        run_function(program, (function * 7 + i * 31 + 11) % FUNCTIONS, depth - 1);
    add(program, 0, function);
}

static void make_program(struct program *program, uint32_t event_count)
{
    *program = (struct program){.random = 1, .tick = 1000, .left = event_count};
    program->values = malloc(event_count * sizeof *program->values);
    program->ticks = malloc(event_count * sizeof *program->ticks);
    while (program->left >= 2 * 60)
        run_function(program, random_below(program, 40), 12);
}

static struct cptrace_writer *begin_file(const struct program *program, struct memory_file *file)
{
    struct cptrace_writer *const writer = memory_writer(file, 0);
    file->capacity = (size_t)program->count * 3 + 4096;
    file->bytes = realloc(file->bytes, file->capacity);
    memset(file->bytes + file->length, 1, file->capacity - file->length); /* its pages are not what is measured */
    return writer;
}

static double write_program(const struct program *program, struct memory_file *file)
{
    struct cptrace_writer *const writer = begin_file(program, file);
    define_functions(writer, FUNCTIONS);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 1, text("MainThread"));
    const double start = now_s();
    for (uint32_t i = 0; i < program->count; i++) {
        if (program->values[i])
            cptrace_lane_call(lane, program->ticks[i], program->values[i] - 1);
        else
            cptrace_lane_return(lane, program->ticks[i]);
    }
    cptrace_writer_finish(writer, (struct cptrace_calibration){program->tick, 1, 1}, NULL, 0, NULL);
    const double seconds = now_s() - start;
    cptrace_writer_free(writer);
    return seconds;
}

static void put_slot(struct cptrace_ring *ring, uint64_t tick, uint64_t word)
{
    const uint64_t head = atomic_load(&ring->head);
    cptrace_ring_slots(ring)[head % RING_SLOTS] = (struct cptrace_ring_slot){tick, word};
    atomic_store(&ring->head, head + 1);
}

static void put_definition(struct cptrace_ring *ring, uint32_t number)
{
    struct cptrace_ring_function fixed = {.number = number, .line = number + 1, .category = CPTRACE_CATEGORY_USER};
    uint64_t words[(sizeof fixed + 16) / 8] = {0};
    fixed.qualified_name_bytes = (uint16_t)snprintf((char *)words + sizeof fixed, 16, "f%u", number);
    memcpy(words, &fixed, sizeof fixed);
    const size_t length = sizeof fixed + fixed.qualified_name_bytes;
    put_slot(ring, 1000, (uint64_t)length << 8 | CPTRACE_RING_DEFINE);
    for (size_t i = 0; i < (length + 15) / 16; i++)
        put_slot(ring, words[2 * i], words[2 * i + 1]);
}

/* Takes what is in the ring. */
static double drain(struct cptrace_transcoder *transcoder, struct cptrace_ring *ring)
{
    uint64_t consumed;
    const double start = now_s();
    if (cptrace_transcoder_consume(transcoder, ring, &consumed) != CPTRACE_OK)
        abort();
    cptrace_ring_release(ring, consumed);
    return now_s() - start;
}

/* As the recorder's drainer does it, in rounds of half a ring. What fills the ring is not measured. */
static double write_from_ring(const struct program *program, struct memory_file *file)
{
    struct cptrace_writer *const writer = begin_file(program, file);
    struct cptrace_transcoder *const transcoder = cptrace_transcoder_create(writer, NULL);
    struct cptrace_ring *const ring = calloc(1, CPTRACE_RING_HEADER_BYTES + RING_SLOTS * sizeof(struct cptrace_ring_slot));
    uint32_t *const stack = malloc(program->count * sizeof *stack), depth = 0;
    ring->magic = CPTRACE_RING_MAGIC;
    ring->capacity_slots = RING_SLOTS;
    for (uint32_t i = 0; i < FUNCTIONS; i++)
        put_definition(ring, i);
    double seconds = drain(transcoder, ring);
    for (uint32_t i = 0; i < program->count; i++) {
        if (program->values[i])
            stack[depth++] = program->values[i] - 1;
        const uint64_t function = program->values[i] ? stack[depth - 1] : stack[--depth];
        put_slot(ring, program->ticks[i], function << 8 | (program->values[i] ? CPTRACE_RING_CALL : CPTRACE_RING_RETURN));
        if (i % (RING_SLOTS / 2) == 0)
            seconds += drain(transcoder, ring);
    }
    seconds += drain(transcoder, ring);
    const double start = now_s();
    cptrace_writer_finish(writer, (struct cptrace_calibration){program->tick, 1, 1}, NULL, 0, NULL);
    seconds += now_s() - start;
    cptrace_transcoder_free(transcoder);
    cptrace_writer_free(writer);
    free(stack);
    free(ring);
    return seconds;
}

static double read_program(struct memory_file *file, bool decode, uint64_t *events_read)
{
    struct cptrace_reader *reader;
    struct cptrace_events events = {0};
    struct cptrace_block block;
    *events_read = 0;
    double decode_s = 0;
    const double start = now_s();
    cptrace_reader_open_source(memory_source(file), &reader, NULL);
    while (cptrace_reader_next(reader, &block, NULL) == CPTRACE_OK) {
        if (!decode || block.kind != CPTRACE_BLOCK_EVENTS)
            continue;
        const double decode_start = now_s();
        cptrace_events_decode(&block, &events, NULL);
        decode_s += now_s() - decode_start;
        *events_read += events.event_count;
    }
    const double seconds = now_s() - start;
    cptrace_events_free(&events);
    cptrace_reader_close(reader);
    return decode ? decode_s : seconds;
}

static uint8_t *put_varint(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

/* Two columns of 65536 events, varints of ops and of deltas, one zstd frame each, without separate entropy tables. */
static void measure_plain(const struct program *program, double *seconds, size_t *bytes, double *encode_seconds)
{
    const uint32_t block = 65536;
    uint8_t *const op = malloc(block * 5), *const delta = malloc(block * 10), *const content = malloc(block * 15);
    uint8_t *const out = malloc(ZSTD_compressBound(block * 15));
    ZSTD_CCtx *const compressor = ZSTD_createCCtx();
    *seconds = *encode_seconds = 0;
    *bytes = 0;
    uint64_t tick = 1000;
    for (uint32_t from = 0; from < program->count; from += block) {
        const double start = now_s();
        uint8_t *op_at = op, *delta_at = delta;
        for (uint32_t i = from; i < program->count && i < from + block; i++) {
            op_at = put_varint(op_at, program->values[i] ? 15 + program->values[i] : 0);
            delta_at = put_varint(delta_at, program->ticks[i] - tick);
            tick = program->ticks[i];
        }
        *encode_seconds += now_s() - start;
        memcpy(content, op, (size_t)(op_at - op));
        memcpy(content + (op_at - op), delta, (size_t)(delta_at - delta));
        const size_t length = (size_t)(op_at - op) + (size_t)(delta_at - delta);
        *bytes += ZSTD_compressCCtx(compressor, out, ZSTD_compressBound(length), content, length, 1);
        *seconds += now_s() - start;
    }
    ZSTD_freeCCtx(compressor);
    free(op);
    free(delta);
    free(content);
    free(out);
}

static double best(double a, double b) { return a < b ? a : b; }

int main(int argc, char **argv)
{
    char *number_end = NULL;
    const uint32_t event_count = argc > 1 ? (uint32_t)strtoul(argv[1], &number_end, 10) : 4000000;
    if (number_end && *number_end)
        return replay_trace(argv[1], argc > 2 ? strtoul(argv[2], NULL, 10) : 9, argc > 3 ? argv[3] : NULL);
    struct program program;
    make_program(&program, event_count);
    double write_s = 1e9, ring_s = 1e9, scan_s = 1e9, decode_s = 1e9, plain_s = 1e9, encode_s = 1e9;
    struct memory_file file = {0};
    uint64_t events_read = 0;
    size_t plain_bytes = 0;
    for (int round = 0; round < 5; round++) {
        memory_file_free(&file);
        ring_s = best(ring_s, write_from_ring(&program, &file));
        memory_file_free(&file);
        write_s = best(write_s, write_program(&program, &file));
        uint64_t ignored;
        scan_s = best(scan_s, read_program(&file, false, &ignored));
        decode_s = best(decode_s, read_program(&file, true, &events_read));
        double seconds, encode_seconds;
        measure_plain(&program, &seconds, &plain_bytes, &encode_seconds);
        plain_s = best(plain_s, seconds);
        encode_s = best(encode_s, encode_seconds);
    }
    const double n = program.count;
    printf("%-44s %8.2f ns/event\n", "ring to file: transcode, encode, compress", ring_s / n * 1e9);
    printf("%-44s %8.2f ns/event\n", "encode + compress + index", write_s / n * 1e9);
    printf("%-44s %8.2f ns/event\n", "two varint columns + zstd only", plain_s / n * 1e9);
    printf("%-44s %8.2f ns/event\n", "  of which varints", encode_s / n * 1e9);
    printf("%-44s %8.1f M events/s\n", "read + decompress + verify", n / scan_s * 1e-6);
    printf("%-44s %8.1f M events/s\n", "decode", (double)events_read / decode_s * 1e-6);
    printf("%-44s %8.3f bytes/event\n", "file", (double)file.length / n);
    printf("%-44s %8.3f\n", "ratio to zstd -1 on two varint columns", (double)file.length / (double)plain_bytes);
    printf("%-44s %8.3f\n", "ratio to 16-byte events", (double)file.length / n / 16);
    printf("%-44s %8.2f\n", "time ratio to varint columns + zstd only", write_s / plain_s);
    memory_file_free(&file);
    free(program.values);
    free(program.ticks);
    return 0;
}

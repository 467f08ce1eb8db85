/* fuzz_seeds FOLDER: writes FOLDER/reader/ (for fuzz_page too), FOLDER/events/ and FOLDER/recovery/ (all must exist). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cptrace/ring.h"
#include "memory_file.h"
#include "spec_example.h"

static void save(const char *folder, const char *part, int number, const uint8_t *bytes, size_t length)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s/%03d", folder, part, number);
    FILE *const out = fopen(path, "wb");
    if (!out || fwrite(bytes, 1, length, out) != length || fclose(out) != 0) {
        perror(path);
        exit(1);
    }
}

/* A piece of the input of fuzz_reader. */
static size_t put_piece(uint8_t *to, const uint8_t *bytes, size_t length, int is_content)
{
    to[0] = (uint8_t)length;
    to[1] = (uint8_t)(length >> 8);
    to[2] = (uint8_t)is_content;
    memcpy(to + 3, bytes, length);
    return length + 3;
}

static void write_small(struct memory_file *file, uint32_t block_event_count)
{
    struct cptrace_writer *const writer = memory_writer(file, block_event_count);
    define_functions(writer, 200);
    cptrace_writer_define_task(writer, text("Task-1"), 0, CPTRACE_NO_NUMBER);
    struct cptrace_lane_writer *lanes[2];
    for (int i = 0; i < 2; i++)
        lanes[i] = cptrace_writer_define_lane(writer, (uint64_t)i, text("lane"));
    for (uint64_t i = 0; i < 40; i++) {
        struct cptrace_lane_writer *const lane = lanes[i % 2];
        cptrace_lane_call(lane, 1000 + i * i * 30, (uint32_t)i * 5);
        const uint32_t activation = cptrace_lane_start(lane, 1001 + i * i * 30, (uint32_t)i);
        cptrace_lane_suspend(lane, 1002 + i * i * 30);
        cptrace_lane_resume(lanes[i % 3 == 0], 1003 + i * i * 30, activation);
        cptrace_lane_throw(lane, 1004 + i * i * 30);
        if (i % 3)
            cptrace_lane_unwind(lane, 1005 + i * i * 30);
    }
    cptrace_writer_finish(writer, (struct cptrace_calibration){1 << 20, 1 << 23, 9}, NULL, 0, NULL);
    cptrace_writer_free(writer);
}

/* Events enough for several delta columns. */
static void write_columns(struct memory_file *file)
{
    struct cptrace_writer *const writer = memory_writer(file, 0);
    define_functions(writer, 4);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 1, text("lane"));
    uint64_t tick = 1000;
    for (uint32_t i = 0; i < 120; i++) {
        cptrace_lane_call(lane, tick += 100 + i % 3, 0);
        cptrace_lane_call(lane, tick += 5, 1);
        cptrace_lane_return(lane, tick += 1 + i % 2);
        const uint32_t activation = cptrace_lane_start(lane, tick += 40, 2);
        cptrace_lane_suspend(lane, tick += 3);
        if (i % 9 == 0)
            cptrace_lane_mark(lane, tick += i * i, text("mark"));
        cptrace_lane_resume(lane, tick += 90 - i % 4, activation);
        cptrace_lane_return(lane, tick += 12);
        cptrace_lane_call(lane, tick += 20, 3);
        cptrace_lane_unwind(lane, tick += 7);
        cptrace_lane_return(lane, tick += 2);
    }
    cptrace_writer_finish(writer, (struct cptrace_calibration){1 << 20, 1 << 23, 9}, NULL, 0, NULL);
    cptrace_writer_free(writer);
}

static void save_seeds(const char *folder, int number, struct memory_file *file)
{
    uint8_t *const input = malloc(file->length * 40 + 4096);
    size_t length = put_piece(input, file->bytes, 80, 0);
    uint64_t end = 80;
    struct cptrace_reader *reader;
    struct cptrace_block block;
    int events = 0;
    cptrace_reader_open_source(memory_source(file), &reader, NULL);
    while (cptrace_reader_next(reader, &block, NULL) == CPTRACE_OK) {
        length += put_piece(input + length, block.content, block.content_bytes, 1);
        end = block.offset + block.compressed_bytes;
        if (block.kind == CPTRACE_BLOCK_EVENTS)
            save(folder, "events", number * 100 + events++, block.content, block.content_bytes);
    }
    cptrace_reader_close(reader);
    length += put_piece(input + length, file->bytes + end, file->length - end, 0);
    save(folder, "reader", number, input, length);
    free(input);
    memory_file_free(file);
}

/* ---- what a killed run left ---- */

struct run {
    struct memory_file file;
    struct cptrace_writer *writer;
    struct cptrace_transcoder *transcoder;
    struct cptrace_ring *ring;
    uint64_t tick;
};

enum { RING_CAPACITY = 128 };

static void put(struct run *run, uint64_t first, uint64_t second)
{
    const uint64_t head = atomic_load(&run->ring->head);
    cptrace_ring_slots(run->ring)[head % RING_CAPACITY] = (struct cptrace_ring_slot){first, second};
    atomic_store(&run->ring->head, head + 1);
}

static void put_event(struct run *run, enum cptrace_ring_op op, uint64_t operand) { put(run, ++run->tick, operand << 8 | op); }

static void put_frame(struct run *run, enum cptrace_ring_op op, uint64_t operand, uint64_t address)
{
    put_event(run, op, operand);
    put(run, address, 0);
}

static void define(struct run *run, uint32_t number, enum cptrace_ring_op op, uint8_t flags)
{
    struct cptrace_ring_function fixed = {
        .number = number, .line = 7, .category = CPTRACE_CATEGORY_USER, .flags = flags, .qualified_name_bytes = 8, .path_bytes = 4};
    uint64_t words[(sizeof fixed + 16) / 8 + 2] = {0};
    memcpy(words, &fixed, sizeof fixed);
    memcpy((char *)words + sizeof fixed, "functiona.py", 12);
    const size_t length = sizeof fixed + 12;
    put_event(run, op, length);
    for (size_t done = 0; done < length; done += 16)
        put(run, words[done / 8], words[done / 8 + 1]);
}

static void put_some(struct run *run)
{
    put_event(run, CPTRACE_RING_CALL, 0);
    put_event(run, CPTRACE_RING_CALL, 1);
    put_frame(run, CPTRACE_RING_TASK, 0, 0x7000);
    put_frame(run, CPTRACE_RING_START, 2, 0x7000);
    put_event(run, CPTRACE_RING_SPAN_BEGIN, 3);
    put_event(run, CPTRACE_RING_SUSPEND, 2);
    put_frame(run, CPTRACE_RING_CPU, 900, 3);
    put_event(run, CPTRACE_RING_RETURN, 1);
    put_frame(run, CPTRACE_RING_RESUME, 2, 0x7000);
    put_event(run, CPTRACE_RING_SPAN_END, 3);
    put_event(run, CPTRACE_RING_UNWIND, 2);
    put_frame(run, CPTRACE_RING_START, 2, 0x7100);
    put_event(run, CPTRACE_RING_SUSPEND, 2);
}

static size_t put_u16(uint8_t *to, size_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
    return 2;
}

static void save_killed_run(const char *folder, int number, bool with_checkpoint, struct cptrace_transcoder_options options)
{
    struct run run = {.tick = 2000, .ring = calloc(1, CPTRACE_RING_HEADER_BYTES + RING_CAPACITY * sizeof(struct cptrace_ring_slot))};
    run.writer = memory_writer(&run.file, 0);
    cptrace_writer_info(run.writer, NULL, 0);
    run.transcoder = cptrace_transcoder_create(run.writer, &options);
    run.ring->capacity_slots = RING_CAPACITY;
    size_t begun_bytes = run.file.length;
    define(&run, 0, CPTRACE_RING_DEFINE, 0);
    define(&run, 1, options.max_depth ? CPTRACE_RING_DEFINE_OMITTED : CPTRACE_RING_DEFINE, 0);
    define(&run, 2, CPTRACE_RING_DEFINE, CPTRACE_FUNCTION_COROUTINE);
    define(&run, 3, CPTRACE_RING_DEFINE, CPTRACE_FUNCTION_SPAN);
    put_some(&run);
    const uint8_t *checkpoint = NULL;
    size_t checkpoint_bytes = 0;
    uint64_t consumed;
    if (with_checkpoint) {
        cptrace_transcoder_consume(run.transcoder, run.ring, &consumed);
        cptrace_writer_flush(run.writer, NULL);
        cptrace_transcoder_checkpoint(run.transcoder, &checkpoint, &checkpoint_bytes);
        cptrace_ring_release(run.ring, consumed);
        put_some(&run);
    }
    uint8_t *const input = malloc(run.file.length + checkpoint_bytes + RING_CAPACITY * 16 + 4096);
    size_t length = 0;
    input[length++] = (uint8_t)(1 | (with_checkpoint ? 2 : 0));
    length += put_u16(input + length, begun_bytes);
    input[length++] = (uint8_t)options.max_depth;
    length += put_u16(input + length, options.min_call_ticks);
    if (with_checkpoint) {
        length += put_u16(input + length, checkpoint_bytes - 4);
        memcpy(input + length, checkpoint, checkpoint_bytes - 4);
        length += checkpoint_bytes - 4;
    }
    input[length++] = 1; /* ring */
    input[length++] = 0; /* its lane */
    input[length++] = 7; /* log2 of its capacity */
    length += put_u16(input + length, run.ring->head);
    memcpy(input + length, cptrace_ring_slots(run.ring), RING_CAPACITY * 16);
    length += RING_CAPACITY * 16;
    length += put_piece(input + length, run.file.bytes, run.file.length, 0);
    save(folder, "recovery", number, input, length);
    free(input);
    cptrace_transcoder_free(run.transcoder);
    cptrace_writer_free(run.writer);
    memory_file_free(&run.file);
    free(run.ring);
}

int main(int argc, char **argv)
{
    struct memory_file file;
    if (argc != 2)
        return 2;
    write_spec_example(&file);
    save_seeds(argv[1], 0, &file);
    write_small(&file, 0);
    save_seeds(argv[1], 1, &file);
    write_small(&file, 20);
    save_seeds(argv[1], 2, &file);
    write_columns(&file);
    save_seeds(argv[1], 3, &file);
    save_killed_run(argv[1], 0, false, (struct cptrace_transcoder_options){0});
    save_killed_run(argv[1], 1, true, (struct cptrace_transcoder_options){0});
    save_killed_run(argv[1], 2, true, (struct cptrace_transcoder_options){.max_depth = 3, .min_call_ticks = 6});
    return 0;
}

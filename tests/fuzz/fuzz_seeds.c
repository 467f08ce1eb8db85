/* fuzz_seeds FOLDER: writes FOLDER/reader/ and FOLDER/events/ (both must exist). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    return 0;
}

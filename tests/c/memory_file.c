#include "memory_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append_bytes(struct memory_file *file, const void *bytes, size_t length)
{
    if (file->length + length > file->capacity) {
        file->capacity = (file->length + length) * 2;
        file->bytes = realloc(file->bytes, file->capacity);
        if (!file->bytes)
            abort();
    }
    memcpy(file->bytes + file->length, bytes, length);
    file->length += length;
}

static int memory_append(void *context, const void *bytes, size_t length)
{
    struct memory_file *const file = context;
    if (file->appends_left == 0) {
        append_bytes(file, bytes, length / 2);
        return ENOSPC;
    }
    file->appends_left--;
    file->appends_done++;
    append_bytes(file, bytes, length);
    return 0;
}

static int64_t memory_read(void *context, void *buffer, size_t capacity)
{
    struct memory_file *const file = context;
    size_t count = file->length - file->position;
    if (count > capacity)
        count = capacity;
    if (file->read_max_bytes && count > file->read_max_bytes)
        count = file->read_max_bytes;
    if (count)
        memcpy(buffer, file->bytes + file->position, count);
    file->position += count;
    return (int64_t)count;
}

struct cptrace_sink memory_sink(struct memory_file *file) { return (struct cptrace_sink){memory_append, file}; }

struct cptrace_source memory_source(struct memory_file *file)
{
    file->position = 0;
    return (struct cptrace_source){memory_read, file};
}

void memory_file_free(struct memory_file *file)
{
    free(file->bytes);
    *file = (struct memory_file){0};
}

struct cptrace_string text(const char *string) { return (struct cptrace_string){string, (uint32_t)strlen(string)}; }

struct cptrace_writer *memory_writer(struct memory_file *file, uint32_t block_event_count)
{
    *file = (struct memory_file){.appends_left = -1};
    const struct cptrace_writer_options options = {
        .file_id = 0xC0FFEE01,
        .run_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
        .ns_per_tick_q32 = UINT64_C(4) << 32,
        .start = {1000, 5000000, UINT64_C(1700000000000000000)},
        .block_event_count = block_event_count,
    };
    return cptrace_writer_create(memory_sink(file), &options, NULL);
}

void define_functions(struct cptrace_writer *writer, uint32_t count)
{
    const uint32_t file = cptrace_writer_define_file(writer, text("/srv/app/main.py"), 1234, UINT64_C(1690000000000000000));
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%u", i);
        const struct cptrace_function function = {
            .qualified_name = text(name),
            .module = text("main"),
            .library = text(""),
            .file = file,
            .line = i + 1,
            .category = CPTRACE_CATEGORY_USER,
        };
        cptrace_writer_define_function(writer, &function);
    }
}

struct reading read_everything(struct memory_file *file)
{
    struct reading reading = {0};
    struct cptrace_reader *reader;
    struct cptrace_events events = {0};
    reading.open_status = cptrace_reader_open_source(memory_source(file), &reader, &reading.error);
    if (reading.open_status != CPTRACE_OK)
        return reading;
    struct cptrace_block block;
    while ((reading.final_status = cptrace_reader_next(reader, &block, &reading.error)) == CPTRACE_OK) {
        reading.block_count++;
        if (block.kind != CPTRACE_BLOCK_EVENTS)
            continue;
        if (cptrace_events_decode(&block, &events, &reading.error) == CPTRACE_OK) {
            reading.event_count += events.event_count;
        } else {
            reading.decode_failures++;
            cptrace_reader_report_damage(reader, &block, &reading.error);
        }
    }
    const struct cptrace_damage *const damage = cptrace_reader_damage(reader, &reading.damage_count);
    if (reading.damage_count)
        reading.damage = damage[0].error;
    cptrace_reader_info(reader, &reading.info_count);
    reading.has_index = cptrace_reader_has_index(reader);
    cptrace_events_free(&events);
    cptrace_reader_close(reader);
    return reading;
}

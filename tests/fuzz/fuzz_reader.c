/* A whole file (image.h), read to its end. */
#include <stdlib.h>

#include "image.h"

/* Every byte of every string, so that a sanitizer sees what points nowhere. */
static unsigned touch(struct cptrace_string string)
{
    unsigned sum = 0;
    for (uint32_t i = 0; i < string.length; i++)
        sum += (unsigned char)string.bytes[i];
    return sum;
}

static unsigned touch_all(const struct cptrace_reader *reader)
{
    const struct cptrace_definitions *const definitions = cptrace_reader_definitions(reader);
    unsigned sum = 0;
    size_t count;
    for (size_t i = 0; i < definitions->file_count; i++)
        sum += touch(definitions->files[i].path);
    for (size_t i = 0; i < definitions->function_count; i++) {
        const struct cptrace_function_definition *const function = &definitions->functions[i];
        if (function->file != CPTRACE_NO_NUMBER && function->file >= definitions->file_count)
            abort();
        sum += touch(function->qualified_name) + touch(function->module) + touch(function->library);
    }
    for (size_t i = 0; i < definitions->lane_count; i++)
        sum += touch(definitions->lanes[i].name);
    for (size_t i = 0; i < definitions->task_count; i++)
        sum += touch(definitions->tasks[i].name);
    const struct cptrace_info_pair *const info = cptrace_reader_info(reader, &count);
    for (size_t i = 0; i < count; i++)
        sum += touch(info[i].key) + touch(info[i].value);
    const struct cptrace_info_pair *const end = cptrace_reader_end_info(reader, &count);
    for (size_t i = 0; i < count; i++)
        sum += touch(end[i].key) + touch(end[i].value);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct image image;
    static struct cptrace_events events;
    static volatile unsigned sink;
    struct cptrace_reader *reader;
    struct cptrace_block block;
    struct cptrace_error error;
    image_build(&image, data, size);
    if (cptrace_reader_open_source(image_source(&image), &reader, &error) != CPTRACE_OK)
        return 0;
    while (cptrace_reader_next(reader, &block, &error) == CPTRACE_OK)
        if (block.kind == CPTRACE_BLOCK_EVENTS && cptrace_events_decode(&block, &events, &error) != CPTRACE_OK)
            cptrace_reader_report_damage(reader, &block, &error);
    sink = touch_all(reader);
    cptrace_reader_close(reader);
    return 0;
}

/* A whole file. Checksums would stop nearly every mutation at the door, so the input is a list of pieces from which a file is built:
 * a length (2 bytes), a kind (1 byte: even: raw bytes of the file; odd: the content of a block, compressed here with right checksums). */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "cptrace/reader.h"

#define FILE_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct image {
    uint8_t bytes[FILE_MAX];
    size_t length, position;
};

static int64_t image_read(void *context, void *buffer, size_t capacity)
{
    struct image *const image = context;
    size_t count = image->length - image->position;
    if (count > capacity)
        count = capacity;
    memcpy(buffer, image->bytes + image->position, count);
    image->position += count;
    return (int64_t)count;
}

static void append_frame(struct image *image, const uint8_t *content, size_t length)
{
    static ZSTD_CCtx *compressor;
    if (!compressor) {
        compressor = ZSTD_createCCtx();
        ZSTD_CCtx_setParameter(compressor, ZSTD_c_checksumFlag, 1);
    }
    const size_t size = ZSTD_compress2(compressor, image->bytes + image->length, FILE_MAX - image->length, content, length);
    if (!ZSTD_isError(size))
        image->length += size;
}

static void build(struct image *image, const uint8_t *data, size_t size)
{
    image->length = image->position = 0;
    while (size >= 3) {
        size_t length = data[0] | (size_t)data[1] << 8;
        const int is_content = data[2] & 1;
        data += 3;
        size -= 3;
        if (length > size)
            length = size;
        if (length > FILE_MAX - image->length)
            return;
        if (is_content) {
            append_frame(image, data, length);
        } else {
            memcpy(image->bytes + image->length, data, length);
            image->length += length;
        }
        data += length;
        size -= length;
    }
}

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
    build(&image, data, size);
    if (cptrace_reader_open_source((struct cptrace_source){image_read, &image}, &reader, &error) != CPTRACE_OK)
        return 0;
    while (cptrace_reader_next(reader, &block, &error) == CPTRACE_OK)
        if (block.kind == CPTRACE_BLOCK_EVENTS && cptrace_events_decode(&block, &events, &error) != CPTRACE_OK)
            cptrace_reader_report_damage(reader, &block, &error);
    sink = touch_all(reader);
    cptrace_reader_close(reader);
    return 0;
}

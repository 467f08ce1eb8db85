#include "block_reader.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "byte_buffer.h"
#include "error.h"
#include "frame.h"

/* RFC 8878, 3.1.1. */
#define FRAME_HEADER_MAX_BYTES 18
#define ZSTD_BLOCK_HEADER_BYTES 3
#define ZSTD_BLOCK_MAX_BYTES (128u << 10)
#define FRAME_CHECKSUM_BYTES 4
/* 64 MiB are 512 zstd blocks; writers may end some early. The limit keeps the search among hostile bytes short. */
#define ZSTD_BLOCKS_MAX 8192

enum { ZSTD_BLOCK_RAW, ZSTD_BLOCK_RLE, ZSTD_BLOCK_COMPRESSED, ZSTD_BLOCK_RESERVED };

static enum cptrace_status need(struct input *input, size_t length, struct cptrace_error *error)
{
    if (cptrace_input_require(input, length))
        return CPTRACE_OK;
    if (input->failure != CPTRACE_OK)
        return cptrace_input_error(input, error);
    return cptrace_error_set(error, CPTRACE_TRUNCATED, input->offset, "block: the file ends inside it");
}

/* The frame header of SPEC.md 2: content size and checksum on, no dictionary, no reserved bits. */
static enum cptrace_status parse_frame_header(struct input *input, size_t *header_bytes, uint64_t *content_bytes,
                                              struct cptrace_error *error)
{
    static const uint8_t size_field_bytes[] = {0, 2, 4, 8};
    enum cptrace_status status = need(input, 5, error);
    if (status != CPTRACE_OK)
        return status;
    const uint8_t descriptor = input_at(input)[4];
    const bool single_segment = descriptor & 0x20;
    if ((descriptor & 0x1F) != 0x04 || (descriptor < 0x40 && !single_segment))
        return cptrace_error_set(error, CPTRACE_CORRUPT, input->offset,
                                 "frame descriptor: expected content size and checksum, found 0x%02x", descriptor);
    const size_t field_bytes = descriptor < 0x40 ? 1 : size_field_bytes[descriptor >> 6];
    const size_t field = 5 + !single_segment;
    *header_bytes = field + field_bytes;
    status = need(input, *header_bytes, error);
    if (status != CPTRACE_OK)
        return status;
    const uint8_t *const at = input_at(input) + field;
    switch (field_bytes) {
    case 1:
        *content_bytes = at[0];
        break;
    case 2:
        *content_bytes = load_u16(at) + 256u;
        break;
    case 4:
        *content_bytes = load_u32(at);
        break;
    default:
        *content_bytes = load_u64(at);
        break;
    }
    if (*content_bytes < BLOCK_HEADER_BYTES || *content_bytes > CPTRACE_CONTENT_MAX)
        return cptrace_error_set(error, CPTRACE_CORRUPT, input->offset, "frame content size: expected %d to %u bytes, found %llu",
                                 BLOCK_HEADER_BYTES, CPTRACE_CONTENT_MAX, (unsigned long long)*content_bytes);
    return CPTRACE_OK;
}

/* The length of the zstd block at position, its header included. */
static enum cptrace_status measure_zstd_block(struct input *input, size_t position, size_t *length, bool *last, struct cptrace_error *error)
{
    const enum cptrace_status status = need(input, position + ZSTD_BLOCK_HEADER_BYTES, error);
    if (status != CPTRACE_OK)
        return status;
    const uint8_t *const at = input_at(input) + position;
    const uint32_t header = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
    const uint32_t type = header >> 1 & 3, size = header >> 3;
    if (type == ZSTD_BLOCK_RESERVED || size > ZSTD_BLOCK_MAX_BYTES)
        return cptrace_error_set(error, CPTRACE_CORRUPT, input->offset,
                                 "zstd block: expected at most %u bytes of a known type, found %u of type %u", ZSTD_BLOCK_MAX_BYTES, size,
                                 type);
    *last = header & 1;
    *length = ZSTD_BLOCK_HEADER_BYTES + (type == ZSTD_BLOCK_RLE ? 1 : size);
    return CPTRACE_OK;
}

enum cptrace_status cptrace_frame_measure(struct input *input, struct frame_size *size, struct cptrace_error *error)
{
    size_t position = 0;
    enum cptrace_status status = parse_frame_header(input, &position, &size->content_bytes, error);
    bool last = false;
    uint32_t count = 0;
    for (; status == CPTRACE_OK && !last && count < ZSTD_BLOCKS_MAX; count++) {
        size_t length = 0;
        status = measure_zstd_block(input, position, &length, &last, error);
        position += length;
        /* zstd stores what it cannot make smaller, so the window need not be larger than that. */
        if (status == CPTRACE_OK &&
            position > FRAME_HEADER_MAX_BYTES + size->content_bytes + (count + 1) * (uint64_t)ZSTD_BLOCK_HEADER_BYTES)
            status = cptrace_error_set(error, CPTRACE_CORRUPT, input->offset, "frame: longer than its content");
    }
    if (status != CPTRACE_OK)
        return status;
    if (!last)
        return cptrace_error_set(error, CPTRACE_CORRUPT, input->offset, "frame: more than %d zstd blocks", ZSTD_BLOCKS_MAX);
    /* Before memory is taken for it. */
    if (size->content_bytes > (uint64_t)count * ZSTD_BLOCK_MAX_BYTES)
        return cptrace_error_set(error, CPTRACE_CORRUPT, input->offset, "frame content size: more than its zstd blocks can hold");
    size->compressed_bytes = position + FRAME_CHECKSUM_BYTES;
    return need(input, size->compressed_bytes, error);
}

static enum cptrace_status reserve(struct block_reader *reader, const struct frame_size *size, uint64_t offset, struct cptrace_error *error)
{
    if (!reader->decompressor)
        reader->decompressor = ZSTD_createDCtx();
    if (!reader->decompressor || !cptrace_array_reserve(&reader->content, &reader->content_capacity, (size_t)size->content_bytes, 1))
        return cptrace_error_no_memory(error, offset);
    return CPTRACE_OK;
}

static enum cptrace_status check_block_header(const uint8_t *content, uint32_t file_id, uint64_t offset, struct cptrace_error *error)
{
    if (load_u32(content + 4) != file_id)
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "file id: expected %08x, found %08x", file_id, load_u32(content + 4));
    if (content[1] || content[2] || content[3])
        return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "block header: reserved bytes are not zero");
    return CPTRACE_OK;
}

enum cptrace_status cptrace_block_decompress(struct block_reader *reader, const uint8_t *frame, const struct frame_size *size,
                                             const struct cptrace_header *header, struct cptrace_block *block, struct cptrace_error *error)
{
    enum cptrace_status status = reserve(reader, size, block->offset, error);
    if (status != CPTRACE_OK)
        return status;
    const size_t content_bytes =
        ZSTD_decompressDCtx(reader->decompressor, reader->content, (size_t)size->content_bytes, frame, size->compressed_bytes);
    reader->decompressed_count++;
    if (ZSTD_isError(content_bytes)) {
        if (ZSTD_getErrorCode(content_bytes) == ZSTD_error_memory_allocation)
            return cptrace_error_no_memory(error, block->offset);
        return cptrace_error_set(error, CPTRACE_CORRUPT, block->offset, "block: zstd: %s", ZSTD_getErrorName(content_bytes));
    }
    if (content_bytes != size->content_bytes)
        return cptrace_error_set(error, CPTRACE_CORRUPT, block->offset, "block content: expected %llu bytes, found %zu",
                                 (unsigned long long)size->content_bytes, content_bytes);
    status = check_block_header(reader->content, header->file_id, block->offset, error);
    if (status != CPTRACE_OK)
        return status;
    block->kind = reader->content[0];
    block->sequence = load_u32(reader->content + 8);
    block->compressed_bytes = size->compressed_bytes;
    block->content = reader->content;
    block->content_bytes = content_bytes;
    block->format_version = header->format_version;
    return CPTRACE_OK;
}

void cptrace_block_reader_free(struct block_reader *reader)
{
    ZSTD_freeDCtx(reader->decompressor);
    free(reader->content);
    *reader = (struct block_reader){0};
}

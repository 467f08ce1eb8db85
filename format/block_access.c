/* Reads single blocks by their entries, from any thread: nothing of the reader is written. */
#include <stdlib.h>
#include <zstd.h>

#include "byte_buffer.h"
#include "crc32.h"
#include "error.h"
#include "frame.h"
#include "reader_state.h"

static int64_t read_at(const struct cptrace_reader *reader, uint64_t offset, uint8_t *to, size_t length)
{
    return reader->recovery ? cptrace_recovery_read(reader->recovery, offset, to, length)
                            : cptrace_file_read_at(reader->file, offset, to, length);
}

static enum cptrace_status read_all(const struct cptrace_reader *reader, uint64_t offset, uint8_t *to, size_t length,
                                    struct cptrace_error *error)
{
    while (length > 0) {
        const int64_t count = read_at(reader, offset, to, length);
        if (count < 0)
            return cptrace_error_system(error, offset, "read", (int)-count);
        if (count == 0)
            return cptrace_error_set(error, CPTRACE_TRUNCATED, offset, "block: the file became shorter");
        offset += (uint64_t)count;
        to += count;
        length -= (size_t)count;
    }
    return CPTRACE_OK;
}

/* An entry of the index comes without the checks that a scan makes of the frame. */
static enum cptrace_status check_frame(uint8_t *frame, const struct cptrace_block_entry *entry, struct frame_size *size,
                                       struct cptrace_error *error)
{
    const size_t compressed_bytes = (size_t)entry->compressed_bytes;
    struct input input = {.bytes = frame, .end = compressed_bytes, .offset = entry->offset, .at_end = true};
    if (cptrace_crc32(0, frame, compressed_bytes) != entry->frame_crc32)
        return cptrace_error_set(error, CPTRACE_CORRUPT, entry->offset, "block: crc32 does not match, or it changed meanwhile");
    if (compressed_bytes < 4 || load_u32(frame) != MAGIC_BLOCK || cptrace_frame_measure(&input, size, NULL) != CPTRACE_OK ||
        size->compressed_bytes != compressed_bytes)
        return cptrace_error_set(error, CPTRACE_CORRUPT, entry->offset, "block: no frame of %zu bytes", compressed_bytes);
    return CPTRACE_OK;
}

enum cptrace_status cptrace_reader_read_block(const struct cptrace_reader *reader, const struct cptrace_block_entry *entry,
                                              struct cptrace_block_buffer *buffer, struct cptrace_block *block, struct cptrace_error *error)
{
    if ((!reader->file && !reader->recovery) || entry->compressed_bytes > ZSTD_compressBound(CPTRACE_CONTENT_MAX) * 2)
        return cptrace_error_set(error, CPTRACE_INVALID_ARGUMENT, entry->offset, "read_block: the reader was not opened by path");
    const size_t compressed_bytes = (size_t)entry->compressed_bytes;
    if (!cptrace_array_reserve(&buffer->compressed, &buffer->compressed_capacity, compressed_bytes, 1))
        return cptrace_error_no_memory(error, entry->offset);
    enum cptrace_status status = read_all(reader, entry->offset, buffer->compressed, compressed_bytes, error);
    struct frame_size size;
    if (status == CPTRACE_OK)
        status = check_frame(buffer->compressed, entry, &size, error);
    if (status != CPTRACE_OK)
        return status;
    *block = (struct cptrace_block){.offset = entry->offset};
    struct block_reader blocks = {buffer->decompressor, buffer->content, buffer->content_capacity, buffer->decompressed_count};
    status = cptrace_block_decompress(&blocks, buffer->compressed, &size, &reader->header, block, error);
    buffer->decompressor = blocks.decompressor;
    buffer->content = blocks.content;
    buffer->content_capacity = blocks.content_capacity;
    buffer->decompressed_count = blocks.decompressed_count;
    if (status == CPTRACE_OK && (block->kind != entry->kind || block->sequence != entry->sequence))
        return cptrace_error_set(error, CPTRACE_CORRUPT, entry->offset, "block: expected kind %u, sequence %u, found %u, %u", entry->kind,
                                 entry->sequence, block->kind, block->sequence);
    return status;
}

void cptrace_block_buffer_free(struct cptrace_block_buffer *buffer)
{
    struct block_reader blocks = {.decompressor = buffer->decompressor, .content = buffer->content};
    cptrace_block_reader_free(&blocks);
    free(buffer->compressed);
    *buffer = (struct cptrace_block_buffer){0};
}

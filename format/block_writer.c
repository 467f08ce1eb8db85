#include "block_writer.h"

#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "cptrace/reader.h"
#include "crc32.h"
#include "error.h"
#include "frame.h"
#include "idle.h"

/* A piece of at least this many bytes has zstd blocks, and so entropy tables, of its own. */
#define SEPARATE_MIN_BYTES 1024

/* Ops repeat over long stretches: short matches in them cost more than their bytes do. Measured on the op columns of the example programs
 * against level 1 as it is: up to 5 % smaller, in 5 to 10 % less time. */
#define EVENTS_MIN_BYTES 16384 /* in less, text weighs more */
#define EVENTS_MATCH_MIN_BYTES 7
#define EVENTS_HASH_LOG 12

/* A compressor that no writer uses: each takes it for a block and puts it back. To make one takes 20 µs on a virtual machine, where zstd's
 * question what the processor can do goes to the hypervisor; and writers that wait for their next block need none. */
static idle_place idle_compressor;

static bool take_compressor(struct block_writer *writer)
{
    writer->compressor = idle_exchange(&idle_compressor, NULL);
    if (!writer->compressor)
        writer->compressor = ZSTD_createCCtx();
    return writer->compressor || cptrace_block_writer_no_memory(writer);
}

static void put_compressor_back(struct block_writer *writer)
{
    ZSTD_freeCCtx(idle_exchange(&idle_compressor, writer->compressor));
    writer->compressor = NULL;
}

bool cptrace_block_writer_no_memory(struct block_writer *writer)
{
    if (writer->error.status == CPTRACE_OK)
        cptrace_error_no_memory(&writer->error, writer->offset);
    return false;
}

void cptrace_block_writer_init(struct block_writer *writer, struct cptrace_sink sink, uint32_t file_id, int level)
{
    *writer = (struct block_writer){.sink = sink, .file_id = file_id, .level = level};
}

void cptrace_block_writer_free(struct block_writer *writer)
{
    cptrace_buffer_free(&writer->frame);
    cptrace_buffer_free(&writer->index.entries);
}

bool cptrace_block_writer_append(struct block_writer *writer, const void *bytes, size_t length)
{
    if (writer->error.status != CPTRACE_OK)
        return false;
    const int error_number = writer->sink.append(writer->sink.context, bytes, length);
    if (error_number != 0) {
        cptrace_error_system(&writer->error, writer->offset, "write", error_number);
        return false;
    }
    writer->offset += length;
    return true;
}

static bool compressor_failed(struct block_writer *writer, size_t code)
{
    if (!ZSTD_isError(code))
        return false;
    if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
        cptrace_block_writer_no_memory(writer);
    else
        cptrace_error_set(&writer->error, CPTRACE_INVALID_ARGUMENT, writer->offset, "zstd: %s", ZSTD_getErrorName(code));
    return true;
}

static bool set_event_parameters(struct block_writer *writer)
{
    return !compressor_failed(writer, ZSTD_CCtx_setParameter(writer->compressor, ZSTD_c_hashLog, EVENTS_HASH_LOG)) &&
           !compressor_failed(writer, ZSTD_CCtx_setParameter(writer->compressor, ZSTD_c_minMatch, EVENTS_MATCH_MIN_BYTES));
}

static bool begin_frame(struct block_writer *writer, uint8_t kind, size_t content_bytes)
{
    const bool is_repetitive = kind == CPTRACE_BLOCK_EVENTS && content_bytes >= EVENTS_MIN_BYTES && writer->level == BLOCK_DEFAULT_LEVEL;
    ZSTD_CCtx *const compressor = writer->compressor;
    if (compressor_failed(writer, ZSTD_CCtx_reset(compressor, ZSTD_reset_session_and_parameters)) ||
        compressor_failed(writer, ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, writer->level)) ||
        (is_repetitive && !set_event_parameters(writer)) ||
        compressor_failed(writer, ZSTD_CCtx_setParameter(compressor, ZSTD_c_checksumFlag, 1)) ||
        compressor_failed(writer, ZSTD_CCtx_setParameter(compressor, ZSTD_c_contentSizeFlag, 1)) ||
        compressor_failed(writer, ZSTD_CCtx_setPledgedSrcSize(compressor, content_bytes)))
        return false;
    writer->frame.length = 0;
    /* The flushes add some block headers to the bound. */
    return cptrace_buffer_reserve(&writer->frame, ZSTD_compressBound(content_bytes) + 256) || cptrace_block_writer_no_memory(writer);
}

static bool compress_piece(struct block_writer *writer, const void *bytes, size_t length, ZSTD_EndDirective directive)
{
    ZSTD_inBuffer in = {bytes, length, 0};
    ZSTD_outBuffer out = {writer->frame.bytes, writer->frame.capacity, writer->frame.length};
    size_t left;
    do {
        left = ZSTD_compressStream2(writer->compressor, &out, &in, directive);
        if (compressor_failed(writer, left))
            return false;
    } while (directive == ZSTD_e_continue ? in.pos < in.size : left != 0);
    writer->frame.length = out.pos;
    return true;
}

static bool compress_pieces(struct block_writer *writer, uint8_t kind, size_t content_bytes, const struct block_piece *pieces,
                            size_t piece_count)
{
    uint8_t header[BLOCK_HEADER_BYTES] = {kind};
    store_u32(store_u32(header + 4, writer->file_id), writer->sequence);
    if (!begin_frame(writer, kind, content_bytes) || !compress_piece(writer, header, sizeof header, ZSTD_e_continue))
        return false;
    for (size_t i = 0; i < piece_count; i++) {
        const bool last = i + 1 == piece_count;
        const bool separate = pieces[i].length >= SEPARATE_MIN_BYTES || (!last && pieces[i + 1].length >= SEPARATE_MIN_BYTES);
        if (!compress_piece(writer, pieces[i].bytes, pieces[i].length, last ? ZSTD_e_end : separate ? ZSTD_e_flush : ZSTD_e_continue))
            return false;
    }
    return true;
}

static bool compress_block(struct block_writer *writer, uint8_t kind, const struct block_piece *pieces, size_t piece_count)
{
    size_t content_bytes = BLOCK_HEADER_BYTES;
    for (size_t i = 0; i < piece_count; i++)
        content_bytes += pieces[i].length;
    if (content_bytes > CPTRACE_CONTENT_MAX) {
        cptrace_error_set(&writer->error, CPTRACE_INVALID_ARGUMENT, writer->offset, "block content: %zu bytes, at most %u fit",
                          content_bytes, CPTRACE_CONTENT_MAX);
        return false;
    }
    if (!take_compressor(writer))
        return false;
    const bool is_compressed = compress_pieces(writer, kind, content_bytes, pieces, piece_count);
    put_compressor_back(writer);
    return is_compressed;
}

bool cptrace_block_write(struct block_writer *writer, struct index_block block, const struct block_piece *pieces, size_t piece_count)
{
    if (writer->error.status != CPTRACE_OK || !compress_block(writer, block.kind, pieces, piece_count))
        return false;
    block.offset = writer->offset;
    block.compressed_bytes = writer->frame.length;
    block.frame_crc32 = cptrace_crc32(0, writer->frame.bytes, writer->frame.length);
    if (!cptrace_block_writer_append(writer, writer->frame.bytes, writer->frame.length))
        return false;
    writer->sequence++;
    return cptrace_index_add(&writer->index, &block) || cptrace_block_writer_no_memory(writer);
}

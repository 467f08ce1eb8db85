#include "block_writer.h"

#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "cptrace/reader.h"
#include "crc32.h"
#include "error.h"
#include "frame.h"

/* Below this many bytes separate entropy tables cost more than they save. */
#define FLUSH_PIECE_MIN_BYTES 1024

/* In less, text and the repeating ops weigh more than deltas. */
#define NOISE_MIN_BYTES 16384
#define HASH_LOG_MIN 9
#define HASH_LOG_MAX 13
#define HASH_PLACES_PER_FUNCTION 16

bool cptrace_block_writer_no_memory(struct block_writer *writer)
{
    if (writer->error.status == CPTRACE_OK)
        cptrace_error_no_memory(&writer->error, writer->offset);
    return false;
}

bool cptrace_block_writer_init(struct block_writer *writer, struct cptrace_sink sink, uint32_t file_id, int level)
{
    *writer = (struct block_writer){.sink = sink, .file_id = file_id, .level = level};
    writer->compressor = ZSTD_createCCtx();
    return writer->compressor ? true : cptrace_block_writer_no_memory(writer);
}

void cptrace_block_writer_free(struct block_writer *writer)
{
    ZSTD_freeCCtx(writer->compressor);
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

/* How far the search for matches goes on after each byte without one; and entropy coding all the same, which zstd leaves out then unless it
 * is told. zstd's headers give that parameter no name outside of a static library, since it may change: without it nothing is skipped. */
static size_t skip_where_nothing_matches(ZSTD_CCtx *compressor)
{
    enum { LITERALS_ARE_COMPRESSED = 1, SKIPPED_BYTES = 4 };
    if (ZSTD_isError(ZSTD_CCtx_setParameter(compressor, ZSTD_c_experimentalParam5, LITERALS_ARE_COMPRESSED)))
        return 0;
    return ZSTD_CCtx_setParameter(compressor, ZSTD_c_targetLength, SKIPPED_BYTES);
}

/* Deltas are noise: short matches in them cost more than their bytes do, and time to look for. Ops repeat over longer stretches; the more
 * functions there are, the more of these are worth remembering. Measured on the example programs against level 1 as it is: 1 to 4 %
 * smaller, in half to three quarters of the time. */
static size_t set_event_parameters(ZSTD_CCtx *compressor, size_t function_count)
{
    int hash_log = HASH_LOG_MIN;
    while (hash_log < HASH_LOG_MAX && (size_t)1 << hash_log < function_count * HASH_PLACES_PER_FUNCTION)
        hash_log++;
    size_t code = ZSTD_CCtx_setParameter(compressor, ZSTD_c_hashLog, hash_log);
    if (!ZSTD_isError(code))
        code = ZSTD_CCtx_setParameter(compressor, ZSTD_c_minMatch, 7);
    return ZSTD_isError(code) ? code : skip_where_nothing_matches(compressor);
}

/* Parameters outlive frames; only the session is reset. */
static bool begin_frame(struct block_writer *writer, uint8_t kind, size_t content_bytes)
{
    const bool is_noise = kind == CPTRACE_BLOCK_EVENTS && content_bytes >= NOISE_MIN_BYTES && writer->level == BLOCK_DEFAULT_LEVEL;
    ZSTD_CCtx *const compressor = writer->compressor;
    if (compressor_failed(writer, ZSTD_CCtx_reset(compressor, ZSTD_reset_session_and_parameters)) ||
        compressor_failed(writer, ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, writer->level)) ||
        (is_noise && compressor_failed(writer, set_event_parameters(compressor, writer->event_function_count))) ||
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

    uint8_t header[BLOCK_HEADER_BYTES] = {kind};
    store_u32(store_u32(header + 4, writer->file_id), writer->sequence);
    if (!begin_frame(writer, kind, content_bytes) || !compress_piece(writer, header, sizeof header, ZSTD_e_continue))
        return false;
    for (size_t i = 0; i < piece_count; i++) {
        const bool last = i + 1 == piece_count;
        const bool separate = pieces[i].length >= FLUSH_PIECE_MIN_BYTES;
        if (!compress_piece(writer, pieces[i].bytes, pieces[i].length, last ? ZSTD_e_end : separate ? ZSTD_e_flush : ZSTD_e_continue))
            return false;
    }
    return true;
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

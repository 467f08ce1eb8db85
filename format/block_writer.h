/* Appends blocks to the sink: one zstd frame each, numbered, noted in the index. */
#ifndef CPTRACE_BLOCK_WRITER_H
#define CPTRACE_BLOCK_WRITER_H

#include "byte_buffer.h"
#include "cptrace/writer.h"
#include "index_writer.h"

struct ZSTD_CCtx_s;

#define BLOCK_DEFAULT_LEVEL 1

struct block_writer {
    struct cptrace_sink sink;
    struct ZSTD_CCtx_s *compressor; /* while a block is compressed */
    int level;
    uint32_t file_id;
    uint32_t sequence; /* of the next block */
    uint64_t offset;   /* of the next byte in the file */
    struct byte_buffer frame;
    struct index_writer index;
    struct cptrace_error error; /* the first one; status OK before */
};

/* A piece of a block's content behind its header. Pieces are compressed with separate entropy tables. */
struct block_piece {
    const uint8_t *bytes;
    size_t length;
};

void cptrace_block_writer_init(struct block_writer *writer, struct cptrace_sink sink, uint32_t file_id, int level);
void cptrace_block_writer_free(struct block_writer *writer);

/* Writes one block whose body is the pieces. block gives kind and, for events, what the index tells; the rest is filled in. */
bool cptrace_block_write(struct block_writer *writer, struct index_block block, const struct block_piece *pieces, size_t piece_count);

/* Appends bytes as they are (header, index). */
bool cptrace_block_writer_append(struct block_writer *writer, const void *bytes, size_t length);

/* Notes the first error; always false. */
bool cptrace_block_writer_no_memory(struct block_writer *writer);

#endif

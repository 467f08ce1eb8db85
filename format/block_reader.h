/* One block from its compressed frame: where it ends, and what it holds once verified; SPEC.md 2 and 4. */
#ifndef CPTRACE_BLOCK_READER_H
#define CPTRACE_BLOCK_READER_H

#include "cptrace/reader.h"
#include "input.h"

struct ZSTD_DCtx_s;

/* Sizes that the frame itself claims. */
struct frame_size {
    size_t compressed_bytes;
    uint64_t content_bytes;
};

/* A decompressor and the content of the last block. */
struct block_reader {
    struct ZSTD_DCtx_s *decompressor;
    uint8_t *content;
    size_t content_capacity;
    uint64_t decompressed_count;
};

/* Measures the frame at the start of the input, reading on until all of it is there. TRUNCATED when the source ends inside it. */
enum cptrace_status cptrace_frame_measure(struct input *input, struct frame_size *size, struct cptrace_error *error);

/* Decompresses and checks everything that is common to all blocks of the file with this header. block->offset is given, the rest is filled
 * in. */
enum cptrace_status cptrace_block_decompress(struct block_reader *reader, const uint8_t *frame, const struct frame_size *size,
                                             const struct cptrace_header *header, struct cptrace_block *block, struct cptrace_error *error);

void cptrace_block_reader_free(struct block_reader *reader);

#endif

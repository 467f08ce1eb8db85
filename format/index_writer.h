/* The index of SPEC.md 5, encoded as blocks are written: about 20 bytes a block. */
#ifndef CPTRACE_INDEX_WRITER_H
#define CPTRACE_INDEX_WRITER_H

#include "byte_buffer.h"

struct index_writer {
    struct byte_buffer entries;
    uint64_t block_count;
    uint64_t previous_end;        /* file offset behind the block before */
    uint64_t previous_first_tick; /* of the events block before */
};

/* What the index says about one block; the last four for events blocks only. */
struct index_block {
    uint64_t offset, compressed_bytes;
    uint32_t frame_crc32;
    uint8_t kind;
    uint32_t lane, event_count;
    uint64_t first_tick, last_tick;
};

struct index_totals {
    uint64_t events, calls, functions, files, lanes;
};

bool cptrace_index_add(struct index_writer *index, const struct index_block *block);
/* Appends the whole index frame to out. */
bool cptrace_index_encode(const struct index_writer *index, const struct index_totals *totals, struct byte_buffer *out);

#endif

/* The index of SPEC.md 5, encoded as blocks are written: some 20 bytes a block, and the functions that it mentions. */
#ifndef CPTRACE_INDEX_WRITER_H
#define CPTRACE_INDEX_WRITER_H

#include "byte_buffer.h"
#include "cptrace/cptrace.h"

struct index_writer {
    struct byte_buffer entries;
    uint64_t block_count;
    uint64_t previous_end; /* file offset behind the block before */
    /* of the events block before, or the header's */
    uint64_t previous_first_tick;
    struct cptrace_calibration previous_calibration;
};

/* What the index says about one block; from lane on for events blocks only. */
struct index_block {
    uint64_t offset, compressed_bytes;
    uint32_t frame_crc32;
    uint8_t kind;
    uint32_t lane, event_count;
    uint64_t first_tick, last_tick;
    struct cptrace_calibration calibration;
    struct cursor functions; /* runs of function numbers: function_set.h */
};

struct index_totals {
    uint64_t events, calls, functions, files, lanes;
};

bool cptrace_index_add(struct index_writer *index, const struct index_block *block);
/* Appends the whole index frame to out. */
bool cptrace_index_encode(const struct index_writer *index, const struct index_totals *totals, struct byte_buffer *out);

#endif

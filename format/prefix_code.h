/* The prefix code (Huffman's) of one delta column: its part of the columns code and bits, SPEC.md 4.3. */
#ifndef CPTRACE_PREFIX_CODE_H
#define CPTRACE_PREFIX_CODE_H

#include "byte_buffer.h"

#define PREFIX_LENGTH_MAX 12u
#define PREFIX_SYMBOLS 256u
#define PREFIX_STREAMS 4u

/* On disk, in the column code: a byte below this is a difference of two lengths; any other one tells how many symbols have no code. */
#define PREFIX_ABSENT 32u
#define PREFIX_LENGTH_BEFORE 8 /* the first length is told as a difference from this */

/* How many symbols of a column each stream holds at most, and the last one what is left. */
static inline size_t prefix_stream_symbols(size_t symbol_count) { return (symbol_count + PREFIX_STREAMS - 1) / PREFIX_STREAMS; }

/* Appends a column of up to 2^24 - 1 symbols, coded, or as it is where that takes no more. False: no memory. */
bool cptrace_prefix_encode(const uint8_t *symbols, size_t symbol_count, struct byte_buffer *code, struct byte_buffer *bits);

/* Reads a column that is coded from the fronts of both cursors. NULL, or what is wrong with it. */
const char *cptrace_prefix_decode(struct cursor *code, struct cursor *bits, uint8_t *symbols, size_t symbol_count);

#endif

/* Sizes and magic numbers of the frames and headers of a file; SPEC.md 2 to 5. */
#ifndef CPTRACE_FRAME_H
#define CPTRACE_FRAME_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "cptrace/cptrace.h"

#define MAGIC_HEADER 0x184D2A5Cu
#define MAGIC_INDEX 0x184D2A5Du
#define MAGIC_PADDING 0x184D2A5Eu
#define MAGIC_BLOCK 0xFD2FB528u

#define SKIPPABLE_HEADER_BYTES 8
#define HEADER_BYTES 80
#define BLOCK_HEADER_BYTES 12
#define EVENTS_HEADER_BYTES 64 /* without its lengths, which are varints */
#define END_FIXED_BYTES (BLOCK_HEADER_BYTES + 48)

#define SIGNATURE                                                                                                                          \
    "\x89"                                                                                                                                 \
    "cptrace"
#define INDEX_SIGNATURE "cptindex"
#define INDEX_END_SIGNATURE "cptend\r\n"
#define SIGNATURE_BYTES 8

/* crc32, size of the frame, end signature. */
#define INDEX_TRAILER_BYTES 16
static_assert(INDEX_TRAILER_BYTES == 4 + 4 + SIGNATURE_BYTES, "SPEC.md 5");

/* Flags of a function, SPEC.md 4.2. */
static inline bool function_flags_are_valid(uint8_t flags) { return flags <= CPTRACE_FUNCTION_SPAN; }
static_assert(CPTRACE_FUNCTION_SPAN == 16, "a span has none of the four bits below its own");

/* Deltas: which column an event has its own in depends on its context, what it and those before it do; SPEC.md 4.3. */
#define CONTEXT_COUNT (1u << 13)
#define CONTEXT_SHIFT 5
#define CONTEXT_FACTOR 2533u
#define DELTA_COLUMNS_MAX 64
#define DELTA_WIDE 255u /* what is over this stands in the column wide */
#define EVENTS_LENGTHS_MAX_BYTES (5 * (11 + DELTA_COLUMNS_MAX))

/* What an event adds to its context that has no callee, or pushes or pops a call of one. */
#define CONTEXT_WITHOUT_CALLEE 0u
static inline uint32_t context_of_callee(uint32_t callee, uint32_t pops)
{
    return (2 * callee + 2 + pops) * CONTEXT_FACTOR & (CONTEXT_COUNT - 1);
}
static inline uint32_t next_context(uint32_t before, uint32_t added) { return before >> CONTEXT_SHIFT ^ added; }

/* Before version 3: a column for whether a call of a callee is pushed or popped, after an event that pops or not. */
#define DELTA_PLACES_V2 4
#define DELTA_PLACES_BYTES_V2 2
#define DELTA_COLUMNS_MAX_V2 16

/* A callee is function << bits | kind. */
#define CALLEE_KIND_BITS 2
enum callee_kind { CALLEE_PLAIN, CALLEE_ACTIVATION, CALLEE_LEAF };
#define CALLEE_KIND_BITS_V1 1
#define FORMAT_VERSION_CODED 2    /* from it on, deltas are coded, and there are leaves */
#define FORMAT_VERSION_CONTEXTS 3 /* from it on, contexts decide in which column a delta is */

#define OPEN_CALLS_MAX (16u << 20)
#define BLOCK_EVENTS_MAX (4u << 20)

#endif

/* What stands before the columns of an events block, and where they are; parsed and checked. SPEC.md 4.3. */
#ifndef CPTRACE_EVENTS_HEADER_H
#define CPTRACE_EVENTS_HEADER_H

#include "bytes.h"
#include "cptrace/reader.h"
#include "frame.h"

struct events_header {
    uint32_t lane, event_count;
    uint64_t first_tick, last_tick;
    struct cptrace_calibration calibration;
    uint32_t open_count;
    struct cursor callee, open, op, start, resume, reopen, annotation, wide;
    uint32_t kind_bits;    /* of a callee, below its function */
    uint32_t places_bytes; /* behind it, before version 3: which delta columns its events have */
    uint32_t delta_columns;
    uint32_t delta_counts[DELTA_COLUMNS_MAX]; /* together as many as events */
    bool is_coded, has_contexts;
    struct cursor code, bits; /* of the delta columns, if they are coded */
    struct cursor context;    /* if there is one */
    struct cursor deltas;     /* else: the columns, one after the other */
};

enum cptrace_status cptrace_events_header_parse(const struct cptrace_block *block, struct events_header *header,
                                                struct cptrace_error *error);

#endif

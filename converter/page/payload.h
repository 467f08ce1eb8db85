/* Collects, as a visitor of the replay, what the page embeds. The layout is the contract of converter/viewer/src/data/contract.ts: change
 * both, and PAYLOAD_CONTRACT.
 *
 * Protocol: create -> replay with payload_visitor -> finish -> html_page_write -> free.
 * Memory: one block of 64 k calls, the calls that are open while a block is written, and the packed blocks (at most about max_bytes). */
#ifndef PAGE_PAYLOAD_H
#define PAGE_PAYLOAD_H

#include "page/packed_block.h"
#include "replay/replay.h"

#define PAYLOAD_CONTRACT 2

enum {
    PAYLOAD_BLOCK_CALLS = 65536,
    PAYLOAD_BLOCK_PATHS = 65536,
    PAYLOAD_PATHS_MAX = 1 << 19, /* paths from this number on are summed up in "others" nodes */
};

/* Columns, in block order. */
enum payload_path_column {
    PATH_COLUMN_PARENT,
    PATH_COLUMN_FUNCTION,
    PATH_COLUMN_CALLS,
    PATH_COLUMN_RAISED,
    PATH_COLUMN_UNFINISHED,
    PATH_COLUMN_TOTAL,
    PATH_COLUMN_SELF,
    PATH_COLUMN_SUSPENDED,
    PATH_COLUMN_FIRST_START,
    PATH_COLUMN_MIN,
    PATH_COLUMN_MAX,
    PATH_COLUMN_LAST_END,
    PATH_COLUMN_COUNT
};

/* Only paths of which annotations say something. */
enum payload_path_note_column {
    PATH_NOTE_COLUMN_PATH,
    PATH_NOTE_COLUMN_WAITING,
    PATH_NOTE_COLUMN_SELF_WAITING,
    PATH_NOTE_COLUMN_OMITTED_CALLS,
    PATH_NOTE_COLUMN_OMITTED_TIME,
    PATH_NOTE_COLUMN_COUNT
};

enum payload_call_column {
    CALL_COLUMN_PATH,
    CALL_COLUMN_START,
    CALL_COLUMN_FLAGS,
    CALL_COLUMN_LANE,
    CALL_COLUMN_END,
    CALL_COLUMN_PARENT,
    CALL_COLUMN_SUSPENDED,
    CALL_COLUMN_SELF,
    CALL_COLUMN_FOLDED_CALLS,
    CALL_COLUMN_FOLDED_TIME,
    CALL_COLUMN_COUNT
};

enum payload_call_flag {
    CALL_FLAG_OUTCOME_MASK = 3,
    CALL_FLAG_EXPLICIT_PARENT = 4,
    CALL_FLAG_SUSPENDED = 8,
    CALL_FLAG_EXPLICIT_SELF = 16,
    CALL_FLAG_FOLDED = 32,
    CALL_FLAG_LATE = 64,
};

enum payload_late_column {
    LATE_COLUMN_CALL,
    LATE_COLUMN_END,
    LATE_COLUMN_SUSPENDED,
    LATE_COLUMN_SELF,
    LATE_COLUMN_OUTCOME,
    LATE_COLUMN_FOLDED_CALLS,
    LATE_COLUMN_FOLDED_TIME,
    LATE_COLUMN_COUNT
};

struct payload_totals {
    uint64_t quantum_ns;
    uint64_t embedded_calls, folded_calls;
    uint64_t folded_roots, folded_roots_ns; /* folded calls without an embedded call above them */
    uint64_t folded_paths;
    uint64_t raised, unfinished;
};

struct payload;

/* max_bytes: what the page should not exceed; 0: the default of 20 MB. Calls that do not fit are left out, the shortest first, and counted.
 * NULL: no memory. */
struct payload *payload_create(const struct trace_facts *facts, uint64_t max_bytes);
void payload_free(struct payload *payload); /* NULL is fine */

struct replay_visitor payload_visitor(struct payload *payload);

/* After the replay: packs the rest, the paths and the functions. */
enum cptrace_status payload_finish(struct payload *payload, const struct trace_facts *facts, const struct replay_result *result,
                                   struct cptrace_error *error);

const struct payload_totals *payload_totals(const struct payload *payload);
const struct packed_block *payload_blocks(const struct payload *payload, size_t *count);

#endif

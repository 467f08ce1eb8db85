/* What an opened trace is made of; for the files of this folder, and those of rewrite/, only. */
#ifndef REPLAY_TRACE_H
#define REPLAY_TRACE_H

#include "replay/function_table.h"
#include "replay/path_tree.h"
#include "replay/replay.h"

/* Which part of the trace is replayed; selection.c. */
struct trace_part {
    bool is_part; /* false: all of it, and the rest is not set */
    uint64_t begin_ns, end_ns;
    bool lanes_left_out;
    bool *after_skipped; /* by place in event_blocks: the lane has blocks right before that are not read */
    bool *lane_end_read; /* by lane: its last block is */
};

struct trace {
    struct cptrace_reader *reader;
    char *spool_path; /* of standard input; NULL else */
    struct cptrace_clock *clock;
    struct trace_facts facts;
    struct cptrace_definitions definitions; /* the reader's, made safe to index; see trace.c */
    struct cptrace_function_definition *functions;
    struct cptrace_lane_definition *lanes;
    struct cptrace_info_pair *labels;
    const struct cptrace_block_entry **event_blocks; /* by first tick; of one lane in file order */
    size_t event_block_count;
    uint32_t unknown_function; /* stands for every number lost by damage, or CPTRACE_NO_NUMBER: then such a number is an error */

    struct trace_part part;
    bool keeps_ticks;            /* blocks are fed with ticks as they are, not with ns of the run: for rewrite/ */
    uint64_t decompressed_count; /* blocks, by replays */

    /* of the last replay */
    struct path_tree paths;
    struct function_table function_sums;
};

/* Brings the facts up to date with the damage that the reader knows. */
void trace_refresh_damage(struct trace *trace);

#endif

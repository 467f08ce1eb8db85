/* The way of one trace's events into the output. */
#ifndef REWRITE_PASSAGE_H
#define REWRITE_PASSAGE_H

#include "replay/activations.h"
#include "replay/call_stack.h"
#include "replay/lane_merge.h"
#include "rewrite/function_pool.h"
#include "rewrite/rewrite.h"

struct rewrite {
    struct cptrace_writer *writer;
    const struct timeline *timeline;
    const struct redaction *redaction;
    size_t next_point;        /* of the timeline, that the writer has not been given */
    uint64_t next_point_tick; /* UINT64_MAX: there is none */
    struct function_pool functions;
    size_t deep_call_count; /* room of all deep stacks, of all inputs: what is open at the end of one is so in the output */
    uint64_t heavy_call_count, read_open_count; /* open calls, written for the sake of a point only; at the begin of blocks of the input */
    char **texts;                               /* made here, for names that the input does not have */
    size_t text_count, text_capacity;
    bool no_memory; /* for one of them */
};

/* A lane of the input. The writer knows what is open by the output's numbers; these are the input's. */
struct passage_lane {
    struct cptrace_lane_writer *writer; /* NULL: it has had no events */
    uint32_t *stack;                    /* activations of the open calls, CPTRACE_NO_NUMBER for plain ones */
    size_t depth, capacity;
    size_t next_start; /* of the current block's activation starts */
};

struct passage {
    struct rewrite *rewrite;
    const struct rewrite_input *input;
    struct passage_lane *lanes;
    size_t lane_count;
    uint32_t first_lane;           /* number in the output of lane 0; the others follow */
    uint32_t *functions;           /* number in the output, or CPTRACE_NO_NUMBER: not met yet */
    struct activations alive;      /* place.index: number in the output */
    struct activations task_parts; /* likewise, of those that a task names, for as long as the passage lasts */
    struct cptrace_error *error;
};

/* The lanes are there, empty, when it is OK. */
enum cptrace_status passage_begin(struct passage *passage, struct rewrite *rewrite, const struct rewrite_input *input,
                                  struct cptrace_error *error);
enum cptrace_status passage_run(struct passage *passage, const struct lane_run *run);
void passage_define_tasks(struct passage *passage); /* after the last run */
void passage_end(struct passage *passage);          /* frees all */

/* rewrite.c: gives the writer the next point of the timeline. What it has is written first, with the point before. */
enum cptrace_status rewrite_pass_point(struct rewrite *rewrite, struct cptrace_error *error);

/* rewrite.c: keeps a text for as long as the output is written. When there is no memory it is empty, and rewrite->no_memory set. */
const char *rewrite_keep_text(struct rewrite *rewrite, const char *text);

#endif

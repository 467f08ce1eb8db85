/* Traces written anew: event by event, through the writer, so that nothing is in the output that was not put there. One or more traces go
 * into one output, one after the other; functions, files and strings are interned over all of them, lanes and activations numbered anew.
 * Its ticks are those of the trace that the timeline is of: whose times are kept to the tick, and those of others rounded down to one.
 *
 * Memory: definitions, open and suspended calls, and what the writer holds; never the events. */
#ifndef REWRITE_REWRITE_H
#define REWRITE_REWRITE_H

#include "cptrace/writer.h"
#include "rewrite/redaction.h"
#include "rewrite/timeline.h"

struct rewrite;

struct rewrite_options {
    struct cptrace_sink sink; /* must outlive it */
    const uint8_t *run_id;    /* 16 bytes */
    uint64_t start_ns;        /* monotonic, of the timeline; nothing is earlier */
    const struct timeline *timeline;
    const struct redaction *redaction; /* NULL: nothing is left out. The info pairs are the caller's business */
};

/* *rewrite is NULL on failure. */
enum cptrace_status rewrite_create(const struct rewrite_options *options, struct rewrite **rewrite, struct cptrace_error *error);

/* First of all, once. */
void rewrite_info(struct rewrite *rewrite, const struct cptrace_pair *pairs, size_t count);

struct rewrite_input {
    struct trace *trace;    /* whole or cut; stays open until rewrite_free */
    bool owns_timeline;     /* the timeline is of this trace: add it first */
    uint64_t start_ns;      /* else: monotonic time of its start, on the timeline */
    const char *lane_owner; /* what its lanes are called before their names ("pid 7"); NULL: nothing */
    void (*progress)(void *context, uint64_t events_done, uint64_t events_all); /* or NULL */
    void *progress_context;
};

/* All events of a trace. CORRUPT when something is missing in it, or contradicts itself: that cannot be rewritten, because calls would get
 * ends that they did not have. */
enum cptrace_status rewrite_add(struct rewrite *rewrite, const struct rewrite_input *input, struct cptrace_error *error);

/* Calls that are open stay unfinished. */
enum cptrace_status rewrite_finish(struct rewrite *rewrite, uint64_t end_ns /* on the timeline */, const struct cptrace_pair *pairs,
                                   size_t count, struct cptrace_error *error);

uint64_t rewrite_event_count(const struct rewrite *rewrite);
uint64_t rewrite_call_count(const struct rewrite *rewrite);
void rewrite_free(struct rewrite *rewrite); /* NULL is fine */

#endif

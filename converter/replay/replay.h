/* The one stack machine: turns the events of a trace into calls, and hands them to visitors. Every report and every exporter is a visitor;
 * nobody else matches calls with returns.
 *
 * A trace is opened (one scan verifies every block and learns definitions, calibration and damage), then replayed: lanes are merged by
 * time, so that calls begin in start order over all lanes, and a generator resumed on another lane is matched. */
#ifndef REPLAY_REPLAY_H
#define REPLAY_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cptrace/reader.h"

struct trace; /* an opened trace: its file, its definitions, its clock */

/* Opens a file, or standard input when path is "-" (spooled to an unlinked temporary file). A cut or damaged trace opens; see trace_facts.
 */
enum cptrace_status trace_open(const char *path, struct trace **trace, struct cptrace_error *error);
/* The same without reading the events, when the file has a valid index; else it is scanned all the same. Damage is then known only of what
 * was read, and waiting_known is not. For a part of the trace: */
enum cptrace_status trace_survey(const char *path, struct trace **trace, struct cptrace_error *error);
void trace_close(struct trace *trace); /* NULL is fine */

struct trace_facts {
    uint16_t format_version;
    bool complete;           /* has its end block, and nothing is damaged or missing */
    bool cut;                /* no end block, or the file stops inside a frame */
    uint64_t damaged_blocks; /* blocks lost or unreadable */
    uint64_t bytes;          /* of the file */
    uint64_t start_utc_ns;
    uint64_t wall_ns;                 /* from the header's start to the end tick (the last event's, when cut) */
    uint64_t event_count, call_count; /* from the blocks; calls = every call begun */
    const struct cptrace_header *header;
    const struct cptrace_definitions *definitions;
    const struct cptrace_info_pair *info;
    size_t info_count;
    const struct cptrace_info_pair *end_info;
    size_t end_info_count;
    const struct cptrace_info_pair
        *labels;        /* of the run, keys without prefix: those that it began with, then those that it was given later, */
    size_t label_count; /* which count where both have the key */
    const struct cptrace_damage *damage;
    size_t damage_count;
    const struct cptrace_block_entry *blocks; /* every valid block, in file order */
    size_t block_count;
    const struct cptrace_end *end;
    const struct cptrace_recovery *recovery; /* what was opened, when it was no trace but what a run left; else NULL */
    bool has_index;
    bool waiting_known; /* the recorder took CPU times: what calls waited is known */
};
const struct trace_facts *
trace_facts(const struct trace *trace); /* call_count is exact after a replay, before it when the end block says it */

/* ns since the start of the run. Not for two threads at once, nor during a replay: the clock remembers where it was. */
uint64_t trace_run_ns(const struct trace *trace, uint64_t tick);

/* The first value of an info key, or an empty string. */
struct cptrace_string trace_info(const struct trace *trace, const char *key);

/* A part of the trace: what was on the stacks of these lanes between two times of the run, or calls of these functions. */
struct trace_selection {
    uint64_t begin_ns, end_ns; /* both included; 0 and UINT64_MAX: all the time */
    const bool *lanes;         /* by number; NULL: all */
    const bool *functions;     /* by number; NULL: all */
};
/* Once, after trace_survey: replays then read no more blocks than the part needs. The visitor still meets other calls, too (callers of the
 * functions; calls that share a block with the range): in_range and the call's lane and function tell which are meant. Calls of selected
 * functions, and those of selected lanes that begin and end in the range, come as they are in the whole trace, except for their ids. Of
 * others, part of what they did may be in blocks that are not read: see is_partial and goes_on. OK or NO_MEMORY. */
enum cptrace_status trace_select(struct trace *trace, const struct trace_selection *selection);

/* The blocks of events that a replay would read, in file order, as they are; not during a replay. Stops when visit does not return OK. What
 * is not what the index says, or does not decompress, is not visited, and counts as damage. IO_ERROR, NO_MEMORY, or what visit returned. */
enum cptrace_status trace_visit_blocks(struct trace *trace,
                                       enum cptrace_status (*visit)(void *context, const struct cptrace_block *block,
                                                                    struct cptrace_error *error),
                                       void *context, struct cptrace_error *error);

/* What was read so far. */
struct trace_reading {
    bool by_index;
    size_t selected_count;       /* blocks of events that a replay reads */
    uint64_t decompressed_count; /* blocks of any kind, each time that they were */
};
struct trace_reading trace_reading(const struct trace *trace);

enum replay_outcome { REPLAY_RETURNED = 0, REPLAY_RAISED = 1, REPLAY_UNFINISHED = 2 };

#define REPLAY_NO_CALL UINT64_MAX
#define REPLAY_ROOT_PATH 0 /* path-tree node 0 stands for the run itself: it has no function */

/* One call. Times are ns since the start of the run. In enter, only the fields up to start_ns are set. */
struct replay_call {
    uint64_t id;        /* numbered from 0 in start order */
    uint64_t parent_id; /* the call that started it, or REPLAY_NO_CALL */
    uint32_t function;
    uint32_t path;  /* node of the path tree */
    uint32_t lane;  /* on which it started */
    uint32_t depth; /* 0 for a root */
    uint64_t start_ns;
    uint64_t end_ns;       /* of an unfinished call: the end of the trace, or of the gap that swallowed it */
    uint64_t self_ns;      /* on top of its lane's stack */
    uint64_t running_ns;   /* on a stack; = end - start for a plain call */
    uint64_t suspended_ns; /* end - start - running */
    uint32_t slice_count;  /* running slices: 1 for a plain call */
    enum replay_outcome outcome;
    /* From annotations; 0, and of no meaning, when the trace says nothing of waiting (trace_facts). */
    uint64_t waiting_ns;      /* off the CPU while it was on a stack; at most running_ns */
    uint64_t self_waiting_ns; /* while it was on top; at most self_ns */
    /* Calls that a filter left out below it, and not below a recorded call in between. Their time is not in self_ns: a call's running time
     * is its own, that of its callees and this. */
    uint64_t omitted_call_count, omitted_ns;
    bool has_arguments;
    struct cptrace_string arguments;
    uint32_t task;       /* number of the task that it is the root of, or CPTRACE_NO_NUMBER */
    uint64_t created_by; /* the call that made the task, or REPLAY_NO_CALL */
    bool is_activation;  /* of a generator or coroutine, or a span that can be suspended */
    bool waiting_known;  /* the waiting times mean something */
    /* When only a part of the trace is replayed (trace_select); else false, false, true. */
    bool is_partial; /* some of it was perhaps not read, its start or (of an activation) a later slice: sums are of what was read. When it
                        is the start, arguments and (of an activation) the parent are not known */
    bool goes_on;    /* unfinished as far as was read: its end is not known, its sums are not complete */
    bool in_range;   /* it was on a stack between the times of the selection */
};

/* A node of the path tree (calling-context tree): the chain of functions from the root. Sums are exact, over all calls of the path. */
struct replay_path {
    uint32_t parent; /* node number, lower than its own; UINT32_MAX for node 0 */
    uint32_t function;
    uint32_t depth;
    uint64_t call_count, raised_count, unfinished_count;
    uint64_t total_ns, self_ns, running_ns, suspended_ns; /* total: sum of end - start */
    uint64_t min_ns, max_ns;                              /* of end - start */
    uint64_t first_start_ns, last_end_ns;
    uint64_t slowest_call_id;                                             /* whose duration is max_ns */
    uint64_t waiting_ns, self_waiting_ns, omitted_call_count, omitted_ns; /* as of calls; of node 0: of all, and below no call */
};

/* Sums per function. total_ns counts a recursive function once: only calls that have no open call of the same function above them. */
struct replay_function {
    uint64_t call_count, raised_count, unfinished_count;
    uint64_t total_ns, self_ns;
    uint64_t min_ns, max_ns;
    uint64_t slowest_call_id;
    uint64_t waiting_ns, self_waiting_ns; /* waiting as total */
    uint64_t omitted_call_count, omitted_ns;
};

/* What the program said of a moment; call_id is the call on top of the lane's stack, or REPLAY_NO_CALL. */
struct replay_mark {
    uint32_t lane;
    uint64_t time_ns, call_id;
    uint32_t function; /* of that call, or CPTRACE_NO_NUMBER */
    struct cptrace_string text;
};
struct replay_counter {
    uint32_t lane;
    uint64_t time_ns, call_id;
    uint32_t function;
    struct cptrace_string name;
    double value;
};

/* Called while events are replayed. Any may be NULL. A result other than 0 stops the replay, which returns it. */
struct replay_visitor {
    void *context;
    int (*enter)(void *context, const struct replay_call *call); /* in start order: ids 0, 1, 2 … */
    int (*leave)(void *context, const struct replay_call *call); /* in the order in which calls end; unfinished ones last */
    int (*mark)(void *context, const struct replay_mark *mark);
    int (*counter)(void *context, const struct replay_counter *counter);
};

struct replay_result {
    const struct replay_path *paths; /* [0] is the run */
    size_t path_count;
    const struct replay_function *functions; /* by function number */
    size_t function_count;
    uint64_t call_count, event_count;
    uint64_t called_function_count; /* functions with at least one call */
    uint64_t wall_ns;
    uint64_t slice_count; /* running slices of all calls */
    uint64_t mark_count, counter_count;
    uint64_t waiting_ns; /* of all lanes, while calls were on their stacks; means nothing when unknown */
    uint64_t omitted_call_count, omitted_ns;
};

/* Replays the whole trace once for all visitors. *result is owned by the trace. progress may be NULL; it is told events done of all. */
int trace_replay(struct trace *trace, const struct replay_visitor *visitors, size_t visitor_count,
                 void (*progress)(void *context, uint64_t events_done, uint64_t events_all), void *progress_context,
                 struct replay_result *result, struct cptrace_error *error);

#endif

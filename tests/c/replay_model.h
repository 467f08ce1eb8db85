/* A random run of several lanes as a file, and what is true of it: a model that does what the stack machine does, naively. At every event,
 * the time since the lane's last event is given to the top call (self) and to every call on the stack (running). */
#ifndef REPLAY_MODEL_H
#define REPLAY_MODEL_H

#include <stdio.h>

#include "cptrace/writer.h"
#include "replay/replay.h"

enum { MODEL_LANES = 3, MODEL_FUNCTIONS = 12, MODEL_DEPTH = 40, MODEL_CALLS = 20000, MODEL_SUSPENDED = 30, MODEL_NS_PER_TICK = 10 };

struct model_call {
    uint64_t parent_id, start_ns, end_ns, self_ns, running_ns;
    uint32_t function, lane, activation, slice_count;
    enum replay_outcome outcome;
    uint64_t waiting_ns, self_waiting_ns, omitted_call_count, omitted_ns;
    char arguments[12]; /* empty: none */
};

struct model_lane {
    uint64_t stack[MODEL_DEPTH]; /* ids */
    size_t depth;
    uint64_t last_ns, busy_ns; /* busy: with something on the stack */
    bool cpu_known;
    uint64_t cpu_at_ns, cpu_ns;
    struct cptrace_lane_writer *writer;
};

struct model {
    struct model_call *calls;
    uint64_t call_count, event_count;
    struct model_lane lanes[MODEL_LANES];
    uint64_t suspended[MODEL_SUSPENDED]; /* ids */
    size_t suspended_count;
    uint64_t tick;
    uint32_t random;
    bool annotated;
    uint64_t mark_count, counter_count, waiting_ns, omitted_call_count, omitted_ns; /* of all lanes */
    uint64_t busy_omitted_ns;                                                       /* on calls */
    struct cptrace_writer *writer;
    FILE *file;
    char *path;
};

/* A run of so many events, in blocks of that many (0: the default), with generators that wander between the lanes. Asserts when it cannot
 * be written. */
struct model *model_make_run(uint32_t seed, uint32_t event_count, uint32_t block_event_count, bool annotated);
void model_free(struct model *model); /* and removes the file */

/* A run whose events the test writes itself, on model->lanes[i].writer; model->tick is then its end. */
struct model *model_begin(uint32_t block_event_count);
void model_finish(struct model *model);

uint64_t model_now_ns(const struct model *model);
uint32_t model_random_below(struct model *model, uint32_t limit);

/* The events blocks of a file, in its order. */
size_t model_find_blocks(const char *path, struct cptrace_block_entry *found, size_t capacity);
void model_flip_byte(const char *path, uint64_t offset);

#endif

/* Which activation runs a task, and which call made it. */
#ifndef REPLAY_TASK_INDEX_H
#define REPLAY_TASK_INDEX_H

#include <stdbool.h>

#include "replay/replay.h"

struct task_maker {
    uint32_t activation;
    uint64_t call_id; /* REPLAY_NO_CALL until it begins */
};

struct task_index {
    const struct cptrace_task_definition *tasks;
    uint32_t *by_root; /* task numbers, by root activation */
    size_t task_count;
    struct task_maker *makers; /* by activation */
    size_t maker_count;
};

/* false: no memory. */
bool task_index_init(struct task_index *index, const struct cptrace_definitions *definitions);
void task_index_free(struct task_index *index);

/* The call of an activation is known from here on. */
void task_index_begin(struct task_index *index, uint32_t activation, uint64_t call_id);

/* The number of the task that an activation runs, or CPTRACE_NO_NUMBER; *maker is the call that made it, or REPLAY_NO_CALL. */
uint32_t task_index_find(const struct task_index *index, uint32_t activation, uint64_t *maker);

#endif

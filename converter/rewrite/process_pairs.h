/* Info pairs for the writer: those of several processes in one list. */
#ifndef REWRITE_PROCESS_PAIRS_H
#define REWRITE_PROCESS_PAIRS_H

#include "cptrace/writer.h"
#include "replay/pair_index.h"

struct process_pairs {
    struct cptrace_pair *pairs;
    size_t count, capacity;
    char **keys; /* made here */
    size_t key_count, key_capacity;
    struct pair_index first; /* what the first process says */
};

/* One pair, as it is. Strings stay where they are, here and below. False: no memory. */
bool process_pairs_keep(struct process_pairs *list, const struct cptrace_info_pair *pair);
/* Those of the first process, as they are, before those of others. */
bool process_pairs_begin(struct process_pairs *list, const struct cptrace_info_pair *pairs, size_t count);
/* Those of process n become "process:<n>:<key>", but for what the first says as well. */
bool process_pairs_add(struct process_pairs *list, size_t process, const struct cptrace_info_pair *pairs, size_t count);
/* The number of the first other process: behind those that the first one, merged before, has already. For its info pairs. */
size_t process_pairs_next(const struct cptrace_info_pair *pairs, size_t count);
void process_pairs_free(struct process_pairs *list);

#endif

/* Info pairs for the writer: those of several processes in one list. */
#ifndef REWRITE_PROCESS_PAIRS_H
#define REWRITE_PROCESS_PAIRS_H

#include "cptrace/reader.h"
#include "cptrace/writer.h"

struct process_pairs {
    struct cptrace_pair *pairs;
    size_t count, capacity;
    char **keys; /* made here */
    size_t key_count, key_capacity;
};

/* Process 0 is the first; its pairs stay as they are. Those of process n become "process:<n>:<key>", but for what the first says as well.
 * Strings stay where they are. False: no memory. */
bool process_pairs_add(struct process_pairs *list, size_t process, const struct cptrace_info_pair *pairs, size_t count);
/* The number of the first other process: behind those that the first one, merged before, has already. For its info pairs. */
size_t process_pairs_next(const struct cptrace_info_pair *pairs, size_t count);
void process_pairs_free(struct process_pairs *list);

#endif

/* Info pairs by key: a file may have millions of them, so that none is looked for by walking over the others. */
#ifndef REPLAY_PAIR_INDEX_H
#define REPLAY_PAIR_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "cptrace/reader.h"

struct pair_index {
    const struct cptrace_info_pair **pairs; /* by key; those of one key as they were given */
    size_t count;
};

/* The pairs stay where they are. False: no memory. */
bool pair_index_init(struct pair_index *index, const struct cptrace_info_pair *pairs, size_t count);
void pair_index_free(struct pair_index *index);

/* The pairs of a key, *count of them. */
const struct cptrace_info_pair *const *pair_index_find(const struct pair_index *index, struct cptrace_string key, size_t *count);

#endif

/* Sums per function, folded from the finished path tree: the replay itself pays nothing for them. */
#ifndef REPLAY_FUNCTION_TABLE_H
#define REPLAY_FUNCTION_TABLE_H

#include "replay/path_tree.h"

struct function_table {
    struct replay_function *functions;
    size_t count;
    uint64_t called_count; /* functions with at least one call */
};

/* false: no memory. function_count must be above every function number in the tree. */
bool function_table_build(struct function_table *table, const struct path_tree *tree, size_t function_count);
void function_table_free(struct function_table *table);

#endif

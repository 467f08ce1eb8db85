/* The path tree (calling-context tree): one node per chain of functions from the root, with exact sums over its calls. */
#ifndef REPLAY_PATH_TREE_H
#define REPLAY_PATH_TREE_H

#include "replay/replay.h"

#define PATH_NONE UINT32_MAX

/* What a lookup touches, apart from the sums: small, so that many nodes share a cache line. */
struct path_link {
    uint32_t function;
    uint32_t last_child; /* the child looked up last, or PATH_NONE: most calls repeat it */
    uint32_t outermost;  /* the nearest node of the chain (itself included) whose function occurs for the first time */
    uint32_t parent;
};

struct path_tree {
    struct replay_path *paths;
    struct path_link *links;
    uint32_t *slots; /* open addressing by (parent, function); PATH_NONE: free */
    size_t count, capacity;
    size_t slot_count; /* a power of two */
};

bool path_tree_init(struct path_tree *tree);
void path_tree_free(struct path_tree *tree);

/* The slow half of path_tree_child: by hash, made when new. PATH_NONE: no memory. */
uint32_t path_tree_find_or_add(struct path_tree *tree, uint32_t parent, uint32_t function);

static inline uint32_t path_tree_child(struct path_tree *tree, uint32_t parent, uint32_t function)
{
    const uint32_t last = tree->links[parent].last_child;
    if (last != PATH_NONE && tree->links[last].function == function)
        return last;
    return path_tree_find_or_add(tree, parent, function);
}

/* True when no node above has the same function: the calls of this path count in the function's total. */
static inline bool path_tree_is_outermost(const struct path_tree *tree, uint32_t path) { return tree->links[path].outermost == path; }

/* All sums are added when a call ends (every call does, if only at the end of the run), so that a node's memory is touched once a call. */
static inline void path_tree_end_call(struct path_tree *tree, uint32_t path, uint64_t call_id, uint64_t start_ns, uint64_t end_ns,
                                      uint64_t self_ns, uint64_t running_ns, enum replay_outcome outcome)
{
    struct replay_path *node = &tree->paths[path];
    const uint64_t duration_ns = end_ns - start_ns;
    ++node->call_count;
    node->total_ns += duration_ns;
    node->self_ns += self_ns;
    node->running_ns += running_ns;
    node->suspended_ns += duration_ns - running_ns;
    if (duration_ns < node->min_ns)
        node->min_ns = duration_ns;
    if (duration_ns > node->max_ns || node->slowest_call_id == REPLAY_NO_CALL) {
        node->max_ns = duration_ns;
        node->slowest_call_id = call_id;
    }
    if (start_ns < node->first_start_ns)
        node->first_start_ns = start_ns;
    if (end_ns > node->last_end_ns)
        node->last_end_ns = end_ns;
    node->raised_count += outcome == REPLAY_RAISED;
    node->unfinished_count += outcome == REPLAY_UNFINISHED;
}

/* For the few calls that annotations speak of. */
static inline void path_tree_add_notes(struct path_tree *tree, const struct replay_call *call)
{
    struct replay_path *node = &tree->paths[call->path];
    node->waiting_ns += call->waiting_ns;
    node->self_waiting_ns += call->self_waiting_ns;
    node->omitted_call_count += call->omitted_call_count;
    node->omitted_ns += call->omitted_ns;
}

#endif

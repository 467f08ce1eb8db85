#include "replay/path_tree.h"

#include <stdlib.h>
#include <string.h>

enum { PATH_TREE_FIRST_CAPACITY = 1024 };

static size_t slot_of(const struct path_tree *tree, uint32_t parent, uint32_t function)
{
    const uint64_t key = (uint64_t)parent << 32 | function;
    return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (tree->slot_count - 1);
}

static uint32_t *find_slot(struct path_tree *tree, uint32_t parent, uint32_t function)
{
    size_t slot = slot_of(tree, parent, function);
    for (;; slot = (slot + 1) & (tree->slot_count - 1)) {
        const uint32_t path = tree->slots[slot];
        if (path == PATH_NONE || (tree->links[path].function == function && tree->links[path].parent == parent))
            return &tree->slots[slot];
    }
}

static bool grow(struct path_tree *tree)
{
    const size_t capacity = tree->capacity ? tree->capacity * 2 : PATH_TREE_FIRST_CAPACITY;
    if (capacity > PATH_NONE)
        return false;
    struct replay_path *paths = realloc(tree->paths, capacity * sizeof *paths);
    if (!paths)
        return false;
    tree->paths = paths;
    struct path_link *links = realloc(tree->links, capacity * sizeof *links);
    if (!links)
        return false;
    tree->links = links;
    uint32_t *slots = malloc(capacity * 2 * sizeof *slots);
    if (!slots)
        return false;
    free(tree->slots);
    tree->slots = slots;
    tree->slot_count = capacity * 2;
    tree->capacity = capacity;
    memset(slots, 0xFF, tree->slot_count * sizeof *slots);
    for (uint32_t path = 1; path < tree->count; ++path)
        *find_slot(tree, links[path].parent, links[path].function) = path;
    return true;
}

/* Walks only over first occurrences, so a deep recursion costs no more than its number of different functions. */
static uint32_t outermost_of(const struct path_tree *tree, uint32_t parent, uint32_t function, uint32_t path)
{
    uint32_t above = tree->links[parent].outermost;
    while (above != REPLAY_ROOT_PATH) {
        if (tree->links[above].function == function)
            return tree->links[parent].outermost;
        above = tree->links[tree->links[above].parent].outermost;
    }
    return path;
}

static uint32_t append(struct path_tree *tree, uint32_t parent, uint32_t function)
{
    const uint32_t path = (uint32_t)tree->count++;
    const uint32_t depth = parent == REPLAY_ROOT_PATH ? 0 : tree->paths[parent].depth + 1;
    tree->paths[path] = (struct replay_path){.parent = parent,
                                             .function = function,
                                             .depth = depth,
                                             .min_ns = UINT64_MAX,
                                             .first_start_ns = UINT64_MAX,
                                             .slowest_call_id = REPLAY_NO_CALL};
    tree->links[path] = (struct path_link){.function = function, .parent = parent, .last_child = PATH_NONE};
    tree->links[path].outermost = outermost_of(tree, parent, function, path);
    return path;
}

bool path_tree_init(struct path_tree *tree)
{
    *tree = (struct path_tree){0};
    if (!grow(tree)) {
        path_tree_free(tree);
        return false;
    }
    tree->paths[0] = (struct replay_path){.parent = PATH_NONE, .function = CPTRACE_NO_NUMBER, .slowest_call_id = REPLAY_NO_CALL};
    tree->links[0] = (struct path_link){.function = CPTRACE_NO_NUMBER, .parent = PATH_NONE, .last_child = PATH_NONE, .outermost = 0};
    tree->count = 1;
    return true;
}

void path_tree_free(struct path_tree *tree)
{
    free(tree->paths);
    free(tree->links);
    free(tree->slots);
    *tree = (struct path_tree){0};
}

uint32_t path_tree_find_or_add(struct path_tree *tree, uint32_t parent, uint32_t function)
{
    uint32_t *slot = find_slot(tree, parent, function);
    if (*slot == PATH_NONE) {
        if (tree->count == tree->capacity) {
            if (!grow(tree))
                return PATH_NONE;
            slot = find_slot(tree, parent, function);
        }
        *slot = append(tree, parent, function);
    }
    tree->links[parent].last_child = *slot;
    return *slot;
}

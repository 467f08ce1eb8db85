#include "replay/function_table.h"

#include <stdlib.h>

static void add_path(struct replay_function *function, const struct replay_path *path, bool outermost)
{
    const bool first = function->call_count == 0;
    if (first || path->min_ns < function->min_ns)
        function->min_ns = path->min_ns;
    if (first || path->max_ns > function->max_ns) {
        function->max_ns = path->max_ns;
        function->slowest_call_id = path->slowest_call_id;
    }
    function->call_count += path->call_count;
    function->raised_count += path->raised_count;
    function->unfinished_count += path->unfinished_count;
    function->self_ns += path->self_ns;
    function->self_waiting_ns += path->self_waiting_ns;
    function->omitted_call_count += path->omitted_call_count;
    function->omitted_ns += path->omitted_ns;
    if (outermost) {
        function->total_ns += path->total_ns;
        function->waiting_ns += path->waiting_ns;
    }
}

bool function_table_build(struct function_table *table, const struct path_tree *tree, size_t function_count)
{
    table->functions = calloc(function_count ? function_count : 1, sizeof *table->functions);
    if (!table->functions)
        return false;
    table->count = function_count;
    table->called_count = 0;
    for (uint32_t path = 1; path < tree->count; ++path) {
        struct replay_function *function = &table->functions[tree->paths[path].function];
        table->called_count += function->call_count == 0;
        add_path(function, &tree->paths[path], path_tree_is_outermost(tree, path));
    }
    for (size_t i = 0; i < function_count; ++i) {
        if (table->functions[i].call_count == 0)
            table->functions[i].slowest_call_id = REPLAY_NO_CALL;
    }
    return true;
}

void function_table_free(struct function_table *table)
{
    free(table->functions);
    *table = (struct function_table){0};
}

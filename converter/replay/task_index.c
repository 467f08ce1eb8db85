#include "replay/task_index.h"

#include <stdlib.h>

static int compare_numbers(uint32_t a, uint32_t b) { return a < b ? -1 : a > b; }

static int compare_makers(const void *left, const void *right)
{
    return compare_numbers(((const struct task_maker *)left)->activation, ((const struct task_maker *)right)->activation);
}

/* qsort passes no context: roots are sorted together with their task numbers. */
static int compare_roots(const void *left, const void *right)
{
    const uint32_t *const a = left, *const b = right;
    return a[0] != b[0] ? compare_numbers(a[0], b[0]) : compare_numbers(a[1], b[1]);
}

static bool sort_roots(struct task_index *index)
{
    uint32_t(*pairs)[2] = malloc(index->task_count * sizeof *pairs);
    if (!pairs)
        return false;
    for (size_t i = 0; i < index->task_count; ++i) {
        pairs[i][0] = index->tasks[i].root_activation;
        pairs[i][1] = (uint32_t)i;
    }
    qsort(pairs, index->task_count, sizeof *pairs, compare_roots);
    for (size_t i = 0; i < index->task_count; ++i)
        index->by_root[i] = pairs[i][1];
    free(pairs);
    return true;
}

static void sort_makers(struct task_index *index)
{
    for (size_t i = 0; i < index->task_count; ++i) {
        const uint32_t activation = index->tasks[i].creating_activation;
        if (activation != CPTRACE_NO_NUMBER)
            index->makers[index->maker_count++] = (struct task_maker){activation, REPLAY_NO_CALL};
    }
    qsort(index->makers, index->maker_count, sizeof *index->makers, compare_makers);
    size_t kept = 0;
    for (size_t i = 0; i < index->maker_count; ++i) {
        if (kept == 0 || index->makers[kept - 1].activation != index->makers[i].activation)
            index->makers[kept++] = index->makers[i];
    }
    index->maker_count = kept;
}

bool task_index_init(struct task_index *index, const struct cptrace_definitions *definitions)
{
    *index = (struct task_index){.tasks = definitions->tasks, .task_count = definitions->task_count};
    if (index->task_count == 0)
        return true;
    index->by_root = malloc(index->task_count * sizeof *index->by_root);
    index->makers = malloc(index->task_count * sizeof *index->makers);
    if (!index->by_root || !index->makers || !sort_roots(index))
        return false;
    sort_makers(index);
    return true;
}

void task_index_free(struct task_index *index)
{
    free(index->by_root);
    free(index->makers);
    *index = (struct task_index){0};
}

static struct task_maker *find_maker(const struct task_index *index, uint32_t activation)
{
    const struct task_maker key = {.activation = activation};
    return index->maker_count ? bsearch(&key, index->makers, index->maker_count, sizeof key, compare_makers) : NULL;
}

void task_index_begin(struct task_index *index, uint32_t activation, uint64_t call_id)
{
    struct task_maker *const maker = find_maker(index, activation);
    if (maker && maker->call_id == REPLAY_NO_CALL)
        maker->call_id = call_id;
}

uint32_t task_index_find(const struct task_index *index, uint32_t activation, uint64_t *maker)
{
    *maker = REPLAY_NO_CALL;
    size_t low = 0, high = index->task_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (index->tasks[index->by_root[middle]].root_activation < activation)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == index->task_count || index->tasks[index->by_root[low]].root_activation != activation)
        return CPTRACE_NO_NUMBER;
    const uint32_t task = index->by_root[low];
    const uint32_t creating = index->tasks[task].creating_activation;
    const struct task_maker *const found = creating == CPTRACE_NO_NUMBER ? NULL : find_maker(index, creating);
    if (found)
        *maker = found->call_id;
    return task;
}

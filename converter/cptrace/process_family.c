#include "process_family.h"

#include <stdlib.h>
#include <string.h>

enum { RUN_ID_BYTES = 16 };

/* Sorted by run, then as they were given. */
struct member {
    const uint8_t *run_id;
    size_t place;
};

static int compare_members(const void *left, const void *right)
{
    const struct member *const a = left, *const b = right;
    const int order = memcmp(a->run_id, b->run_id, RUN_ID_BYTES);
    return order ? order : (a->place > b->place) - (a->place < b->place);
}

static bool digit_of(char c, uint8_t *digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *const found = c ? strchr(digits, c) : NULL;
    *digit = found ? (uint8_t)(found - digits) : 0;
    return found != NULL;
}

/* False: no parent is told. */
static bool parent_run(const struct trace *trace, uint8_t *run_id)
{
    const struct cptrace_string told = trace_info(trace, "parent_run");
    if (told.length != 2 * RUN_ID_BYTES)
        return false;
    for (size_t i = 0; i < RUN_ID_BYTES; ++i) {
        uint8_t high, low;
        if (!digit_of(told.bytes[2 * i], &high) || !digit_of(told.bytes[2 * i + 1], &low))
            return false;
        run_id[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* The first other process of a run; NULL: there is none. */
static const struct member *find_other(const struct member *members, size_t count, const uint8_t *run_id, size_t place)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (memcmp(members[middle].run_id, run_id, RUN_ID_BYTES) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    low += low < count && members[low].place == place;
    return low < count && memcmp(members[low].run_id, run_id, RUN_ID_BYTES) == 0 ? &members[low] : NULL;
}

static void put_first(struct process *processes, size_t place)
{
    const struct process first = processes[place];
    memmove(&processes[1], &processes[0], place * sizeof first);
    processes[0] = first;
}

/* is_named: by place, whether others name it as their parent. */
static void link_members(struct process *processes, const struct member *members, size_t count, bool *is_named)
{
    for (size_t i = 0; i < count; ++i) {
        uint8_t run_id[RUN_ID_BYTES];
        const struct member *const parent = parent_run(processes[i].trace, run_id) ? find_other(members, count, run_id, i) : NULL;
        processes[i].has_parent = parent != NULL;
        if (parent)
            is_named[parent->place] = true;
    }
}

bool process_family_arrange(struct process *processes, size_t count)
{
    struct member *const members = malloc((count + 1) * sizeof *members);
    bool *const is_named = calloc(count + 1, sizeof *is_named);
    for (size_t i = 0; members && i < count; ++i)
        members[i] = (struct member){trace_facts(processes[i].trace)->header->run_id, i};
    if (members && is_named) {
        qsort(members, count, sizeof *members, compare_members);
        link_members(processes, members, count, is_named);
        size_t first = 0;
        while (first < count && (processes[first].has_parent || !is_named[first]))
            ++first;
        if (first < count)
            put_first(processes, first);
    }
    const bool arranged = members && is_named;
    free(members);
    free(is_named);
    return arranged;
}

#include "function_set.h"

#include <stdlib.h>
#include <string.h>

static bool reserve_zeros(struct function_set *set, size_t count)
{
    const size_t had = set->seen_capacity;
    if (!cptrace_array_reserve(&set->seen, &set->seen_capacity, count, 1))
        return false;
    if (set->seen_capacity > had)
        memset(set->seen + had, 0, set->seen_capacity - had);
    return true;
}

static bool encode_runs(struct function_set *set, size_t from, size_t to)
{
    size_t before = 0;
    for (size_t at = from; at < to;) {
        const size_t begin = at;
        while (at < to && set->seen[at])
            at++;
        if (!cptrace_buffer_varint(&set->runs, begin - before) || !cptrace_buffer_varint(&set->runs, at - begin - 1))
            return false;
        before = at;
        while (at < to && !set->seen[at])
            at++;
    }
    return true;
}

bool cptrace_function_set_gather(struct function_set *set, struct cursor callee, uint32_t kind_bits, uint32_t places_bytes,
                                 uint32_t function_count)
{
    size_t from = function_count, to = 0;
    uint64_t number;
    set->runs.length = 0;
    if (!reserve_zeros(set, function_count))
        return false;
    while (cursor_varint(&callee, &number)) {
        const uint64_t function = number >> kind_bits;
        if (function < function_count) {
            set->seen[function] = 1;
            from = function < from ? (size_t)function : from;
            to = function >= to ? (size_t)function + 1 : to;
        }
        if (cursor_left(&callee) < places_bytes)
            break;
        callee.at += places_bytes;
    }
    const bool encoded = encode_runs(set, from, to);
    if (from < to)
        memset(set->seen + from, 0, to - from);
    return encoded;
}

void cptrace_function_set_free(struct function_set *set)
{
    free(set->seen);
    cptrace_buffer_free(&set->runs);
    *set = (struct function_set){0};
}

bool cptrace_function_run_next(struct cursor *runs, uint32_t *begin, uint32_t *end)
{
    struct cursor probe = *runs;
    uint32_t gap, more;
    const bool first = *end == 0;
    if (!cursor_varint_u32(&probe, &gap) || !cursor_varint_u32(&probe, &more) || (gap == 0 && !first))
        return false;
    const uint64_t from = (uint64_t)*end + gap, to = from + more + 1;
    if (to > CPTRACE_NO_NUMBER)
        return false;
    *runs = probe;
    *begin = (uint32_t)from;
    *end = (uint32_t)to;
    return true;
}

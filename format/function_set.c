#include "function_set.h"

#include <stdlib.h>
#include <string.h>

#define FUNCTION_PAGE 512 /* so that many functions cost little where few of them are called */

struct gathering {
    uint8_t *seen, *seen_pages;
    uint32_t function_count;
};

static inline void see(const struct gathering *gathering, uint64_t function)
{
    if (function >= gathering->function_count)
        return;
    gathering->seen[function] = 1;
    gathering->seen_pages[function / FUNCTION_PAGE] = 1;
}

static void see_open_calls(const struct gathering *gathering, struct cursor open)
{
    uint64_t function, age, activation;
    while (cursor_varint(&open, &function) && cursor_varint(&open, &age) && cursor_varint(&open, &activation))
        see(gathering, function);
}

/* The operands of an op below CALL. */
static bool see_operands(const struct gathering *gathering, uint64_t op, struct cursor *operand)
{
    uint64_t activation, function, age;
    struct cptrace_string payload;
    if (op >= CPTRACE_OP_ANNOTATION_FIRST)
        return cursor_string(operand, &payload);
    if (op != CPTRACE_OP_RESUME && op != CPTRACE_OP_REOPEN && op != CPTRACE_OP_START)
        return true;
    if (!cursor_varint(operand, &activation))
        return false;
    if (op == CPTRACE_OP_RESUME)
        return true;
    if (!cursor_varint(operand, &function) || (op == CPTRACE_OP_REOPEN && !cursor_varint(operand, &age)))
        return false;
    see(gathering, function);
    return true;
}

/* Nearly all ops are calls, and returns and unwinds, which have no operands. */
static void see_events(const struct gathering *gathering, struct cursor op, struct cursor operand)
{
    uint64_t value;
    while (op.at < op.end) {
        if (*op.at < 0x80)
            value = *op.at++;
        else if (!cursor_varint(&op, &value))
            return;
        if (value >= CPTRACE_OP_CALL)
            see(gathering, value - CPTRACE_OP_CALL);
        else if (value > CPTRACE_OP_UNWIND && !see_operands(gathering, value, &operand))
            return;
    }
}

static size_t next_seen(const struct function_set *set, size_t at, size_t count)
{
    while (at < count && !set->seen[at])
        at = set->seen_pages[at / FUNCTION_PAGE] ? at + 1 : (at / FUNCTION_PAGE + 1) * FUNCTION_PAGE;
    return at;
}

/* And forgets what was seen. */
static bool encode_runs(struct function_set *set, size_t function_count)
{
    set->runs.length = 0;
    size_t before = 0;
    for (size_t at = next_seen(set, 0, function_count); at < function_count; at = next_seen(set, at, function_count)) {
        const size_t begin = at;
        for (; at < function_count && set->seen[at]; at++)
            set->seen[at] = 0;
        if (!cptrace_buffer_varint(&set->runs, begin - before) || !cptrace_buffer_varint(&set->runs, at - begin - 1))
            return false;
        before = at;
    }
    memset(set->seen_pages, 0, function_count / FUNCTION_PAGE + 1);
    return true;
}

static bool reserve_zeros(uint8_t **bytes, size_t *capacity, size_t count)
{
    const size_t had = *capacity;
    if (!cptrace_array_reserve(bytes, capacity, count, 1))
        return false;
    memset(*bytes + had, 0, *capacity - had);
    return true;
}

bool cptrace_function_set_gather(struct function_set *set, struct function_columns columns, uint32_t function_count)
{
    if (!reserve_zeros(&set->seen, &set->seen_capacity, (size_t)function_count + 1) ||
        !reserve_zeros(&set->seen_pages, &set->page_capacity, function_count / FUNCTION_PAGE + 1))
        return false;
    const struct gathering gathering = {set->seen, set->seen_pages, function_count};
    see_open_calls(&gathering, columns.open);
    see_events(&gathering, columns.op, columns.operand);
    return encode_runs(set, function_count);
}

void cptrace_function_set_free(struct function_set *set)
{
    free(set->seen);
    free(set->seen_pages);
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

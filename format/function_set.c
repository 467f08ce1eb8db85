#include "function_set.h"

#include <stdlib.h>
#include <string.h>

#define SHORT_OPS 0x4000u /* that fit two bytes, whatever they are: there is always room for them */
#define SEEN_PAGE 512u    /* so that many functions cost little where few of them are called */
#define SEEN_STEP 8       /* zeros are skipped so many at a time */

struct gathering {
    uint8_t *seen, *seen_pages;
    uint64_t op_count; /* 16 + functions */
};

static inline void see_function(const struct gathering *gathering, uint64_t function)
{
    const uint64_t op = CPTRACE_OP_CALL + function;
    if (op >= gathering->op_count)
        return;
    gathering->seen[op] = 1;
    gathering->seen_pages[op / SEEN_PAGE] = 1;
}

static void see_open_calls(const struct gathering *gathering, struct cursor open)
{
    uint64_t function, age, activation;
    while (cursor_varint(&open, &function) && cursor_varint(&open, &age) && cursor_varint(&open, &activation))
        see_function(gathering, function);
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
    see_function(gathering, function);
    return true;
}

/* The last op, and those of three bytes and more. */
static bool see_odd_op(const struct gathering *gathering, struct cursor *op, struct cursor *operand)
{
    uint64_t value;
    if (!cursor_varint(op, &value))
        return false;
    if (value < CPTRACE_OP_CALL)
        return see_operands(gathering, value, operand);
    see_function(gathering, value - CPTRACE_OP_CALL);
    return true;
}

/* Nearly all ops are calls, of one or two bytes, or returns and unwinds: those are only noted, also when nothing defines them. */
static void see_events(const struct gathering *gathering, struct cursor op, struct cursor operand)
{
    uint8_t *const seen = gathering->seen;
    const uint8_t *const last = op.end - (op.at < op.end);
    while (op.at < last) {
        const unsigned low = *op.at;
        if (low < 0x80) {
            op.at++;
            seen[low] = 1;
            if (low - CPTRACE_OP_SUSPEND < CPTRACE_OP_CALL - CPTRACE_OP_SUSPEND && !see_operands(gathering, low, &operand))
                return;
        } else if (op.at[1] - 1u < 0x7F) {
            seen[(low & 0x7F) | (unsigned)op.at[1] << 7] = 1;
            op.at += 2;
        } else if (!see_odd_op(gathering, &op, &operand)) {
            return;
        }
    }
    while (op.at < op.end && see_odd_op(gathering, &op, &operand))
        ;
}

static size_t next_seen(const struct function_set *set, size_t at, size_t count)
{
    static const uint8_t zeros[SEEN_STEP];
    while (at < count && !set->seen[at]) {
        if (at >= SHORT_OPS)
            at = set->seen_pages[at / SEEN_PAGE] ? at + 1 : (at / SEEN_PAGE + 1) * SEEN_PAGE;
        else
            at += memcmp(set->seen + at, zeros, SEEN_STEP) == 0 ? SEEN_STEP : 1;
    }
    return at;
}

static bool encode_runs(struct function_set *set, size_t op_count)
{
    set->runs.length = 0;
    size_t before = CPTRACE_OP_CALL;
    for (size_t at = next_seen(set, before, op_count); at < op_count; at = next_seen(set, at, op_count)) {
        const size_t begin = at;
        while (at < op_count && set->seen[at])
            at++;
        if (!cptrace_buffer_varint(&set->runs, begin - before) || !cptrace_buffer_varint(&set->runs, at - begin - 1))
            return false;
        before = at;
    }
    return true;
}

static void forget(struct function_set *set, size_t op_count)
{
    memset(set->seen, 0, SHORT_OPS); /* all of it: bytes that nothing defines were noted, too */
    for (size_t page = SHORT_OPS / SEEN_PAGE; page * SEEN_PAGE < op_count; page++)
        if (set->seen_pages[page])
            memset(set->seen + page * SEEN_PAGE, 0, SEEN_PAGE);
    memset(set->seen_pages, 0, op_count / SEEN_PAGE + 1);
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
    const size_t op_count = (size_t)CPTRACE_OP_CALL + function_count;
    const size_t page_count = (op_count > SHORT_OPS ? op_count : SHORT_OPS) / SEEN_PAGE + 1;
    if (!reserve_zeros(&set->seen, &set->seen_capacity, page_count * SEEN_PAGE) ||
        !reserve_zeros(&set->seen_pages, &set->page_capacity, page_count))
        return false;
    const struct gathering gathering = {set->seen, set->seen_pages, op_count};
    see_open_calls(&gathering, columns.open);
    see_events(&gathering, columns.op, columns.operand);
    const bool encoded = encode_runs(set, op_count);
    forget(set, op_count);
    return encoded;
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

/* Deltas of contexts that are known: how they are divided into columns, and what that saves. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "delta_columns.h"
#include "prefix_code.h"

#define COUNT 60000u
#define CONTEXTS 200u

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % limit);
}

struct deltas {
    uint16_t contexts[COUNT];
    uint8_t bytes[COUNT];
};

static uint16_t context_of(uint32_t number) { return (uint16_t)(number * 31 % CONTEXT_COUNT); }

/* Context n has a middle of its own, and noise around it; one in 97 deltas is anything. */
static void make(struct deltas *deltas, uint32_t context_count, uint32_t spread)
{
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t number = random_below(context_count);
        const uint32_t noise = random_below(4) + random_below(4);
        deltas->contexts[i] = context_of(number);
        deltas->bytes[i] = (uint8_t)(random_below(97) ? 3 + number * spread / context_count + noise : random_below(255));
    }
}

struct result {
    struct byte_buffer context, code, bits;
    uint32_t column_count;
};

/* Every sample_every-th delta is sampled; 0: none may be asked for. */
static struct result encode(struct delta_columns *columns, const struct deltas *deltas, uint32_t count, uint32_t sample_every)
{
    struct result result = {0};
    struct delta_sink sink;
    bool divides;
    cr_assert(cptrace_delta_columns_begin(columns, count, &divides));
    cr_assert_eq(divides, sample_every > 0);
    for (uint32_t i = 0; divides && i < count; i += sample_every)
        delta_columns_sample(columns, deltas->contexts[i], deltas->bytes[i]);
    cr_assert(cptrace_delta_columns_choose(columns, count, &sink));
    cr_assert(cptrace_buffer_reserve(&result.context, CONTEXT_COUNT));
    uint8_t *context_at = result.context.bytes;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t column = sink.columns[deltas->contexts[i]];
        if (column >= CONTEXT_NEW)
            column = cptrace_delta_columns_take(columns, deltas->contexts[i], &context_at);
        *sink.to[column]++ = deltas->bytes[i];
    }
    result.context.length = (size_t)(context_at - result.context.bytes);
    cr_assert(cptrace_delta_columns_encode(columns, &sink, &result.code, &result.bits));
    result.column_count = columns->column_count;
    return result;
}

static size_t size_of(const struct result *result) { return result->context.length + result->code.length + result->bits.length; }

static void forget(struct result *result)
{
    cptrace_buffer_free(&result->context);
    cptrace_buffer_free(&result->code);
    cptrace_buffer_free(&result->bits);
}

/* As a reader has it: the column of a context stands where the context comes first. */
static void check(const struct result *result, const struct deltas *deltas, uint32_t count)
{
    uint8_t column_of[CONTEXT_COUNT], *columns[DELTA_COLUMNS_MAX];
    uint32_t counts[DELTA_COLUMNS_MAX] = {0}, taken[DELTA_COLUMNS_MAX] = {0};
    memset(column_of, 255, sizeof column_of);
    struct cursor context = {result->context.bytes, result->context.bytes + result->context.length};
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *const column = &column_of[deltas->contexts[i]];
        if (*column == 255 && result->column_count == 1)
            *column = 0;
        if (*column == 255)
            cr_assert(cursor_u8(&context, column));
        cr_assert_lt(*column, result->column_count);
        counts[*column]++;
    }
    cr_assert_eq(cursor_left(&context), 0);
    struct cursor code = {result->code.bytes, result->code.bytes + result->code.length};
    struct cursor bits = {result->bits.bytes, result->bits.bytes + result->bits.length};
    for (uint32_t i = 0; i < result->column_count; i++) {
        columns[i] = malloc(counts[i] + 1);
        if (*code.at != 0) {
            cr_assert_null(cptrace_prefix_decode(&code, &bits, columns[i], counts[i]));
            continue;
        }
        code.at++;
        memcpy(columns[i], bits.at, counts[i]);
        bits.at += counts[i];
    }
    cr_assert_eq(cursor_left(&code), 0);
    cr_assert_eq(cursor_left(&bits), 0);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t column = column_of[deltas->contexts[i]];
        cr_assert_eq(columns[column][taken[column]++], deltas->bytes[i], "delta %u", i);
    }
    for (uint32_t i = 0; i < result->column_count; i++)
        free(columns[i]);
}

static double entropy_bytes(const struct deltas *deltas, bool by_context)
{
    static uint32_t counts[CONTEXT_COUNT][256];
    static uint32_t totals[CONTEXT_COUNT];
    memset(counts, 0, sizeof counts);
    memset(totals, 0, sizeof totals);
    double bits = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        counts[by_context ? deltas->contexts[i] : 0][deltas->bytes[i]]++;
        totals[by_context ? deltas->contexts[i] : 0]++;
    }
    for (uint32_t context = 0; context < CONTEXT_COUNT; context++)
        for (uint32_t byte = 0; byte < 256; byte++)
            if (counts[context][byte])
                bits -= counts[context][byte] * log2((double)counts[context][byte] / totals[context]);
    return bits / 8;
}

static struct deltas deltas;

/* Of the first so many, by columns that had no block before. */
static struct result encode_fresh(uint32_t count, uint32_t sample_every)
{
    struct delta_columns columns = {0};
    struct result result = encode(&columns, &deltas, count, sample_every);
    check(&result, &deltas, count);
    cptrace_delta_columns_free(&columns);
    return result;
}

Test(delta_columns, come_near_the_entropy_within_contexts)
{
    make(&deltas, CONTEXTS, 100);
    struct result result = encode_fresh(COUNT, 8);
    cr_assert_gt(result.column_count, 8);
    cr_assert_eq(result.context.length, CONTEXTS);
    cr_assert_lt((double)size_of(&result), entropy_bytes(&deltas, true) * 1.35);
    cr_assert_lt((double)size_of(&result), entropy_bytes(&deltas, false) * 0.6);
    forget(&result);
}

/* Contexts of the same noise gain nothing by columns: most of those that a sample makes differ by chance become one, and the rest cost
 * little. */
Test(delta_columns, of_noise_alone_are_few)
{
    make(&deltas, CONTEXTS, 0);
    struct result result = encode_fresh(COUNT, 8);
    cr_assert_leq(result.column_count, 12);
    cr_assert_lt((double)size_of(&result), entropy_bytes(&deltas, false) * 1.1);
    forget(&result);
}

Test(delta_columns, contexts_that_no_sample_has)
{
    make(&deltas, CONTEXTS, 100);
    for (uint32_t i = 1; i < COUNT; i += 2)
        deltas.contexts[i] = (uint16_t)(context_of(0) + 1 + random_below(20));
    struct result result = encode_fresh(COUNT, 2);
    forget(&result);
}

Test(delta_columns, few_deltas_are_not_divided)
{
    struct delta_columns columns = {0};
    make(&deltas, CONTEXTS, 100);
    static const uint32_t counts[] = {1, 2, 50, 511};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct result result = encode(&columns, &deltas, counts[i], 0);
        check(&result, &deltas, counts[i]);
        cr_assert_eq(result.column_count, 1);
        cr_assert_eq(result.context.length, 0);
        forget(&result);
    }
    cptrace_delta_columns_free(&columns);
}

/* Columns get as many as pay for them, all contexts or one, and all that a block can have. */
Test(delta_columns, any_number_of_deltas_and_contexts)
{
    static const uint32_t context_counts[] = {1, 2, 40, 2000, CONTEXT_COUNT};
    for (size_t i = 0; i < sizeof context_counts / sizeof *context_counts; i++)
        for (uint32_t count = 512; count <= COUNT; count = count * 3 + 1) {
            make(&deltas, context_counts[i], 200);
            struct result result = encode_fresh(count, 1 + count / 8192);
            cr_assert_leq(result.column_count, count / 512 + 1);
            forget(&result);
        }
}

Test(delta_columns, a_block_knows_nothing_of_the_one_before)
{
    struct delta_columns fresh = {0}, used = {0};
    make(&deltas, 3000, 250);
    struct result other = encode(&used, &deltas, COUNT, 3);
    make(&deltas, CONTEXTS, 100);
    struct result first = encode(&fresh, &deltas, COUNT, 8), second = encode(&used, &deltas, COUNT, 8);
    cr_assert_eq(first.column_count, second.column_count);
    cr_assert_eq(size_of(&first), size_of(&second));
    cr_assert_arr_eq(first.context.bytes, second.context.bytes, first.context.length);
    cr_assert_arr_eq(first.bits.bytes, second.bits.bytes, first.bits.length);
    forget(&other);
    forget(&first);
    forget(&second);
    cptrace_delta_columns_free(&fresh);
    cptrace_delta_columns_free(&used);
}

/* Columns of all kinds through the prefix code and back; SPEC.md 4.3, code and bits. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prefix_code.h"

#define SYMBOLS_MAX 100000u

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % limit);
}

struct coded {
    struct byte_buffer code, bits;
    bool is_plain;
};

/* What is decoded lies in memory of exactly its size, as do the bytes that it is decoded from. */
static struct coded round_trip(const uint8_t *symbols, size_t count)
{
    struct coded coded = {0};
    cr_assert(cptrace_prefix_encode(symbols, count, &coded.code, &coded.bits));
    coded.is_plain = coded.code.bytes[0] == 0;
    if (coded.is_plain) {
        cr_assert_eq(coded.code.length, 1);
        cr_assert_eq(coded.bits.length, count);
        cr_assert(count == 0 || memcmp(coded.bits.bytes, symbols, count) == 0);
        return coded;
    }
    uint8_t *const decoded = malloc(count), *const code_bytes = malloc(coded.code.length), *const bits_bytes = malloc(coded.bits.length);
    memcpy(code_bytes, coded.code.bytes, coded.code.length);
    memcpy(bits_bytes, coded.bits.bytes, coded.bits.length);
    struct cursor code = {code_bytes, code_bytes + coded.code.length}, bits = {bits_bytes, bits_bytes + coded.bits.length};
    const char *const problem = cptrace_prefix_decode(&code, &bits, decoded, count);
    cr_assert_null(problem, "%zu symbols: %s", count, problem);
    cr_assert_eq(cursor_left(&code), 0);
    cr_assert_eq(cursor_left(&bits), 0);
    cr_assert(memcmp(decoded, symbols, count) == 0, "%zu symbols", count);
    free(decoded);
    free(code_bytes);
    free(bits_bytes);
    return coded;
}

static void forget(struct coded *coded)
{
    cptrace_buffer_free(&coded->code);
    cptrace_buffer_free(&coded->bits);
}

/* Symbols around a middle, some of them far from it. */
static uint8_t noisy_symbol(uint32_t middle, uint32_t width)
{
    if (random_below(50) == 0)
        return (uint8_t)random_below(PREFIX_SYMBOLS);
    uint32_t sum = middle;
    for (int i = 0; i < 4; i++)
        sum += random_below(width);
    return (uint8_t)sum;
}

static double entropy_bytes(const uint8_t *symbols, size_t count)
{
    size_t counts[PREFIX_SYMBOLS] = {0};
    double bits = 0;
    for (size_t i = 0; i < count; i++)
        counts[symbols[i]]++;
    for (size_t i = 0; i < PREFIX_SYMBOLS; i++)
        bits -= counts[i] ? (double)counts[i] * log2((double)counts[i] / (double)count) : 0;
    return bits / 8;
}

Test(prefix_code, every_length)
{
    uint8_t symbols[600];
    for (size_t count = 0; count <= sizeof symbols; count++) {
        for (size_t i = 0; i < count; i++)
            symbols[i] = noisy_symbol(20, 3);
        struct coded coded = round_trip(symbols, count);
        cr_assert_eq(coded.is_plain, coded.bits.length == count);
        forget(&coded);
    }
}

Test(prefix_code, noise_comes_near_its_entropy)
{
    uint8_t *const symbols = malloc(SYMBOLS_MAX);
    for (uint32_t width = 1; width <= 64; width *= 2) {
        for (size_t i = 0; i < SYMBOLS_MAX; i++)
            symbols[i] = noisy_symbol(width, width);
        struct coded coded = round_trip(symbols, SYMBOLS_MAX);
        if (!coded.is_plain) {
            cr_assert_lt((double)coded.bits.length, entropy_bytes(symbols, SYMBOLS_MAX) * 1.05, "width %u", width);
            cr_assert_lt(coded.code.length, 300u);
        } else {
            cr_assert_eq(width, 1u, "all others gain"); /* nearly all are the same then */
        }
        forget(&coded);
    }
    free(symbols);
}

/* Counts like Fibonacci's numbers make the longest codes that there are. */
Test(prefix_code, codes_are_cut_to_twelve_bits)
{
    uint8_t *const symbols = malloc(SYMBOLS_MAX);
    for (unsigned kinds = 2; kinds < 23; kinds++) {
        size_t count = 0;
        for (uint32_t kind = 0, a = 1, b = 1; kind < kinds; kind++) {
            for (uint32_t i = 0; i < a; i++)
                symbols[count++] = (uint8_t)(kind * 11);
            const uint32_t next = a + b;
            a = b;
            b = next;
        }
        for (size_t i = count; i > 1; i--) {
            const size_t other = random_below((uint32_t)i);
            const uint8_t symbol = symbols[i - 1];
            symbols[i - 1] = symbols[other];
            symbols[other] = symbol;
        }
        struct coded coded = round_trip(symbols, count);
        cr_assert(kinds < 12 || !coded.is_plain);
        if (!coded.is_plain)
            cr_assert_lt((double)coded.bits.length, entropy_bytes(symbols, count) * 1.1 + 4);
        forget(&coded);
    }
    free(symbols);
}

Test(prefix_code, what_gains_nothing_stays_as_it_is)
{
    uint8_t symbols[4096];
    for (size_t i = 0; i < sizeof symbols; i++)
        symbols[i] = (uint8_t)i;
    struct coded uniform = round_trip(symbols, sizeof symbols);
    cr_assert(uniform.is_plain);
    memset(symbols, 77, sizeof symbols);
    struct coded constant = round_trip(symbols, sizeof symbols);
    cr_assert(constant.is_plain); /* zstd sees a run */
    symbols[2000] = 255;
    struct coded nearly = round_trip(symbols, sizeof symbols);
    cr_assert(nearly.is_plain);
    forget(&uniform);
    forget(&constant);
    forget(&nearly);
}

/* All 256 symbols, the first and the last alone, and long stretches between those that come. */
Test(prefix_code, any_symbols)
{
    uint8_t symbols[8192];
    for (uint32_t step = 1; step < PREFIX_SYMBOLS; step++) {
        for (size_t i = 0; i < sizeof symbols; i++)
            symbols[i] = (uint8_t)(random_below(2) ? 0 : step * random_below(PREFIX_SYMBOLS / step + 1));
        struct coded coded = round_trip(symbols, sizeof symbols);
        cr_assert(!coded.is_plain);
        forget(&coded);
    }
}

/* Whatever the bytes are, nothing is read or written that is not theirs, and it ends. */
Test(prefix_code, any_bytes)
{
    uint8_t bytes[96], decoded[300];
    for (uint32_t round = 0; round < 200000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(random_below(3) ? random_below(16) : random_below(256));
        const size_t code_length = random_below(40), count = random_below(sizeof decoded) + 1;
        uint8_t *const exact = malloc(sizeof bytes);
        memcpy(exact, bytes, sizeof bytes);
        struct cursor code = {exact, exact + code_length}, bits = {exact + code_length, exact + sizeof bytes};
        cptrace_prefix_decode(&code, &bits, decoded, count);
        cr_assert(code.at <= code.end && bits.at <= bits.end);
        free(exact);
    }
}

Test(prefix_code, a_flipped_bit_never_goes_beyond)
{
    uint8_t symbols[900], decoded[900];
    for (size_t i = 0; i < sizeof symbols; i++)
        symbols[i] = noisy_symbol(9, 5);
    struct coded coded = round_trip(symbols, sizeof symbols);
    cr_assert(!coded.is_plain);
    for (size_t bit = 0; bit < (coded.code.length + coded.bits.length) * 8; bit++) {
        const bool in_code = bit / 8 < coded.code.length;
        uint8_t *const byte = in_code ? &coded.code.bytes[bit / 8] : &coded.bits.bytes[bit / 8 - coded.code.length];
        *byte ^= (uint8_t)(1u << bit % 8);
        struct cursor code = {coded.code.bytes, coded.code.bytes + coded.code.length};
        struct cursor bits = {coded.bits.bytes, coded.bits.bytes + coded.bits.length};
        if (!cptrace_prefix_decode(&code, &bits, decoded, sizeof decoded))
            cr_assert(memcmp(symbols, decoded, sizeof symbols) != 0);
        *byte ^= (uint8_t)(1u << bit % 8);
    }
    forget(&coded);
}

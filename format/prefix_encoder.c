/* Count, sort, build the tree, cut it, write: what is not per delta is 2 to 3 microseconds a column, as sorted weights need no heap (two
 * queues do: van Leeuwen, On the construction of Huffman trees, 1976). */
#include "prefix_code.h"

#include <string.h>

/* A column whose commonest symbol is more than this share of it is left to zstd: a code takes one bit for it, a repetition next to nothing.
 */
#define REPETITIVE_NUMERATOR 7u
#define REPETITIVE_DENOMINATOR 8u

/* A symbol and how often it comes, which is compared first. */
#define KEY_COUNT_SHIFT 8

struct prefix_code {
    uint32_t counts[PREFIX_SYMBOLS];
    uint8_t symbols[PREFIX_SYMBOLS]; /* those that come, in their order */
    uint32_t keys[PREFIX_SYMBOLS];   /* theirs, rarest first */
    uint32_t used;                   /* so many come; nothing is known of the others: */
    uint8_t lengths[PREFIX_SYMBOLS];
    uint64_t codes[PREFIX_SYMBOLS]; /* from the highest bit on */
    uint32_t length_counts[PREFIX_LENGTH_MAX + 1];
};

/* In four tables, since a count waits for the one before it in the same place. */
static void count_symbols(struct prefix_code *code, const uint8_t *symbols, size_t symbol_count)
{
    uint32_t counts[4][PREFIX_SYMBOLS] = {{0}};
    size_t i = 0;
    for (; i + 8 <= symbol_count; i += 8) {
        const uint64_t eight = load_u64(symbols + i);
        counts[0][eight & 0xFF]++;
        counts[1][eight >> 8 & 0xFF]++;
        counts[2][eight >> 16 & 0xFF]++;
        counts[3][eight >> 24 & 0xFF]++;
        counts[0][eight >> 32 & 0xFF]++;
        counts[1][eight >> 40 & 0xFF]++;
        counts[2][eight >> 48 & 0xFF]++;
        counts[3][eight >> 56]++;
    }
    for (; i < symbol_count; i++)
        counts[0][symbols[i]]++;
    for (size_t symbol = 0; symbol < PREFIX_SYMBOLS; symbol++)
        code->counts[symbol] = counts[0][symbol] + counts[1][symbol] + counts[2][symbol] + counts[3][symbol];
    code->used = 0;
    for (uint32_t symbol = 0; symbol < PREFIX_SYMBOLS; symbol++) {
        code->symbols[code->used & 0xFF] = (uint8_t)symbol;
        code->used += code->counts[symbol] != 0;
    }
}

/* Rises with the count; every fourth of a power of two has its own, so that few symbols share one. */
#define RANK_COUNT 96u
static uint32_t rank_of(uint32_t count)
{
    if (count < 8)
        return count;
    const uint32_t power = highest_bit(count);
    return (power << 2) - 4 + (count >> (power - 2) & 3);
}

/* By rank in one pass, which leaves little to be moved. */
static void sort_keys(struct prefix_code *code)
{
    uint32_t places[RANK_COUNT + 1] = {0}, ranks[PREFIX_SYMBOLS];
    for (uint32_t i = 0; i < code->used; i++) {
        ranks[i] = rank_of(code->counts[code->symbols[i]]);
        places[ranks[i] + 1]++;
    }
    for (uint32_t rank = 0; rank < RANK_COUNT; rank++)
        places[rank + 1] += places[rank];
    for (uint32_t i = 0; i < code->used; i++)
        code->keys[places[ranks[i]]++] = code->counts[code->symbols[i]] << KEY_COUNT_SHIFT | code->symbols[i];
    for (uint32_t i = 1; i < code->used; i++) {
        const uint32_t key = code->keys[i];
        uint32_t to = i;
        for (; to > 0 && code->keys[to - 1] > key; to--)
            code->keys[to] = code->keys[to - 1];
        code->keys[to] = key;
    }
}

/* Leaves and the nodes that are made of them, both from the lightest on; behind the last of either stands one that weighs most. */
struct tree {
    uint32_t leaf_weights[PREFIX_SYMBOLS + 1], node_weights[PREFIX_SYMBOLS + 1];
    uint16_t leaf_parents[PREFIX_SYMBOLS + 1], node_parents[PREFIX_SYMBOLS + 1];
    uint32_t leaf, node; /* next to be taken */
};

/* Returns what it weighs. */
static inline uint32_t take_lightest(struct tree *tree, uint32_t parent)
{
    const uint32_t leaf_weight = tree->leaf_weights[tree->leaf], node_weight = tree->node_weights[tree->node];
    const bool takes_leaf = leaf_weight <= node_weight;
    /* What is not taken is overwritten when it is. */
    tree->leaf_parents[tree->leaf] = (uint16_t)parent;
    tree->node_parents[tree->node] = (uint16_t)parent;
    tree->leaf += takes_leaf;
    tree->node += !takes_leaf;
    return takes_leaf ? leaf_weight : node_weight;
}

/* The depths of the leaves in Huffman's tree. Leaves are sorted by weight, and the nodes that are made get heavier, so that both are taken
 * in their order. */
static void measure_depths(const struct prefix_code *code, uint8_t *depths)
{
    struct tree tree = {.leaf = 0};
    const uint32_t node_count = code->used - 1;
    for (uint32_t i = 0; i < code->used; i++)
        tree.leaf_weights[i] = code->keys[i] >> KEY_COUNT_SHIFT;
    tree.leaf_weights[code->used] = UINT32_MAX;
    memset(tree.node_weights, UINT8_MAX, sizeof tree.node_weights);
    for (uint32_t made = 0; made < node_count; made++) {
        const uint32_t first = take_lightest(&tree, made);
        tree.node_weights[made] = first + take_lightest(&tree, made);
    }
    uint8_t node_depths[PREFIX_SYMBOLS];
    node_depths[node_count - 1] = 0;
    for (uint32_t node = node_count - 1; node-- > 0;)
        node_depths[node] = (uint8_t)(node_depths[tree.node_parents[node]] + 1);
    for (uint32_t i = 0; i < code->used; i++)
        depths[i] = (uint8_t)(node_depths[tree.leaf_parents[i]] + 1);
}

/* Cuts depths to the longest code. That makes the code too large, in units of the space of a longest code; each step takes a code that is
 * not of the longest and one that is, and makes two of them, one bit longer than the first was: one unit less. */
static void count_lengths(struct prefix_code *code, const uint8_t *depths)
{
    uint32_t *const counts = code->length_counts;
    uint32_t space = 0;
    memset(counts, 0, sizeof code->length_counts);
    for (uint32_t i = 0; i < code->used; i++) {
        const uint32_t length = depths[i] < PREFIX_LENGTH_MAX ? depths[i] : PREFIX_LENGTH_MAX;
        counts[length]++;
        space += UINT32_C(1) << (PREFIX_LENGTH_MAX - length);
    }
    for (; space > UINT32_C(1) << PREFIX_LENGTH_MAX; space--) {
        uint32_t length = PREFIX_LENGTH_MAX - 1;
        while (counts[length] == 0)
            length--;
        counts[length]--;
        counts[PREFIX_LENGTH_MAX]--;
        counts[length + 1] += 2;
    }
}

/* The rarest symbols get the longest codes. */
static void choose_lengths(struct prefix_code *code)
{
    uint8_t depths[PREFIX_SYMBOLS];
    measure_depths(code, depths);
    count_lengths(code, depths);
    uint32_t length = PREFIX_LENGTH_MAX, left = code->length_counts[length];
    for (uint32_t i = 0; i < code->used; i++, left--) {
        while (left == 0)
            left = code->length_counts[--length];
        code->lengths[code->keys[i] & 0xFF] = (uint8_t)length;
    }
}

static void assign_codes(struct prefix_code *code)
{
    uint32_t next[PREFIX_LENGTH_MAX + 1] = {0};
    for (uint32_t length = 2; length <= PREFIX_LENGTH_MAX; length++)
        next[length] = (next[length - 1] + code->length_counts[length - 1]) << 1;
    for (uint32_t i = 0; i < code->used; i++) {
        const uint32_t length = code->lengths[code->symbols[i]];
        code->codes[code->symbols[i]] = (uint64_t)next[length]++ << (64 - length);
    }
}

static uint64_t coded_bits(const struct prefix_code *code)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < code->used; i++)
        bits += (uint64_t)(code->keys[i] >> KEY_COUNT_SHIFT) * code->lengths[code->keys[i] & 0xFF];
    return bits;
}

static uint8_t *put_absent(uint8_t *to, uint32_t count)
{
    enum { AT_ONCE = PREFIX_SYMBOLS - PREFIX_ABSENT };
    for (; count >= AT_ONCE; count -= AT_ONCE)
        *to++ = UINT8_MAX;
    if (count > 0)
        *to++ = (uint8_t)(PREFIX_ABSENT + count - 1);
    return to;
}

static uint8_t *put_lengths(uint8_t *to, const struct prefix_code *code)
{
    uint32_t next = 0;
    int before = PREFIX_LENGTH_BEFORE;
    for (uint32_t i = 0; i < code->used; i++) {
        const uint8_t symbol = code->symbols[i];
        to = put_absent(to, symbol - next);
        *to++ = (uint8_t)zigzag(code->lengths[symbol] - before);
        before = code->lengths[symbol];
        next = symbol + 1u;
    }
    return to;
}

#define SYMBOLS_AT_ONCE 4 /* their codes fit 64 bits, whatever bits are left of the last byte */
#define STREAM_OVERRUN 8  /* eight bytes are stored, whatever they hold */

/* Bits that wait, from the highest on; the others are zero. */
struct held_bits {
    uint64_t bits;
    uint32_t count;
};

static inline void hold(struct held_bits *held, const struct prefix_code *code, uint8_t symbol)
{
    held->bits |= code->codes[symbol] >> held->count;
    held->count += code->lengths[symbol];
}

/* Stores what is held, and keeps the bits of a byte that is not full. */
static inline uint8_t *store_held(uint8_t *to, struct held_bits *held)
{
    store_bits(to, held->bits);
    const uint32_t bytes = held->count / 8;
    held->bits <<= 8 * bytes;
    held->count %= 8;
    return to + bytes;
}

static uint8_t *put_stream(uint8_t *to, const struct prefix_code *code, const uint8_t *symbols, size_t symbol_count)
{
    struct held_bits held = {0};
    size_t i = 0;
    for (; i + SYMBOLS_AT_ONCE <= symbol_count; i += SYMBOLS_AT_ONCE) {
        hold(&held, code, symbols[i]);
        hold(&held, code, symbols[i + 1]);
        hold(&held, code, symbols[i + 2]);
        hold(&held, code, symbols[i + 3]);
        to = store_held(to, &held);
    }
    for (; i < symbol_count; i++)
        hold(&held, code, symbols[i]);
    to = store_held(to, &held);
    return to + (held.count != 0);
}

static bool put_plain(const uint8_t *symbols, size_t symbol_count, struct byte_buffer *code, struct byte_buffer *bits)
{
    return cptrace_buffer_varint(code, 0) && cptrace_buffer_append(bits, symbols, symbol_count);
}

static bool put_coded(const struct prefix_code *code, const uint8_t *symbols, size_t symbol_count, struct byte_buffer *to,
                      struct byte_buffer *bits)
{
    const size_t bits_bytes = (size_t)(coded_bits(code) / 8) + PREFIX_STREAMS + STREAM_OVERRUN;
    if (!cptrace_buffer_reserve(to, PREFIX_STREAMS * VARINT_MAX_BYTES + 2 * PREFIX_SYMBOLS) || !cptrace_buffer_reserve(bits, bits_bytes))
        return false;
    uint8_t *code_at = to->bytes + to->length, *at = bits->bytes + bits->length;
    const size_t stream_symbols = prefix_stream_symbols(symbol_count);
    for (size_t i = 0; i < PREFIX_STREAMS; i++) {
        const size_t from = i * stream_symbols < symbol_count ? i * stream_symbols : symbol_count;
        const size_t left = symbol_count - from;
        uint8_t *const end = put_stream(at, code, symbols + from, left < stream_symbols ? left : stream_symbols);
        code_at = store_varint(code_at, (uint64_t)(end - at));
        at = end;
    }
    to->length = (size_t)(put_lengths(code_at, code) - to->bytes);
    bits->length = (size_t)(at - bits->bytes);
    return true;
}

bool cptrace_prefix_encode(const uint8_t *symbols, size_t symbol_count, struct byte_buffer *to, struct byte_buffer *bits)
{
    struct prefix_code code;
    count_symbols(&code, symbols, symbol_count);
    sort_keys(&code);
    if (code.used < 2)
        return put_plain(symbols, symbol_count, to, bits);
    const uint64_t commonest = code.keys[code.used - 1] >> KEY_COUNT_SHIFT;
    if (commonest * REPETITIVE_DENOMINATOR >= (uint64_t)symbol_count * REPETITIVE_NUMERATOR)
        return put_plain(symbols, symbol_count, to, bits);
    choose_lengths(&code);
    if (coded_bits(&code) / 8 + code.used + 2 * PREFIX_STREAMS >= symbol_count)
        return put_plain(symbols, symbol_count, to, bits);
    assign_codes(&code);
    return put_coded(&code, symbols, symbol_count, to, bits);
}

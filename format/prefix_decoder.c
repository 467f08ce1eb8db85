#include "prefix_code.h"

#include <assert.h>
#include <string.h>

/* By the next bits, as many as the longest code can have: the symbol, and below it the length of its code. */
struct prefix_table {
    uint16_t entries[1u << PREFIX_LENGTH_MAX];
};
#define ENTRY_SYMBOL_SHIFT 8
#define ENTRY_LENGTH_MASK 63u /* what shifts of 64 bits heed */
#define WINDOW_SHIFT (64 - PREFIX_LENGTH_MAX)

/* What a code of a length takes of all space, in that of a longest one: so many entries. */
#define SPACE_OF(length) (UINT32_C(1) << (PREFIX_LENGTH_MAX - (length)))

struct stream {
    size_t at_bit, end_bit; /* from the front of all streams */
    uint8_t *to;
    size_t left; /* symbols */
};

static const char *read_lengths(struct cursor *code, uint8_t *lengths)
{
    uint32_t space = SPACE_OF(0), symbol = 0;
    int64_t length = PREFIX_LENGTH_BEFORE;
    memset(lengths, 0, PREFIX_SYMBOLS);
    while (space > 0) {
        uint8_t byte;
        if (!cursor_u8(code, &byte))
            return "the lengths of its codes are cut off";
        if (byte >= PREFIX_ABSENT) {
            symbol += byte - PREFIX_ABSENT + 1;
            continue;
        }
        length += unzigzag(byte);
        if (length < 1 || length > (int64_t)PREFIX_LENGTH_MAX)
            return "no valid length of a code";
        if (symbol >= PREFIX_SYMBOLS)
            return "a code for more than a byte";
        if (SPACE_OF(length) > space)
            return "more codes than their lengths allow";
        space -= SPACE_OF(length);
        lengths[symbol++] = (uint8_t)length;
    }
    return NULL;
}

/* Codes rise with their length, then with their symbol, so that the table is filled from its front. */
static void fill_table(struct prefix_table *table, const uint8_t *lengths)
{
    uint32_t begins[PREFIX_LENGTH_MAX + 2] = {0}; /* of the entries of each length */
    for (uint32_t symbol = 0; symbol < PREFIX_SYMBOLS; symbol++)
        if (lengths[symbol])
            begins[lengths[symbol] + 1] += SPACE_OF(lengths[symbol]);
    for (uint32_t length = 1; length <= PREFIX_LENGTH_MAX; length++)
        begins[length + 1] += begins[length];
    for (uint32_t symbol = 0; symbol < PREFIX_SYMBOLS; symbol++) {
        const uint32_t length = lengths[symbol];
        if (length == 0)
            continue;
        uint16_t *const entries = table->entries + begins[length];
        for (uint32_t i = 0; i < SPACE_OF(length); i++)
            entries[i] = (uint16_t)(symbol << ENTRY_SYMBOL_SHIFT | length);
        begins[length] += SPACE_OF(length);
    }
}

#define SYMBOLS_AT_ONCE 4u /* their codes fit what is loaded, whatever bits are taken of its first byte */
#define BYTES_AT_ONCE 6u   /* that they take at most */
#define BYTES_LOADED 8

struct window {
    uint64_t bits;
    uint32_t taken; /* the sum of lengths, below 64; symbols stand above it */
};

static inline uint8_t take_one(const struct prefix_table *table, struct window *window)
{
    const uint32_t entry = table->entries[window->bits >> WINDOW_SHIFT];
    window->bits <<= entry & ENTRY_LENGTH_MASK;
    window->taken += entry;
    return (uint8_t)(entry >> ENTRY_SYMBOL_SHIFT);
}

/* Returns where the next code begins. */
static inline size_t take_some(const struct prefix_table *table, const uint8_t *bits, size_t at_bit, uint8_t *to)
{
    struct window window = {load_bits(bits + at_bit / 8) << at_bit % 8, 0};
    to[0] = take_one(table, &window);
    to[1] = take_one(table, &window);
    to[2] = take_one(table, &window);
    to[3] = take_one(table, &window);
    return at_bit + (window.taken & ENTRY_LENGTH_MASK);
}
static_assert(SYMBOLS_AT_ONCE * PREFIX_LENGTH_MAX <= ENTRY_LENGTH_MASK, "the sum of lengths");

/* How often symbols can be taken of all streams without a look at where bytes or symbols end. A stream may run into those behind it: that
 * it took too much is seen at its end. */
static size_t safe_rounds(const struct stream *streams, size_t bytes)
{
    size_t rounds = streams[PREFIX_STREAMS - 1].left / SYMBOLS_AT_ONCE;
    for (uint32_t i = 0; i < PREFIX_STREAMS; i++) {
        const size_t at = streams[i].at_bit / 8;
        const size_t fit = at + BYTES_LOADED > bytes ? 0 : (bytes - at - BYTES_LOADED) / BYTES_AT_ONCE + 1;
        rounds = fit < rounds ? fit : rounds;
    }
    return rounds;
}

/* In all streams at once, since a stream waits for each of its codes. */
static void take_most(const struct prefix_table *table, const struct cursor *bits, struct stream *streams)
{
    const uint8_t *const from = bits->at;
    const size_t apart = (size_t)(streams[1].to - streams[0].to);
    for (size_t rounds; (rounds = safe_rounds(streams, cursor_left(bits))) > 0;) {
        size_t a = streams[0].at_bit, b = streams[1].at_bit, c = streams[2].at_bit, d = streams[3].at_bit;
        uint8_t *to = streams[0].to, *const end = to + rounds * SYMBOLS_AT_ONCE;
        for (; to < end; to += SYMBOLS_AT_ONCE) {
            a = take_some(table, from, a, to);
            b = take_some(table, from, b, to + apart);
            c = take_some(table, from, c, to + 2 * apart);
            d = take_some(table, from, d, to + 3 * apart);
        }
        streams[0].at_bit = a, streams[1].at_bit = b, streams[2].at_bit = c, streams[3].at_bit = d;
        for (uint32_t i = 0; i < PREFIX_STREAMS; i++) {
            streams[i].to += rounds * SYMBOLS_AT_ONCE;
            streams[i].left -= rounds * SYMBOLS_AT_ONCE;
        }
    }
}

/* The last few, and what of the stream is left. */
static const char *take_rest(const struct prefix_table *table, const uint8_t *bits, struct stream *stream)
{
    for (; stream->left > 0 && stream->at_bit < stream->end_bit; stream->left--) {
        uint64_t window = 0;
        for (size_t i = 0; i < 3; i++) { /* the longest code, and seven bits that are taken */
            const size_t at = stream->at_bit / 8 + i;
            window |= at < stream->end_bit / 8 ? (uint64_t)bits[at] << (56 - 8 * i) : 0;
        }
        const uint32_t entry = table->entries[window << stream->at_bit % 8 >> WINDOW_SHIFT];
        *stream->to++ = (uint8_t)(entry >> ENTRY_SYMBOL_SHIFT);
        stream->at_bit += entry & ENTRY_LENGTH_MASK;
    }
    if (stream->left > 0 || stream->at_bit > stream->end_bit || stream->end_bit - stream->at_bit >= 8)
        return "a stream is not as long as its codes";
    if (stream->at_bit % 8 && (uint8_t)(bits[stream->at_bit / 8] << stream->at_bit % 8))
        return "the last bits of a stream are not zero";
    return NULL;
}

static const char *split(struct cursor *code, const struct cursor *bits, uint8_t *symbols, size_t symbol_count, struct stream *streams)
{
    const size_t stream_symbols = prefix_stream_symbols(symbol_count);
    size_t at = 0;
    for (uint32_t i = 0; i < PREFIX_STREAMS; i++) {
        const size_t from = i * stream_symbols < symbol_count ? i * stream_symbols : symbol_count;
        uint64_t bytes;
        if (!cursor_varint(code, &bytes) || bytes > cursor_left(bits) - at)
            return "no valid length of a stream";
        streams[i] = (struct stream){
            .at_bit = at * 8,
            .end_bit = (at + (size_t)bytes) * 8,
            .to = symbols + from,
            .left = symbol_count - from < stream_symbols ? symbol_count - from : stream_symbols,
        };
        at += (size_t)bytes;
    }
    return NULL;
}

const char *cptrace_prefix_decode(struct cursor *code, struct cursor *bits, uint8_t *symbols, size_t symbol_count)
{
    struct stream streams[PREFIX_STREAMS];
    struct prefix_table table;
    uint8_t lengths[PREFIX_SYMBOLS];
    const char *problem = split(code, bits, symbols, symbol_count, streams);
    if (!problem)
        problem = read_lengths(code, lengths);
    if (problem)
        return problem;
    fill_table(&table, lengths);
    take_most(&table, bits, streams);
    for (uint32_t i = 0; i < PREFIX_STREAMS && !problem; i++)
        problem = take_rest(&table, bits->at, &streams[i]);
    bits->at += streams[PREFIX_STREAMS - 1].end_bit / 8;
    return problem;
}

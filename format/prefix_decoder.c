#include "prefix_code.h"

#include <string.h>

/* By the next bits, as many as the longest code has: a symbol, and above it the length of its code. */
struct prefix_table {
    uint16_t entries[1u << PREFIX_LENGTH_MAX];
    uint32_t shift; /* of 64 bits, so that those remain */
};
#define ENTRY_LENGTH_SHIFT 8

/* What a code of a length takes of all space, in that of a longest one. */
#define SPACE_OF(length) (UINT32_C(1) << (PREFIX_LENGTH_MAX - (length)))

/* The codes from at, bits of whose first byte are taken. */
struct stream {
    const uint8_t *at, *end;
    uint32_t taken_bits;
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
    uint32_t longest = 1;
    for (uint32_t symbol = 0; symbol < PREFIX_SYMBOLS; symbol++)
        longest = lengths[symbol] > longest ? lengths[symbol] : longest;
    table->shift = 64 - longest;

    uint32_t begins[PREFIX_LENGTH_MAX + 1] = {0}; /* of the entries of each length */
    for (uint32_t symbol = 0; symbol < PREFIX_SYMBOLS; symbol++)
        if (lengths[symbol])
            begins[lengths[symbol]] += UINT32_C(1) << (longest - lengths[symbol]);
    for (uint32_t length = 1, begin = 0; length <= longest; length++) {
        const uint32_t entries = begins[length];
        begins[length] = begin;
        begin += entries;
    }
    for (uint32_t symbol = 0; symbol < PREFIX_SYMBOLS; symbol++) {
        const uint32_t length = lengths[symbol];
        if (length == 0)
            continue;
        uint16_t *const entries = table->entries + begins[length];
        const uint32_t count = UINT32_C(1) << (longest - length);
        for (uint32_t i = 0; i < count; i++)
            entries[i] = (uint16_t)(length << ENTRY_LENGTH_SHIFT | symbol);
        begins[length] += count;
    }
}

#define SYMBOLS_AT_ONCE 4u /* their codes fit what is loaded, whatever bits are taken of its first byte */
#define BYTES_AT_ONCE 6u   /* that they take at most */
#define BYTES_LOADED 8

static inline void take_some(const struct prefix_table *table, struct stream *stream)
{
    uint64_t window = load_bits(stream->at) << stream->taken_bits;
    uint32_t taken = stream->taken_bits;
    for (uint32_t i = 0; i < SYMBOLS_AT_ONCE; i++) {
        const uint32_t entry = table->entries[window >> table->shift], length = entry >> ENTRY_LENGTH_SHIFT;
        stream->to[i] = (uint8_t)entry;
        window <<= length;
        taken += length;
    }
    stream->at += taken / 8;
    stream->taken_bits = taken % 8;
    stream->to += SYMBOLS_AT_ONCE;
}

/* How often symbols can be taken of all streams without a look at where bytes or symbols end. A stream may run into those behind it: that
 * it took too much is seen at its end. */
static size_t safe_rounds(const struct stream *streams, const uint8_t *end)
{
    size_t rounds = streams[PREFIX_STREAMS - 1].left / SYMBOLS_AT_ONCE;
    for (uint32_t i = 0; i < PREFIX_STREAMS; i++) {
        const size_t bytes = (size_t)(end - streams[i].at);
        const size_t fit = bytes < BYTES_LOADED ? 0 : (bytes - BYTES_LOADED) / BYTES_AT_ONCE + 1;
        rounds = fit < rounds ? fit : rounds;
    }
    return rounds;
}

/* In all streams at once, since a stream waits for each of its codes. */
static void take_most(const struct prefix_table *table, struct stream *streams, const uint8_t *end)
{
    struct stream a = streams[0], b = streams[1], c = streams[2], d = streams[3];
    for (size_t rounds; (rounds = safe_rounds(streams, end)) > 0;) {
        for (size_t i = 0; i < rounds; i++) {
            take_some(table, &a);
            take_some(table, &b);
            take_some(table, &c);
            take_some(table, &d);
        }
        const size_t taken = rounds * SYMBOLS_AT_ONCE;
        a.left -= taken, b.left -= taken, c.left -= taken, d.left -= taken;
        streams[0] = a, streams[1] = b, streams[2] = c, streams[3] = d;
    }
}

/* The last few, and what of the stream is left. */
static const char *take_rest(const struct prefix_table *table, struct stream *stream)
{
    for (; stream->left > 0; stream->left--) {
        uint64_t window = 0;
        for (int i = 0; i < 3; i++) /* the longest code, and seven bits that are taken */
            window |= stream->at + i < stream->end ? (uint64_t)stream->at[i] << (56 - 8 * i) : 0;
        const uint32_t entry = table->entries[window << stream->taken_bits >> table->shift];
        *stream->to++ = (uint8_t)entry;
        stream->taken_bits += entry >> ENTRY_LENGTH_SHIFT;
        stream->at += stream->taken_bits / 8;
        stream->taken_bits %= 8;
        if (stream->at > stream->end)
            break;
    }
    const ptrdiff_t left = stream->end - stream->at;
    if (left != (stream->taken_bits > 0))
        return "a stream is not as long as its codes";
    return left && (uint8_t)(*stream->at << stream->taken_bits) ? "the last bits of a stream are not zero" : NULL;
}

static const char *split(struct cursor *code, struct cursor *bits, uint8_t *symbols, size_t symbol_count, struct stream *streams)
{
    const size_t stream_symbols = prefix_stream_symbols(symbol_count);
    for (uint32_t i = 0; i < PREFIX_STREAMS; i++) {
        const size_t from = i * stream_symbols < symbol_count ? i * stream_symbols : symbol_count;
        uint64_t bytes;
        if (!cursor_varint(code, &bytes) || bytes > cursor_left(bits))
            return "no valid length of a stream";
        streams[i] = (struct stream){
            .at = bits->at,
            .end = bits->at + bytes,
            .to = symbols + from,
            .left = symbol_count - from < stream_symbols ? symbol_count - from : stream_symbols,
        };
        bits->at += bytes;
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
    take_most(&table, streams, bits->end);
    for (uint32_t i = 0; i < PREFIX_STREAMS && !problem; i++)
        problem = take_rest(&table, &streams[i]);
    return problem;
}

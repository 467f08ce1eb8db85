/* The encodings of SPEC.md 1: fixed little-endian integers, varints, zigzag, and a cursor that reads them without ever passing its end. */
#ifndef CPTRACE_BYTES_H
#define CPTRACE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cptrace/cptrace.h"

#define VARINT_MAX_BYTES 10

static inline uint16_t load_u16(const uint8_t *bytes) { return (uint16_t)(bytes[0] | bytes[1] << 8); }

static inline uint32_t load_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline uint64_t load_u64(const uint8_t *bytes) { return (uint64_t)load_u32(bytes) | (uint64_t)load_u32(bytes + 4) << 32; }

/* Highest byte first: bits in their order, SPEC.md 4.3. */
static inline uint64_t load_bits(const uint8_t *bytes)
{
    const uint32_t high = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3];
    const uint32_t low = (uint32_t)bytes[4] << 24 | (uint32_t)bytes[5] << 16 | (uint32_t)bytes[6] << 8 | (uint32_t)bytes[7];
    return (uint64_t)high << 32 | low;
}

static inline uint8_t *store_u16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
    return to + 2;
}

static inline uint8_t *store_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> 8 * i);
    return to + 4;
}

static inline uint8_t *store_u64(uint8_t *to, uint64_t value)
{
    store_u32(to, (uint32_t)value);
    return store_u32(to + 4, (uint32_t)(value >> 32));
}

static inline void store_bits(uint8_t *to, uint64_t value)
{
    to[0] = (uint8_t)(value >> 56);
    to[1] = (uint8_t)(value >> 48);
    to[2] = (uint8_t)(value >> 40);
    to[3] = (uint8_t)(value >> 32);
    to[4] = (uint8_t)(value >> 24);
    to[5] = (uint8_t)(value >> 16);
    to[6] = (uint8_t)(value >> 8);
    to[7] = (uint8_t)value;
}

static inline uint8_t *store_varint(uint8_t *to, uint64_t value)
{
    while (value >= 0x80) {
        *to++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *to++ = (uint8_t)value;
    return to;
}

static inline uint64_t zigzag(int64_t value) { return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63); }

static inline int64_t unzigzag(uint64_t value) { return (int64_t)(value >> 1) ^ -(int64_t)(value & 1); }

static inline uint8_t *store_calibration(uint8_t *to, const struct cptrace_calibration *point)
{
    to = store_u64(to, point->ticks);
    to = store_u64(to, point->monotonic_ns);
    return store_u64(to, point->utc_ns);
}

static inline struct cptrace_calibration load_calibration(const uint8_t *bytes)
{
    return (struct cptrace_calibration){load_u64(bytes), load_u64(bytes + 8), load_u64(bytes + 16)};
}

static inline bool calibration_equal(const struct cptrace_calibration *a, const struct cptrace_calibration *b)
{
    return a->ticks == b->ticks && a->monotonic_ns == b->monotonic_ns && a->utc_ns == b->utc_ns;
}

/* The place of the highest bit that is set, from 0 on; of no 0. */
static inline uint32_t highest_bit(uint32_t value)
{
#if defined(__GNUC__)
    return 31u - (uint32_t)__builtin_clz(value);
#else
    uint32_t place = 0;
    while (value >>= 1)
        place++;
    return place;
#endif
}

/* Reads forward in [at, end). The first failure moves at nowhere and returns false. */
struct cursor {
    const uint8_t *at, *end;
};

static inline size_t cursor_left(const struct cursor *cursor) { return (size_t)(cursor->end - cursor->at); }

/* False when the varint is cut, over 64 bits, or longer than it need be. */
static inline bool cursor_varint(struct cursor *cursor, uint64_t *value)
{
    uint64_t result = 0;
    const uint8_t *at = cursor->at;
    for (unsigned shift = 0; at < cursor->end && shift < 64; shift += 7) {
        const uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return false;
        result |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            if (byte == 0 && shift > 0)
                return false;
            cursor->at = at;
            *value = result;
            return true;
        }
    }
    return false;
}

static inline bool cursor_varint_u32(struct cursor *cursor, uint32_t *value)
{
    const uint8_t *const start = cursor->at;
    uint64_t wide;
    if (!cursor_varint(cursor, &wide))
        return false;
    if (wide > UINT32_MAX) {
        cursor->at = start;
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

static inline bool cursor_u8(struct cursor *cursor, uint8_t *value)
{
    if (cursor->at == cursor->end)
        return false;
    *value = *cursor->at++;
    return true;
}

static inline bool cursor_string(struct cursor *cursor, struct cptrace_string *string)
{
    struct cursor probe = *cursor;
    uint32_t length;
    if (!cursor_varint_u32(&probe, &length) || length > cursor_left(&probe))
        return false;
    *string = (struct cptrace_string){(const char *)probe.at, length};
    cursor->at = probe.at + length;
    return true;
}

#endif

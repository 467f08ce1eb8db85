#include "crc32.h"

#include "bytes.h"
#include "crc32_table.h"

uint32_t cptrace_crc32(uint32_t crc, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    crc = ~crc;
    for (; length >= 4; at += 4, length -= 4) {
        const uint32_t word = crc ^ load_u32(at);
        crc = slicing[3][word & 0xFF] ^ slicing[2][word >> 8 & 0xFF] ^ slicing[1][word >> 16 & 0xFF] ^ slicing[0][word >> 24];
    }
    for (; length > 0; at++, length--)
        crc = slicing[0][(crc ^ *at) & 0xFF] ^ crc >> 8;
    return ~crc;
}

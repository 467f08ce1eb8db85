#include "crc32.h"

#include "bytes.h"
#include "crc32_table.h"

uint32_t cptrace_crc32(uint32_t crc, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    crc = ~crc;
    for (; length >= 8; at += 8, length -= 8) {
        const uint32_t low = crc ^ load_u32(at), high = load_u32(at + 4);
        crc = slicing[7][low & 0xFF] ^ slicing[6][low >> 8 & 0xFF] ^ slicing[5][low >> 16 & 0xFF] ^ slicing[4][low >> 24] ^
              slicing[3][high & 0xFF] ^ slicing[2][high >> 8 & 0xFF] ^ slicing[1][high >> 16 & 0xFF] ^ slicing[0][high >> 24];
    }
    for (; length > 0; at++, length--)
        crc = slicing[0][(crc ^ *at) & 0xFF] ^ crc >> 8;
    return ~crc;
}

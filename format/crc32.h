/* CRC-32 of zlib and PNG: polynomial 0xEDB88320, reflected, initial and final complement. */
#ifndef CPTRACE_CRC32_H
#define CPTRACE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Of length bytes that follow those whose crc is given; 0 at the start. */
uint32_t cptrace_crc32(uint32_t crc, const void *bytes, size_t length);

#endif

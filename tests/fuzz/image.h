/* A file built of the bytes of a fuzzer. Checksums would stop nearly every mutation at the door, so the input is a list of pieces: a length
 * (2 bytes), a kind (1 byte: even: raw bytes of the file; odd: the content of a block, compressed here with right checksums), the bytes. */
#ifndef CPTRACE_FUZZ_IMAGE_H
#define CPTRACE_FUZZ_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "cptrace/reader.h"

#define IMAGE_BYTES_MAX (1u << 20)

struct image {
    uint8_t bytes[IMAGE_BYTES_MAX];
    size_t length, position;
};

void image_build(struct image *image, const uint8_t *data, size_t size);
struct cptrace_source image_source(struct image *image); /* from the start */

/* Writes a file for what opens paths, in a folder of this process's own in memory; the path stays the same. */
const char *image_save(const char *name, const void *bytes, size_t length);

#endif

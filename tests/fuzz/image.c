#include "image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

static int64_t image_read(void *context, void *buffer, size_t capacity)
{
    struct image *const image = context;
    size_t count = image->length - image->position;
    if (count > capacity)
        count = capacity;
    memcpy(buffer, image->bytes + image->position, count);
    image->position += count;
    return (int64_t)count;
}

struct cptrace_source image_source(struct image *image)
{
    image->position = 0;
    return (struct cptrace_source){image_read, image};
}

static void append_frame(struct image *image, const uint8_t *content, size_t length)
{
    static ZSTD_CCtx *compressor;
    if (!compressor) {
        compressor = ZSTD_createCCtx();
        ZSTD_CCtx_setParameter(compressor, ZSTD_c_checksumFlag, 1);
    }
    const size_t size = ZSTD_compress2(compressor, image->bytes + image->length, IMAGE_BYTES_MAX - image->length, content, length);
    if (!ZSTD_isError(size))
        image->length += size;
}

void image_build(struct image *image, const uint8_t *data, size_t size)
{
    image->length = image->position = 0;
    while (size >= 3) {
        size_t length = data[0] | (size_t)data[1] << 8;
        const int is_content = data[2] & 1;
        data += 3;
        size -= 3;
        if (length > size)
            length = size;
        if (length > IMAGE_BYTES_MAX - image->length)
            return;
        if (is_content) {
            append_frame(image, data, length);
        } else {
            memcpy(image->bytes + image->length, data, length);
            image->length += length;
        }
        data += length;
        size -= length;
    }
}

static void die(const char *what)
{
    perror(what);
    abort();
}

const char *image_save(const char *name, const void *bytes, size_t length)
{
    static char folder[64], path[160];
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "%s/callprofiler-fuzz-%ld", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
        if (mkdir(folder, 0700) != 0 && errno != EEXIST) /* of an earlier process with our number */
            die(folder);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
        die(path);
    return path;
}

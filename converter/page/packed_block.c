#include "page/packed_block.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

enum { DEFLATE_LEVEL = 6 };

bool packer_init(struct packer *packer)
{
    *packer = (struct packer){.compressor = libdeflate_alloc_compressor(DEFLATE_LEVEL)};
    return packer->compressor != NULL;
}

void packer_free(struct packer *packer)
{
    for (size_t i = 0; i < packer->count; ++i)
        free(packer->blocks[i].base64);
    free(packer->blocks);
    page_buffer_free(&packer->raw);
    page_buffer_free(&packer->deflated);
    libdeflate_free_compressor(packer->compressor);
    *packer = (struct packer){0};
}

static char *encode_base64(const uint8_t *bytes, size_t length, size_t *encoded_bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    *encoded_bytes = (length + 2) / 3 * 4;
    char *const encoded = malloc(*encoded_bytes + 1);
    if (!encoded)
        return NULL;
    char *out = encoded;
    for (size_t i = 0; i < length; i += 3) {
        const size_t left = length - i;
        const uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[group & 63] : '=';
    }
    return encoded;
}

static struct packed_block *add_empty(struct packer *packer)
{
    if (packer->count == packer->capacity) {
        const size_t capacity = packer->capacity ? packer->capacity * 2 : 64;
        struct packed_block *const blocks = realloc(packer->blocks, capacity * sizeof *blocks);
        if (!blocks)
            return NULL;
        packer->blocks = blocks;
        packer->capacity = capacity;
    }
    struct packed_block *const block = &packer->blocks[packer->count];
    *block = (struct packed_block){0};
    return block;
}

struct packed_block *packer_add(struct packer *packer, enum packed_kind kind, uint64_t count, const uint8_t *raw, size_t length)
{
    struct packed_block *const block = add_empty(packer);
    const size_t bound = libdeflate_deflate_compress_bound(packer->compressor, length);
    packer->deflated.length = 0;
    if (!block || !page_buffer_reserve(&packer->deflated, bound))
        return NULL;
    const size_t deflated = libdeflate_deflate_compress(packer->compressor, raw, length, packer->deflated.bytes, bound);
    block->kind = kind;
    block->count = count;
    block->raw_bytes = length;
    block->crc = libdeflate_crc32(0, raw, length);
    block->base64 = encode_base64(packer->deflated.bytes, deflated, &block->base64_bytes);
    if (!block->base64)
        return NULL;
    packer->base64_bytes += block->base64_bytes;
    ++packer->count;
    return block;
}

struct packed_block *packer_add_columns(struct packer *packer, enum packed_kind kind, uint64_t count, struct page_buffer *columns,
                                        size_t column_count)
{
    struct page_buffer *const raw = &packer->raw;
    raw->length = 0;
    page_buffer_varint(raw, column_count);
    for (size_t i = 0; i < column_count; ++i)
        page_buffer_varint(raw, columns[i].length);
    for (size_t i = 0; i < column_count; ++i) {
        page_buffer_append(raw, columns[i].bytes, columns[i].length);
        raw->failed |= columns[i].failed;
        columns[i].length = 0;
    }
    return raw->failed ? NULL : packer_add(packer, kind, count, raw->bytes, raw->length);
}

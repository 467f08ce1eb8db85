/* A block of the page: raw bytes -> deflate-raw -> base64, guarded by a CRC-32 of the raw bytes. */
#ifndef PAGE_PACKED_BLOCK_H
#define PAGE_PACKED_BLOCK_H

#include "page/page_buffer.h"

/* The order is that of the names in the directory. */
enum packed_kind { PACKED_FUNCTIONS, PACKED_PATHS, PACKED_PATH_NOTES, PACKED_CALLS, PACKED_LATE, PACKED_NOTES };

struct packed_block {
    enum packed_kind kind;
    uint64_t count; /* entries */
    uint64_t first; /* calls: number of the first */
    uint64_t base;  /* calls: quanta */
    size_t raw_bytes;
    uint32_t crc;
    char *base64; /* not NUL-terminated */
    size_t base64_bytes;
};

struct libdeflate_compressor;

struct packer {
    struct libdeflate_compressor *compressor;
    struct packed_block *blocks;
    size_t count, capacity;
    size_t base64_bytes;              /* of all blocks */
    struct page_buffer raw, deflated; /* scratch */
};

bool packer_init(struct packer *packer);
void packer_free(struct packer *packer);

/* Packs raw bytes as a new block, to be filled in further by the caller; NULL: no memory. Valid until the next one. */
struct packed_block *packer_add(struct packer *packer, enum packed_kind kind, uint64_t count, const uint8_t *raw, size_t length);

/* The same from columns, in the layout of the contract. Empties the columns. */
struct packed_block *packer_add_columns(struct packer *packer, enum packed_kind kind, uint64_t count, struct page_buffer *columns,
                                        size_t column_count);

#endif

/* Packs embedded calls as columns: the encoder of which converter/viewer/src/data/calls.ts is the decoder. */
#ifndef PAGE_CALL_BLOCK_H
#define PAGE_CALL_BLOCK_H

#include "page/payload.h"
#include "page/pending_call.h"

/* One call as it goes into a block; times in quanta. */
struct block_call {
    int64_t parent; /* number in the page, or -1 */
    uint64_t start, end, self, suspended;
    uint64_t folded_calls, folded;
    uint32_t path, lane;
    uint8_t outcome;
    bool late;
};

/* The parent path of every path, as the decoder will know it. */
struct path_parents {
    uint32_t *parent;
    size_t count, capacity;
};

struct call_block {
    struct block_call *calls; /* PAYLOAD_BLOCK_CALLS */
    size_t count;
    uint64_t first; /* number in the page of calls[0] */
    /* scratch of the encoder */
    uint64_t *latest_end, *time_below;
    int64_t *last_of_lane;
    size_t lane_capacity;
    struct page_buffer columns[CALL_COLUMN_COUNT];
};

bool call_block_init(struct call_block *block);
void call_block_free(struct call_block *block);

/* Adds a block to the packer and empties this one. False: no memory. */
bool call_block_pack(struct call_block *block, struct packer *packer, const struct path_parents *paths);

#endif

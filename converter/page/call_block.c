#include "page/call_block.h"

#include <stdlib.h>
#include <string.h>

bool call_block_init(struct call_block *block)
{
    *block = (struct call_block){
        .calls = malloc(PAYLOAD_BLOCK_CALLS * sizeof *block->calls),
        .latest_end = malloc(PAYLOAD_BLOCK_CALLS * sizeof *block->latest_end),
        .time_below = malloc(PAYLOAD_BLOCK_CALLS * sizeof *block->time_below),
    };
    return block->calls && block->latest_end && block->time_below;
}

void call_block_free(struct call_block *block)
{
    free(block->calls);
    free(block->latest_end);
    free(block->time_below);
    free(block->last_of_lane);
    for (size_t i = 0; i < CALL_COLUMN_COUNT; ++i)
        page_buffer_free(&block->columns[i]);
    *block = (struct call_block){0};
}

static bool reset_lanes(struct call_block *block)
{
    size_t lanes = 0;
    for (size_t i = 0; i < block->count; ++i)
        if (block->calls[i].lane >= lanes)
            lanes = (size_t)block->calls[i].lane + 1;
    if (lanes > block->lane_capacity) {
        int64_t *const grown = realloc(block->last_of_lane, lanes * sizeof *grown);
        if (!grown)
            return false;
        block->last_of_lane = grown;
        block->lane_capacity = lanes;
    }
    for (size_t lane = 0; lane < lanes; ++lane)
        block->last_of_lane[lane] = -1;
    return true;
}

/* What the decoder would take for the parent: from the call before on the lane upwards to the wanted path. -1: it would find none. */
static int64_t derive_parent(const struct call_block *block, int64_t from, uint32_t wanted, const struct path_parents *paths)
{
    const int64_t first = (int64_t)block->first;
    int64_t call = from;
    uint32_t path = from < 0 ? 0 : block->calls[from - first].path;
    while (call >= 0 && path != wanted) {
        if (call < first)
            return -1;
        call = block->calls[call - first].parent;
        path = paths->parent[path];
    }
    return call;
}

static void put_parent(struct call_block *block, size_t i, uint8_t *flags, const struct path_parents *paths)
{
    const struct block_call *const call = &block->calls[i];
    const uint32_t wanted = paths->parent[call->path];
    int64_t *const last = &block->last_of_lane[call->lane];
    const int64_t derived = wanted == REPLAY_ROOT_PATH ? -1 : derive_parent(block, *last, wanted, paths);
    const int64_t number = (int64_t)(block->first + i);
    *last = number;
    if (derived == call->parent && (derived >= 0 || wanted == REPLAY_ROOT_PATH))
        return;
    *flags |= CALL_FLAG_EXPLICIT_PARENT;
    page_buffer_varint(&block->columns[CALL_COLUMN_PARENT], call->parent < 0 ? 0 : (uint64_t)(number - call->parent));
}

/* A parent's number is lower than its child's: going down, all children are known before their parent. */
static void sum_children(struct call_block *block)
{
    memset(block->latest_end, 0, block->count * sizeof *block->latest_end);
    memset(block->time_below, 0, block->count * sizeof *block->time_below);
    for (size_t i = block->count; i-- > 0;) {
        const struct block_call *const call = &block->calls[i];
        if (call->late || call->parent < (int64_t)block->first)
            continue;
        const size_t up = (size_t)((uint64_t)call->parent - block->first);
        if (call->end > block->latest_end[up])
            block->latest_end[up] = call->end;
        block->time_below[up] += call->end - call->start - call->suspended;
    }
}

/* Self follows from the children, up to rounding and what happened in other blocks. */
static bool self_follows(const struct block_call *call, uint64_t below)
{
    const uint64_t running = call->end - call->start - call->suspended;
    const uint64_t derived = running > below + call->folded ? running - below - call->folded : 0;
    const uint64_t apart = derived > call->self ? derived - call->self : call->self - derived;
    return apart <= 4 + call->self / 64;
}

static void put_end(struct call_block *block, size_t i, uint8_t *flags)
{
    const struct block_call *const call = &block->calls[i];
    if (call->late) {
        *flags |= CALL_FLAG_LATE;
        return;
    }
    *flags |= call->outcome & CALL_FLAG_OUTCOME_MASK;
    const uint64_t base = block->latest_end[i] > call->start ? block->latest_end[i] : call->start;
    page_buffer_zigzag(&block->columns[CALL_COLUMN_END], (int64_t)(call->end - base));
    if (call->suspended) {
        *flags |= CALL_FLAG_SUSPENDED;
        page_buffer_varint(&block->columns[CALL_COLUMN_SUSPENDED], call->suspended);
    }
    if (!self_follows(call, block->time_below[i])) {
        *flags |= CALL_FLAG_EXPLICIT_SELF;
        page_buffer_varint(&block->columns[CALL_COLUMN_SELF], call->self);
    }
    if (call->folded_calls) {
        *flags |= CALL_FLAG_FOLDED;
        page_buffer_varint(&block->columns[CALL_COLUMN_FOLDED_CALLS], call->folded_calls);
        page_buffer_varint(&block->columns[CALL_COLUMN_FOLDED_TIME], call->folded);
    }
}

bool call_block_pack(struct call_block *block, struct packer *packer, const struct path_parents *paths)
{
    if (block->count == 0)
        return true;
    if (!reset_lanes(block))
        return false;
    sum_children(block);
    const uint64_t base = block->calls[0].start;
    uint64_t before = base;
    for (size_t i = 0; i < block->count; ++i) {
        const struct block_call *const call = &block->calls[i];
        uint8_t flags = 0;
        page_buffer_varint(&block->columns[CALL_COLUMN_PATH], call->path);
        page_buffer_zigzag(&block->columns[CALL_COLUMN_START], (int64_t)(call->start - before));
        page_buffer_varint(&block->columns[CALL_COLUMN_LANE], call->lane);
        before = call->start;
        put_parent(block, i, &flags, paths);
        put_end(block, i, &flags);
        page_buffer_varint(&block->columns[CALL_COLUMN_FLAGS], flags);
    }
    struct packed_block *const packed = packer_add_columns(packer, PACKED_CALLS, block->count, block->columns, CALL_COLUMN_COUNT);
    if (!packed)
        return false;
    packed->first = block->first;
    packed->base = base;
    block->first += block->count;
    block->count = 0;
    return true;
}

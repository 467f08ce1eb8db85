#include "index_writer.h"

#include <string.h>

#include "crc32.h"
#include "frame.h"

/* Ten varints, a crc and two bytes. */
#define ENTRY_FIXED_MAX_BYTES (10 * VARINT_MAX_BYTES + 4 + 2)

/* Most blocks carry the point of the block before. */
static uint8_t *store_calibration_change(uint8_t *at, struct index_writer *index, const struct cptrace_calibration *point)
{
    const struct cptrace_calibration before = index->previous_calibration;
    const bool same = calibration_equal(&before, point);
    *at++ = !same;
    if (same)
        return at;
    index->previous_calibration = *point;
    at = store_varint(at, zigzag((int64_t)(point->ticks - before.ticks)));
    at = store_varint(at, zigzag((int64_t)(point->monotonic_ns - before.monotonic_ns)));
    return store_varint(at, zigzag((int64_t)(point->utc_ns - before.utc_ns)));
}

bool cptrace_index_add(struct index_writer *index, const struct index_block *block)
{
    const size_t function_bytes = cursor_left(&block->functions);
    if (!cptrace_buffer_reserve(&index->entries, ENTRY_FIXED_MAX_BYTES + function_bytes))
        return false;
    uint8_t *at = index->entries.bytes + index->entries.length;
    at = store_varint(at, block->offset - index->previous_end);
    at = store_varint(at, block->compressed_bytes);
    at = store_u32(at, block->frame_crc32);
    *at++ = block->kind;
    index->previous_end = block->offset + block->compressed_bytes;
    index->block_count++;
    if (block->event_count) {
        at = store_varint(at, block->lane);
        at = store_varint(at, block->event_count);
        at = store_varint(at, zigzag((int64_t)(block->first_tick - index->previous_first_tick)));
        at = store_varint(at, block->last_tick - block->first_tick);
        index->previous_first_tick = block->first_tick;
        at = store_calibration_change(at, index, &block->calibration);
        at = store_varint(at, function_bytes);
        if (function_bytes)
            memcpy(at, block->functions.at, function_bytes);
        at += function_bytes;
    }
    index->entries.length = (size_t)(at - index->entries.bytes);
    return true;
}

bool cptrace_index_encode(const struct index_writer *index, const struct index_totals *totals, struct byte_buffer *out)
{
    const size_t fixed = SKIPPABLE_HEADER_BYTES + SIGNATURE_BYTES + 6 * VARINT_MAX_BYTES + INDEX_TRAILER_BYTES;
    if (!cptrace_buffer_reserve(out, fixed + index->entries.length))
        return false;
    const size_t frame = out->length;
    store_u32(out->bytes + frame, MAGIC_INDEX);
    out->length += SKIPPABLE_HEADER_BYTES;

    const size_t guarded = out->length;
    cptrace_buffer_append(out, INDEX_SIGNATURE, SIGNATURE_BYTES);
    cptrace_buffer_varint(out, index->block_count);
    cptrace_buffer_append(out, index->entries.bytes, index->entries.length);
    cptrace_buffer_varint(out, totals->events);
    cptrace_buffer_varint(out, totals->calls);
    cptrace_buffer_varint(out, totals->functions);
    cptrace_buffer_varint(out, totals->files);
    cptrace_buffer_varint(out, totals->lanes);
    const uint32_t crc = cptrace_crc32(0, out->bytes + guarded, out->length - guarded);

    const uint32_t frame_bytes = (uint32_t)(out->length - frame + INDEX_TRAILER_BYTES);
    store_u32(out->bytes + frame + 4, frame_bytes - SKIPPABLE_HEADER_BYTES);
    uint8_t trailer[8];
    store_u32(store_u32(trailer, crc), frame_bytes);
    cptrace_buffer_append(out, trailer, sizeof trailer);
    return cptrace_buffer_append(out, INDEX_END_SIGNATURE, SIGNATURE_BYTES);
}

#include "index_writer.h"

#include "crc32.h"
#include "frame.h"

bool cptrace_index_add(struct index_writer *index, const struct index_block *block)
{
    /* Five varints, a crc and a kind. */
    if (!cptrace_buffer_reserve(&index->entries, 6 * VARINT_MAX_BYTES + 4 + 1))
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

/* What a killed process left: a ring file is built of the input, and opened as a trace. The input:
 *
 *     flags (1: it is spooled, else a part; 2: there is a checkpoint)   1 byte
 *     begun bytes, max_depth, min_call_ticks                            2 + 1 + 2
 *     checkpoint: length, bytes (its crc32 is made to fit)              2 + n
 *     rings: how many (0 to 3); of each: lane, log2 of the capacity (0 to 7), head, then as many slots as there are in the ring
 *     the rest: what was written of the trace, in pieces (image.h) */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "cptrace/recovery.h"
#include "cptrace/ring.h"
#include "cptrace/ring_file.h"
#include "crc32.h"
#include "image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *take(const uint8_t **data, size_t *size, size_t length, uint8_t *to)
{
    const size_t there = length < *size ? length : *size;
    memset(to, 0, length);
    memcpy(to, *data, there);
    *data += there;
    *size -= there;
    return to;
}

static size_t put_region(uint8_t *file, size_t length, const struct cptrace_ring *header, const uint8_t *slots)
{
    memcpy(file + length, header, sizeof *header);
    memcpy(file + length + sizeof *header, slots, header->capacity_slots * 16);
    return length + sizeof *header + header->capacity_slots * 16;
}

static uint8_t slots[1 << 17];

static size_t put_checkpoint(uint8_t *file, size_t length, uint32_t file_id, const uint8_t **data, size_t *size)
{
    static struct cptrace_ring region;
    uint8_t fixed[2];
    const size_t bytes = load_u16(take(data, size, 2, fixed));
    take(data, size, bytes, slots);
    store_u32(slots + bytes, cptrace_crc32(0, slots, bytes));
    region = (struct cptrace_ring){.magic = CPTRACE_CHECKPOINT_MAGIC, .file_id = file_id, .capacity_slots = bytes / 16 + 1};
    region.head = bytes + 4;
    return put_region(file, length, &region, slots);
}

static size_t put_ring(uint8_t *file, size_t length, uint32_t file_id, const uint8_t **data, size_t *size)
{
    static struct cptrace_ring region;
    uint8_t fixed[4];
    take(data, size, 4, fixed);
    region =
        (struct cptrace_ring){.magic = CPTRACE_RING_MAGIC, .file_id = file_id, .lane = fixed[0], .capacity_slots = 1u << (fixed[1] & 7)};
    region.head = load_u16(fixed + 2);
    take(data, size, region.capacity_slots * 16, slots);
    return put_region(file, length, &region, slots);
}

static void read_all(const char *path)
{
    struct cptrace_reader *reader;
    struct cptrace_block block;
    static struct cptrace_events events;
    if (cptrace_reader_open(path, &reader, NULL) != CPTRACE_OK)
        return;
    while (cptrace_reader_next(reader, &block, NULL) == CPTRACE_OK)
        if (block.kind == CPTRACE_BLOCK_EVENTS)
            cptrace_events_decode(&block, &events, NULL);
    cptrace_reader_close(reader);
}

static void end_cut(const char *path)
{
    struct cptrace_recovery *recovery;
    if (cptrace_recovery_open(path, &recovery, NULL) != CPTRACE_OK)
        return;
    cptrace_recovery_end_cut(recovery, NULL);
    cptrace_recovery_close(recovery);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[1 << 20];
    static struct image image;
    uint8_t fixed[6];
    take(&data, &size, sizeof fixed, fixed);
    struct cptrace_ring_file *const head = (struct cptrace_ring_file *)file;
    *head = (struct cptrace_ring_file){.magic = CPTRACE_RING_FILE_MAGIC, .state = CPTRACE_RING_FILE_RECORDING, .trace_name = "t.cptrace"};
    head->begun_bytes = load_u16(fixed + 1);
    head->max_depth = fixed[3];
    head->min_call_ticks = load_u16(fixed + 4);

    static const uint32_t file_id = 0xC0FFEE01; /* of the seeds */
    head->file_id = file_id;
    size_t length = sizeof *head;
    if (fixed[0] & 2) {
        head->checkpoint_offset = length;
        length = put_checkpoint(file, length, file_id, &data, &size);
    }
    uint8_t ring_count;
    take(&data, &size, 1, &ring_count);
    for (ring_count &= 3; ring_count > 0; ring_count--)
        length = put_ring(file, length, file_id, &data, &size);

    image_build(&image, data, size);
    const size_t spooled = fixed[0] & 1 ? image.length : 0;
    if (spooled > CPTRACE_RING_FILE_SPOOL_BYTES)
        return 0;
    memcpy(head->spool, image.bytes, spooled);
    head->spool_bytes = spooled;
    image_save("t.cptrace.part", image.bytes, spooled ? 0 : image.length);
    const char *const path = image_save(".callprofiler-1-1.ring", file, length);
    read_all(path);
    end_cut(path);
    return 0;
}

#include "ring_image.h"

#include <stdlib.h>
#include <string.h>

#include "byte_buffer.h"
#include "error.h"

/* No recorder makes larger ones. */
#define RING_SLOTS_MAX (1u << 20)
#define CHECKPOINT_BYTES_MAX (256u << 20)
#define RINGS_BYTES_MAX (512u << 20)

static enum cptrace_status corrupt(struct cptrace_error *error, uint64_t offset, const char *what)
{
    return cptrace_error_set(error, CPTRACE_CORRUPT, offset, "ring file: %s", what);
}

/* OK, TRUNCATED or IO_ERROR. */
static enum cptrace_status read_exactly(const struct cptrace_file *file, uint64_t offset, void *to, size_t length,
                                        struct cptrace_error *error)
{
    size_t done = 0;
    while (done < length) {
        const int64_t count = cptrace_file_read_at(file, offset + done, (uint8_t *)to + done, length - done);
        if (count < 0)
            return cptrace_error_system(error, offset, "read", (int)-count);
        if (count == 0)
            return cptrace_error_set(error, CPTRACE_TRUNCATED, offset, "ring file: it ends inside a region");
        done += (size_t)count;
    }
    return CPTRACE_OK;
}

static bool is_plain_name(const char *name)
{
    return name[0] && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strpbrk(name, "/\\");
}

enum cptrace_status cptrace_ring_image_read_head(const struct cptrace_file *file, struct ring_image *image, struct cptrace_error *error)
{
    struct cptrace_ring_file *const head = &image->head;
    image->file_bytes = cptrace_file_size(file);
    const enum cptrace_status status = read_exactly(file, 0, head, sizeof *head, error);
    if (status == CPTRACE_TRUNCATED || (status == CPTRACE_OK && head->magic == 0)) { /* its process died while it made it */
        *head = (struct cptrace_ring_file){.state = CPTRACE_RING_FILE_IDLE};
        return CPTRACE_OK;
    }
    if (status == CPTRACE_OK && head->magic != CPTRACE_RING_FILE_MAGIC)
        return cptrace_error_set(error, CPTRACE_NOT_A_TRACE, 0, "ring file: no signature, or that of another version");
    if (status != CPTRACE_OK)
        return status;
    head->trace_name[sizeof head->trace_name - 1] = 0;
    if (head->spool_bytes > CPTRACE_RING_FILE_SPOOL_BYTES)
        return corrupt(error, 0, "spool: longer than it can be");
    if (head->state == CPTRACE_RING_FILE_RECORDING && !is_plain_name(head->trace_name))
        return corrupt(error, 0, "name of the trace: no plain file name");
    return CPTRACE_OK;
}

/* Keeps the larger of two rings with the same lane. */
static enum cptrace_status keep_ring(struct ring_image *image, struct cptrace_ring *ring, struct cptrace_error *error)
{
    for (size_t i = 0; i < image->ring_count; i++) {
        if (image->rings[i]->lane != ring->lane)
            continue;
        const bool larger = ring->capacity_slots > image->rings[i]->capacity_slots;
        free(larger ? image->rings[i] : ring);
        if (larger)
            image->rings[i] = ring;
        return CPTRACE_OK;
    }
    if (!cptrace_array_reserve(&image->rings, &image->ring_capacity, image->ring_count + 1, sizeof(struct cptrace_ring *))) {
        free(ring);
        return cptrace_error_no_memory(error, 0);
    }
    image->rings[image->ring_count++] = ring;
    return CPTRACE_OK;
}

static enum cptrace_status read_ring(const struct cptrace_file *file, uint64_t offset, uint64_t bytes, struct ring_image *image,
                                     struct cptrace_error *error)
{
    struct cptrace_ring *const ring = malloc((size_t)bytes);
    if (!ring)
        return cptrace_error_no_memory(error, offset);
    const enum cptrace_status status = read_exactly(file, offset, ring, (size_t)bytes, error);
    if (status != CPTRACE_OK) {
        free(ring);
        return status;
    }
    atomic_store(&ring->tail, 0);
    return keep_ring(image, ring, error);
}

static enum cptrace_status read_checkpoint(const struct cptrace_file *file, uint64_t offset, const struct cptrace_ring *region,
                                           struct ring_image *image, struct cptrace_error *error)
{
    const uint64_t bytes = region->head;
    if (bytes == 0 || bytes > region->capacity_slots * sizeof(struct cptrace_ring_slot) || bytes > CHECKPOINT_BYTES_MAX ||
        image->checkpoint)
        return corrupt(error, offset, "checkpoint: no valid length");
    image->checkpoint = malloc((size_t)bytes);
    image->checkpoint_bytes = (size_t)bytes;
    if (!image->checkpoint)
        return cptrace_error_no_memory(error, offset);
    return read_exactly(file, offset + CPTRACE_RING_HEADER_BYTES, image->checkpoint, (size_t)bytes, error);
}

enum cptrace_status cptrace_ring_image_read_regions(const struct cptrace_file *file, struct ring_image *image, struct cptrace_error *error)
{
    if (image->head.checkpoint_offset == CPTRACE_NO_CHECKPOINT)
        return corrupt(error, 0, "there was no room for a checkpoint");
    enum cptrace_status status = CPTRACE_OK;
    struct cptrace_ring *const region = malloc(sizeof *region);
    if (!region)
        return cptrace_error_no_memory(error, 0);
    const int64_t file_bytes = cptrace_file_size(file);
    if (file_bytes < image->file_bytes)
        status = cptrace_error_set(error, CPTRACE_TRUNCATED, 0, "ring file: it became shorter");
    uint64_t offset = CPTRACE_RING_FILE_HEAD_BYTES, rings_bytes = 0, bytes;
    for (; status == CPTRACE_OK && offset < (uint64_t)file_bytes; offset += bytes) {
        status = read_exactly(file, offset, region, sizeof *region, error);
        if (status != CPTRACE_OK || region->capacity_slots == 0)
            break;
        const uint64_t slots = region->capacity_slots;
        const bool counts = region->file_id == image->head.file_id;
        const bool is_ring = counts && region->magic == CPTRACE_RING_MAGIC;
        if (slots > CHECKPOINT_BYTES_MAX / 16 || (is_ring && (slots > RING_SLOTS_MAX || (slots & (slots - 1))))) {
            status = corrupt(error, offset, "region: no valid capacity");
            break;
        }
        bytes = CPTRACE_RING_HEADER_BYTES + slots * sizeof(struct cptrace_ring_slot);
        if (is_ring && (rings_bytes += bytes) > RINGS_BYTES_MAX)
            status = corrupt(error, offset, "more rings than any run has");
        else if (is_ring)
            status = read_ring(file, offset, bytes, image, error);
        else if (counts && region->magic == CPTRACE_CHECKPOINT_MAGIC && offset == image->head.checkpoint_offset)
            status = read_checkpoint(file, offset, region, image, error);
    }
    free(region);
    if (status == CPTRACE_OK && image->head.checkpoint_offset && !image->checkpoint)
        status = corrupt(error, image->head.checkpoint_offset, "no checkpoint where its head says");
    return status;
}

void cptrace_ring_image_free(struct ring_image *image)
{
    for (size_t i = 0; i < image->ring_count; i++)
        free(image->rings[i]);
    free(image->rings);
    free(image->checkpoint);
    *image = (struct ring_image){0};
}

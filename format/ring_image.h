/* A ring file (cptrace/ring_file.h) as its process left it, taken into memory. Nothing in it is trusted. */
#ifndef CPTRACE_RING_IMAGE_H
#define CPTRACE_RING_IMAGE_H

#include "cptrace/ring.h"
#include "cptrace/ring_file.h"
#include "file.h"

struct ring_image {
    struct cptrace_ring_file head; /* its name is NUL-terminated, and a plain file name; its counts are within bounds */
    int64_t file_bytes;            /* when the head was read */
    struct cptrace_ring **rings;   /* of the run, one per lane; tail is 0: where to begin, the checkpoint says */
    size_t ring_count, ring_capacity;
    uint8_t *checkpoint; /* NULL: none yet */
    size_t checkpoint_bytes;
};

/* The head alone. NOT_A_TRACE: it is no ring file. Zero image first. */
enum cptrace_status cptrace_ring_image_read_head(const struct cptrace_file *file, struct ring_image *image, struct cptrace_error *error);
/* Then the regions. */
enum cptrace_status cptrace_ring_image_read_regions(const struct cptrace_file *file, struct ring_image *image, struct cptrace_error *error);
void cptrace_ring_image_free(struct ring_image *image);

#endif

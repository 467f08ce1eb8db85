/* What a run left, as files: which belong together, whether their process is still there, and how much of the trace was written. recovery.c
 * makes the rest of it. */
#ifndef CPTRACE_LEFTOVER_H
#define CPTRACE_LEFTOVER_H

#include "byte_buffer.h"
#include "cptrace/recovery.h"
#include "ring_image.h"

struct cptrace_recovery {
    char *folder;                /* with its slash, or empty */
    char *ring_path, *part_path; /* NULL: not there */
    char *trace_path;
    struct cptrace_file *ring, *part; /* open while it lives */
    struct ring_image image;
    enum cptrace_leftover kind;
    uint64_t written_bytes;  /* of the spool or part: what counts of them */
    struct byte_buffer rest; /* what comes after them */
    bool is_whole;           /* what was written has its end and index */
    char trouble[240];
};

/* Finds the other file that belongs to the one at the path, and sets all but rest and trouble. recovery->folder is set. */
enum cptrace_status cptrace_leftover_find(struct cptrace_recovery *recovery, const char *path, struct cptrace_error *error);
void cptrace_leftover_close(struct cptrace_recovery *recovery);

/* What was written stands in the spool of the ring file, not in the part. */
static inline bool leftover_is_spooled(const struct cptrace_recovery *recovery)
{
    return recovery->ring && recovery->image.head.spool_bytes > 0;
}

#endif

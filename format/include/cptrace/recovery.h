/* What a run leaves when its process dies before the run has ended: a ring file (ring_file.h), and a `.part` file once a part of the trace
 * has been written. SPEC.md 10. Reading them gives every event that the run had recorded.
 *
 * cptrace_reader_open reads both kinds of path as an ordinary trace; this header is for whoever puts such folders in order. */
#ifndef CPTRACE_RECOVERY_H
#define CPTRACE_RECOVERY_H

#include <stdbool.h>
#include <stddef.h>

#include "cptrace/cptrace.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cptrace_recovery;

enum cptrace_leftover {
    CPTRACE_LEFTOVER_CUT = 1,  /* a `.part` without a ring file: what was written is all there is */
    CPTRACE_LEFTOVER_RUN = 2,  /* a ring file, with the part if there is one: nothing is lost */
    CPTRACE_LEFTOVER_IDLE = 3, /* a ring file that holds no run, or one whose trace was saved */
    CPTRACE_LEFTOVER_LIVE = 4, /* its process is still there: what was written so far */
};

/* Opens a ring file or a `.part`, looks for the other one beside it, and makes the rest of the trace from the rings. NOT_A_TRACE: it is
 * neither. On failure *recovery is NULL. While it is open nobody else takes the ring file for a leftover. */
enum cptrace_status cptrace_recovery_open(const char *path, struct cptrace_recovery **recovery, struct cptrace_error *error);
void cptrace_recovery_close(struct cptrace_recovery *recovery); /* NULL is fine */

enum cptrace_leftover cptrace_recovery_kind(const struct cptrace_recovery *recovery);
uint64_t cptrace_recovery_process_id(const struct cptrace_recovery *recovery); /* 0: not known */
/* Where the trace would have been, and what there is now; NULL: no such file. Owned by the recovery. */
const char *cptrace_recovery_trace_path(const struct cptrace_recovery *recovery);
const char *cptrace_recovery_part_path(const struct cptrace_recovery *recovery);
const char *cptrace_recovery_ring_path(const struct cptrace_recovery *recovery);

/* What of it could not be had, or NULL; owned by the recovery. */
const char *cptrace_recovery_trouble(const struct cptrace_recovery *recovery);
/* Before its files are removed. false: somebody else is reading the ring file, too. */
bool cptrace_recovery_claim(struct cptrace_recovery *recovery);

/* Gives a trace that is cut (see kind, and trouble) its end and index. IO_ERROR, NO_MEMORY. */
enum cptrace_status cptrace_recovery_end_cut(struct cptrace_recovery *recovery, struct cptrace_error *error);

/* The bytes of the trace: read returns how many it read at the offset (0 at the end), or -errno. */
int64_t cptrace_recovery_read(const struct cptrace_recovery *recovery, uint64_t offset, void *buffer, size_t capacity);

/* Whether a path has the name of a ring file or a part. */
bool cptrace_may_be_leftover(const char *path);

/* Calls visit with the path of each ring file in the folder, then with that of each part that is still there; stops when it returns false.
 * IO_ERROR: the folder cannot be read. */
enum cptrace_status cptrace_leftovers_visit(const char *folder, bool (*visit)(void *context, const char *path), void *context,
                                            struct cptrace_error *error);

#ifdef __cplusplus
}
#endif
#endif

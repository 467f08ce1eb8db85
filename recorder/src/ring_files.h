/* Ring files (cptrace/ring_file.h) and the regions in them. The process keeps a few per folder, ready for its next runs: creating,
 * reserving and removing a file costs several times what else a short run costs. Any thread. */
#ifndef REC_RING_FILES_H
#define REC_RING_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "cptrace/ring.h"
#include "cptrace/ring_file.h"

#define REC_FIRST_RING_SLOTS 4096 /* 64 KiB: all that most runs need */

struct rec_region {
    struct rec_region *next;
    struct cptrace_ring *ring;
    uint64_t offset, bytes; /* in the file */
};

struct rec_ring_file {
    struct rec_ring_file *next;
    char *folder, *path; /* owned */
    int file;
    struct cptrace_ring_file *head;
    uint64_t bytes;
    struct rec_region *first;                          /* of REC_FIRST_RING_SLOTS; stays with the file */
    struct rec_region *spare;                          /* free for another lane of the run */
    struct rec_region *checkpoint, *checkpoint_before; /* the one that counts, and the one that did; NULL: none yet */
};

/* A file for one run, locked and with its first region spare; the folder is made when it is missing. 0 or an errno value; *path_tried
 * (owned by the caller, may be NULL) says where it went wrong. */
int rec_ring_file_take(const char *folder, struct rec_ring_file **file, char **path_tried);

/* Of the run that comes: it has an empty spool. The name may change until its trace has one. */
void rec_ring_file_prepare(struct rec_ring_file *file, uint32_t file_id, const char *trace_path);
void rec_ring_file_rename(struct rec_ring_file *file, const char *trace_path);

/* Header and info are written, so many bytes: from here on a reader of the file finds a run in it. */
void rec_ring_file_begin(struct rec_ring_file *file, uint64_t begun_bytes, const struct cptrace_transcoder_options *options);

/* From here on this checkpoint counts, and what was read from the rings before it may be overwritten. Without room for one the run goes on,
 * but its rings are of no use if the process dies before the next. bytes NULL: there is none. With the run's mutex. */
void rec_ring_file_put_checkpoint(struct rec_ring_file *file, const uint8_t *bytes, uint64_t length);
/* Whether the rings, and what was written of the trace, are together what was recorded. */
bool rec_ring_file_is_recoverable(const struct rec_ring_file *file);

/* The run is over: the file is kept for another, or removed when enough are kept. */
void rec_ring_file_give_back(struct rec_ring_file *file);

/* The run could not be saved: the file stays on disk as it is, for whoever recovers it. */
void rec_ring_file_abandon(struct rec_ring_file *file);

/* The run is over, but some thread may still write into it: the name goes now, the mappings with rec_ring_file_abandon. */
void rec_ring_file_retire(struct rec_ring_file *file);

void rec_ring_files_remove_idle(void);
void rec_ring_files_forget_after_fork(void); /* they are the parent's */
void rec_ring_file_forget_after_fork(struct rec_ring_file *file);

/* Appends to the spool; false when it does not fit. Any thread that holds the run's mutex. */
bool rec_ring_file_spool(struct rec_ring_file *file, const void *bytes, uint64_t length);

/* A region with room for slot_count slots: a spare one, or a new one at the end of the file. With the run's mutex. 0 or an errno value. */
int rec_ring_file_region(struct rec_ring_file *file, uint64_t slot_count, struct rec_region **region);
void rec_ring_file_release_region(struct rec_ring_file *file, struct rec_region *region);

#endif

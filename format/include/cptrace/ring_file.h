/* The file in which rings lie (MAP_SHARED, so that the kernel keeps it when the process is killed): a head of four pages, then regions.
 * A process keeps such files and uses them again from run to run, since making one costs more than a short run does.
 *
 * The head says which run the rings belong to, and holds the first bytes of its trace for as long as there is no `.part` file: a run that
 * fits there creates no other file before it ends. The file is locked (flock) by its process: a lock that can be had means that the process
 * is gone.
 *
 * A region has the header of a ring (ring.h) and lies behind the one before; one with no capacity, or the end of the file, ends them. It
 * counts when its file id is that of the head, and its magic says as what: a ring, or a checkpoint, whose bytes stand where slots would,
 * with their number in `head`. Of two rings with the same lane the larger one counts.
 *
 * Each time the drainer has written what it took from the rings, it puts a checkpoint: what it knows (function numbers, stacks, frames),
 * how many bytes the trace had then, and up to which slot each ring was read. One store, to checkpoint_offset, makes it the one that
 * counts; only then are slots released. So at any moment the run is: the trace up to that length, and the rings from those slots on
 * (recovery.h).
 *
 * The ring file is for the same machine and version; it is not an archive. */
#ifndef CPTRACE_RING_FILE_H
#define CPTRACE_RING_FILE_H

#include <stdatomic.h>
#include <stdint.h>

#define CPTRACE_RING_FILE_PREFIX ".callprofiler-" /* <prefix><pid>-<n><suffix> */
#define CPTRACE_RING_FILE_SUFFIX ".ring"
#define CPTRACE_PART_SUFFIX ".part" /* behind the name of the trace */

#define CPTRACE_RING_FILE_MAGIC UINT64_C(0x34454c4946525043) /* "CPRFILE4" */
#define CPTRACE_RING_FILE_HEAD_BYTES 16384
#define CPTRACE_RING_FILE_SPOOL_BYTES (CPTRACE_RING_FILE_HEAD_BYTES - 512)
#define CPTRACE_RING_FILE_NAME_MAX 440

#define CPTRACE_NO_CHECKPOINT 1 /* as its offset: there was no room for one, and slots were released all the same */
#define CPTRACE_CHECKPOINT_MAGIC UINT64_C(0x314b434548435043) /* "CPCHECK1" */

enum cptrace_ring_file_state {
    CPTRACE_RING_FILE_IDLE = 0,      /* kept for the next run; holds nothing */
    CPTRACE_RING_FILE_RECORDING = 1, /* in use: header and info of the trace are written */
};

struct cptrace_ring_file {
    uint64_t magic;
    uint32_t file_id;       /* of the trace */
    _Atomic uint32_t state; /* enum cptrace_ring_file_state */
    uint64_t process_id;
    _Atomic uint64_t spool_bytes;                /* 0 again once the `.part` file has them */
    char trace_name[CPTRACE_RING_FILE_NAME_MAX]; /* of the trace beside this file; `<trace_name>.part` holds what was drained.
                                                    NUL-terminated */
    _Atomic uint64_t checkpoint_offset;          /* of the region of the checkpoint that counts; 0: none yet */
    uint64_t begun_bytes;                        /* before the first checkpoint: how many bytes of the trace count */
    uint64_t min_call_ticks;                     /* struct cptrace_transcoder_options of the run */
    uint32_t max_depth;
    uint32_t unused_1;
    uint8_t unused_2[8];
    uint8_t spool[CPTRACE_RING_FILE_SPOOL_BYTES];
};
_Static_assert(sizeof(struct cptrace_ring_file) == CPTRACE_RING_FILE_HEAD_BYTES, "the first region starts on a page of its own");

#endif

/* The file in which rings lie (MAP_SHARED, so that the kernel keeps it when the process is killed): a head of four pages, then one region
 * per ring (ring.h). A process keeps such files and uses them again from run to run, since making one costs more than a short run does.
 *
 * The head says which run the rings belong to, and holds the first bytes of its trace for as long as there is no `.part` file: a run that
 * fits there creates no other file before it ends. What a killed run leaves is thus: the `.part` file if there is one, else the spool, and
 * the events in the rings. The file is locked (flock) by its process: a lock that can be had means that the process is gone.
 *
 * The ring file is for the same machine and version; it is not an archive. */
#ifndef CPTRACE_RING_FILE_H
#define CPTRACE_RING_FILE_H

#include <stdatomic.h>
#include <stdint.h>

#define CPTRACE_RING_FILE_MAGIC UINT64_C(0x32454c4946525043) /* "CPRFILE2" */
#define CPTRACE_RING_FILE_HEAD_BYTES 16384
#define CPTRACE_RING_FILE_SPOOL_BYTES (CPTRACE_RING_FILE_HEAD_BYTES - 512)
#define CPTRACE_RING_FILE_NAME_MAX 448

enum cptrace_ring_file_state {
    CPTRACE_RING_FILE_IDLE = 0,      /* kept for the next run; holds nothing */
    CPTRACE_RING_FILE_RECORDING = 1, /* in use */
};

struct cptrace_ring_file {
    uint64_t magic;
    uint32_t file_id;       /* of the trace */
    _Atomic uint32_t state; /* enum cptrace_ring_file_state */
    uint64_t process_id;
    _Atomic uint64_t spool_bytes;                /* 0 again once the `.part` file has them */
    char trace_name[CPTRACE_RING_FILE_NAME_MAX]; /* of the trace beside this file; `<trace_name>.part` holds what was drained.
                                                    NUL-terminated */
    uint8_t unused[32];
    uint8_t spool[CPTRACE_RING_FILE_SPOOL_BYTES];
};
_Static_assert(sizeof(struct cptrace_ring_file) == CPTRACE_RING_FILE_HEAD_BYTES, "the first region starts on a page of its own");

#endif

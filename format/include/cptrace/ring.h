/* The ring: where a recording thread puts its events before they become blocks. It lies in a MAP_SHARED file beside the trace, so that what
 * was recorded outlives the process. One producer (the thread), one consumer at a time (the drainer, or the thread itself when it helps).
 *
 * A region is one page of header, then capacity slots of 16 bytes; head and tail count slots from the start of the run and never wrap.
 *
 *     slot:  | tick, 64 bits | operand, 56 bits | op, 8 bits |
 *
 * START, RESUME and THROW take a second slot, whose tick field holds the frame's address; DEFINE is followed by its bytes. */
#ifndef CPTRACE_RING_H
#define CPTRACE_RING_H

#include <stdatomic.h>
#include <stddef.h>

#include "cptrace/writer.h"

#ifdef __cplusplus
extern "C" {
#endif

enum cptrace_ring_op {
    CPTRACE_RING_CALL = 1, /* operand of all but DEFINE: the process-wide function number */
    CPTRACE_RING_RETURN = 2,
    CPTRACE_RING_UNWIND = 3,
    CPTRACE_RING_SUSPEND = 4,
    CPTRACE_RING_START = 5,  /* + frame address */
    CPTRACE_RING_RESUME = 6, /* + frame address */
    CPTRACE_RING_THROW = 7,  /* + frame address: resumed by an exception */
    CPTRACE_RING_DEFINE = 8, /* operand: byte length of the struct cptrace_ring_function that follows */
};

struct cptrace_ring_slot {
    uint64_t tick;
    uint64_t word; /* operand << 8 | enum cptrace_ring_op */
};

#define CPTRACE_RING_HEADER_BYTES 4096
#define CPTRACE_RING_MAGIC UINT64_C(0x31474e4952545043) /* "CPTRING1" */
#define CPTRACE_RING_NAME_MAX 64

struct cptrace_ring {
    uint64_t magic;
    uint32_t file_id; /* of the trace */
    uint32_t lane;    /* numbered in the order in which threads joined the run */
    uint64_t os_thread_id;
    uint64_t capacity_slots;                 /* a power of two */
    char thread_name[CPTRACE_RING_NAME_MAX]; /* NUL-terminated UTF-8 */
    uint8_t unused_1[160];
    _Atomic uint64_t head; /* slots produced; stored after the slots themselves. Alone on its cache line */
    uint8_t unused_2[248];
    _Atomic uint64_t tail; /* slots released: their events are in the file */
    uint8_t unused_3[CPTRACE_RING_HEADER_BYTES - 520];
};
_Static_assert(sizeof(struct cptrace_ring) == CPTRACE_RING_HEADER_BYTES, "the slots start on a page of their own");

static inline struct cptrace_ring_slot *cptrace_ring_slots(struct cptrace_ring *ring)
{
    return (struct cptrace_ring_slot *)((char *)ring + CPTRACE_RING_HEADER_BYTES);
}

/* The bytes after DEFINE: this struct, then the four strings one after the other. */
struct cptrace_ring_function {
    uint32_t number; /* process-wide */
    uint32_t line;
    uint64_t file_size_bytes, file_mtime_ns;                                /* 0: unknown */
    uint16_t qualified_name_bytes, module_bytes, library_bytes, path_bytes; /* no path: no file */
    uint8_t category, flags;
    uint8_t reserved[6];
};

/* Turns ring slots into the writer's events for one run: maps process-wide function numbers to the file's, frame addresses to
 * activations, and keeps each lane's stack honest. A return whose function is not on the stack belongs to a call that began
 * before the run: it is ignored. A return that skips open calls ends them too (counted as repaired). */
struct cptrace_transcoder;
struct cptrace_transcoder *cptrace_transcoder_create(struct cptrace_writer *writer); /* NULL: no memory */
void cptrace_transcoder_free(struct cptrace_transcoder *transcoder);

/* Hands all slots that are published and not yet released to the writer. *consumed is the slot number to release once the writer has been
 * flushed, and not before: until then the ring is the only copy that outlives the process.
 * NO_MEMORY, CORRUPT (a slot that makes no sense: only from a damaged ring file) or the writer's sticky status. */
enum cptrace_status cptrace_transcoder_consume(struct cptrace_transcoder *transcoder, struct cptrace_ring *ring, uint64_t *consumed);

static inline void cptrace_ring_release(struct cptrace_ring *ring, uint64_t consumed)
{
    atomic_store_explicit(&ring->tail, consumed, memory_order_release);
}

uint64_t cptrace_transcoder_repaired_count(const struct cptrace_transcoder *transcoder);

#ifdef __cplusplus
}
#endif
#endif

/* The ring: where a recording thread puts its events before they become blocks. It lies in a MAP_SHARED file beside the trace, so that what
 * was recorded outlives the process. One producer (the thread), one consumer at a time (the drainer, or the thread itself when it helps).
 *
 * A region is one page of header, then capacity slots of 16 bytes; head and tail count slots from the start of the run and never wrap.
 *
 *     slot:  | tick, 64 bits | operand, 56 bits | op, 8 bits |
 *
 * START, RESUME, THROW and TASK take a second slot, whose tick field holds the frame's address; CPU takes one for the switches. DEFINE and
 * what has text is followed by its bytes. */
#ifndef CPTRACE_RING_H
#define CPTRACE_RING_H

#include <stdatomic.h>
#include <stddef.h>

#include "cptrace/writer.h"

#ifdef __cplusplus
extern "C" {
#endif

enum cptrace_ring_op {
    CPTRACE_RING_CALL = 1, /* operand of this and those below, unless said otherwise: the process-wide function number */
    CPTRACE_RING_RETURN = 2,
    CPTRACE_RING_UNWIND = 3,
    CPTRACE_RING_SUSPEND = 4,
    CPTRACE_RING_START = 5,           /* + frame address */
    CPTRACE_RING_RESUME = 6,          /* + frame address */
    CPTRACE_RING_THROW = 7,           /* + frame address: resumed by an exception */
    CPTRACE_RING_DEFINE = 8,          /* operand: byte length of the struct cptrace_ring_function that follows */
    CPTRACE_RING_CPU = 9,             /* operand: CPU time of the thread, ns; + its voluntary context switches in the tick field */
    CPTRACE_RING_MARK = 10,           /* operand: byte length of the text that follows */
    CPTRACE_RING_COUNTER = 11,        /* operand: byte length of what follows: the value, f64 little-endian, and the name */
    CPTRACE_RING_ARGUMENTS = 12,      /* operand: byte length of the text that follows. Of the call that was just put */
    CPTRACE_RING_DEFINE_OMITTED = 13, /* as DEFINE, but calls of this function are left out of the file; all their events still come */
    CPTRACE_RING_SPAN_BEGIN = 14,     /* the function was defined with the flag span */
    CPTRACE_RING_SPAN_END = 15,
    CPTRACE_RING_TASK = 16,      /* operand 0; + frame address of the coroutine that a new task will run. Made by the innermost coroutine
                                    or generator that is open on the lane, if any */
    CPTRACE_RING_TASK_NAME = 17, /* operand: byte length of the name that follows. Put right after the START of a task's coroutine */
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
    uint64_t capacity_slots;                 /* a power of two; stays when the region is free */
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

/* The calls that begin in the records from one slot number to another, which must lie between records. */
uint64_t cptrace_ring_call_count(struct cptrace_ring *ring, uint64_t from, uint64_t to);

/* Turns ring slots into the writer's events for one run: maps process-wide function numbers to the file's, frame addresses to
 * activations, and keeps each lane's stack honest. A return whose function is not on the stack belongs to a call that began
 * before the run: it is ignored. A return that skips open calls ends them too (counted as repaired).
 *
 * A span is suspended and resumed together with the coroutine or generator that it stands on. It ends when its end comes, or when all that
 * was begun on it has ended; at the latest with the call that it stands on. */
struct cptrace_transcoder;

/* What is left out of the file; functions defined by DEFINE_OMITTED are, whatever stands here. What is recorded below a left-out call hangs
 * below the nearest recorded one, which gets the count and time of what was left out (SPEC.md 4.3, omitted): so its own time stays exact.
 */
struct cptrace_transcoder_options {
    uint32_t max_depth;      /* recorded calls on a lane's stack; deeper ones are left out, but no spans. 0: no limit */
    uint64_t min_call_ticks; /* plain calls shorter than this are left out, unless something is recorded on them that never is */
};

/* options: NULL: nothing is left out. NULL: no memory. */
struct cptrace_transcoder *cptrace_transcoder_create(struct cptrace_writer *writer, const struct cptrace_transcoder_options *options);
void cptrace_transcoder_free(struct cptrace_transcoder *transcoder);

/* Hands all slots that are published and not yet handed over to the writer. *consumed is the slot number to release once the writer has
 * been flushed and the checkpoint put, and not before: until then the ring is the only copy that outlives the process. A call that may yet
 * turn out too short is held back; the checkpoint has it. NO_MEMORY, CORRUPT (a slot that makes no sense: only from a damaged ring file) or
 * the writer's sticky status. */
enum cptrace_status cptrace_transcoder_consume(struct cptrace_transcoder *transcoder, struct cptrace_ring *ring, uint64_t *consumed);

/* The same for several rings of the run at once, merged by tick: so a generator that goes on in another thread is suspended before it is
 * resumed, whichever ring would have been drained first. Takes what is published when it begins, or about the first slot_limit slots of it
 * (UINT64_MAX: all). consumed has one number per ring. */
enum cptrace_status cptrace_transcoder_consume_all(struct cptrace_transcoder *transcoder, struct cptrace_ring *const *rings,
                                                   size_t ring_count, uint64_t slot_limit, uint64_t *consumed);

static inline void cptrace_ring_release(struct cptrace_ring *ring, uint64_t consumed)
{
    atomic_store_explicit(&ring->tail, consumed, memory_order_release);
}

/* What transcoder and writer know after a flush, for ring_file.h. *bytes are the transcoder's, valid until the next call. NO_MEMORY. */
enum cptrace_status cptrace_transcoder_checkpoint(struct cptrace_transcoder *transcoder, const uint8_t **bytes, size_t *length);

/* Before cptrace_writer_finish: hands over what is still held back, and what open left-out calls took up to end_tick. */
void cptrace_transcoder_finish(struct cptrace_transcoder *transcoder, uint64_t end_tick);

uint64_t cptrace_transcoder_repaired_count(const struct cptrace_transcoder *transcoder);
/* What was left out so far: calls, and ticks in them that are not in recorded calls below them. */
void cptrace_transcoder_omitted(const struct cptrace_transcoder *transcoder, uint64_t *count, uint64_t *ticks);

#ifdef __cplusplus
}
#endif
#endif

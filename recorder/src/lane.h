/* A lane: one thread's part in one run, with the ring that its events go to. The hot path is here. */
#ifndef REC_LANE_H
#define REC_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "cptrace/ring.h"
#include "function.h"

struct rec_region;
struct rec_run;
struct rec_thread;
struct rec_word_cache;

/* A run begins with a small ring (REC_FIRST_RING_SLOTS), which is all that most runs need; the first lanes that fill theirs get a large
 * one. */
#define REC_LARGE_RING_SLOTS 262144 /* 4 MiB */
#define REC_MIDDLE_RING_SLOTS 16384

/* What of a ring is read at once, of a large one, before it is emptied. */
#define REC_READ_SLOTS (REC_LARGE_RING_SLOTS / 8)

/* What a lane does with the events of a function: decided at its first event, since each ring explains itself, in whatever order rings are
 * drained. */
enum rec_treatment {
    REC_NEW = 0,            /* not seen yet */
    REC_PLAIN = 1,          /* recorded; the ring has its definition. The usual case: all that the fast path takes */
    REC_RESUMABLE = 2,      /* so it is, and its calls can be suspended: they carry their frames */
    REC_RECORDED = 3,       /* so it is, but there is more to do: it is a landmark */
    REC_WITH_ARGUMENTS = 4, /* so it is, and calls carry their arguments */
    REC_IGNORED = 5,        /* C code, in a run that wants none */
};

struct rec_lane {
    struct cptrace_ring *ring;
    struct cptrace_ring_slot *slots; /* of the ring */
    uint64_t mask;
    uint64_t limit;               /* head may rise to here before rec_lane_make_room must be asked */
    uint64_t cpu_due_tick;        /* when the next event asks for the thread's CPU time */
    struct rec_word_cache *words; /* of its thread */
    uint64_t word_key;            /* that the words of this lane have */
    uint8_t *treatments;          /* enum rec_treatment, by process-wide function number */
    uint64_t treatment_count;
    struct rec_lane *outer; /* the next run that is recorded on this thread, while this one is on */
    bool is_on;
    bool may_grow;                 /* it has its first, small ring, and the next full one brings a large one */
    atomic_bool is_finished;       /* its thread has ended */
    atomic_bool is_closed;         /* its run is over, and has left it to its thread */
    const void *root_frame;        /* it was switched on by this frame, and goes off with it; NULL: by itself */
    const PyCodeObject *root_code; /* of that frame: the end of other code's frames is not the root's */
    uint64_t switch_count;         /* voluntary context switches, when they were asked for last */
    unsigned coroutine_depth;      /* coroutines on the stack: the first of them is a task's */

    struct rec_run *run;
    struct rec_thread *thread; /* NULL: it has ended */
    struct rec_lane *next_of_run, *next_of_thread;
    uint32_t number;
    struct rec_region *region; /* of the ring file, with the ring */
    uint64_t wake_at_slots;    /* so many in use: the drainer is woken */
    uint64_t read_slots;       /* up to here the drainer has read the ring; not released yet. With the run's mutex */

    bool is_losing;             /* the run takes no more: lost.c */
    struct cptrace_ring *spill; /* then the ring, if there is memory for it; owned */
    uint64_t lost_from;         /* slot of the ring: calls from here on are not in lost_call_count yet */
    uint64_t lost_call_count;
};

/* Makes room for `slots` more: wakes the drainer, drains here when it is late, and never fails: when the run takes no more events (disk
 * full, …) a ring goes round without being drained (lost.h). Returns the head to write at. */
uint64_t rec_lane_make_room(struct rec_lane *lane, uint64_t slot_count);

/* An event of a function that is new here, or not to be treated as usual. True: its arguments are wanted (rec_arguments_put). */
bool rec_lane_put_unusual(struct rec_lane *lane, struct rec_function *function, uint64_t tick, enum cptrace_ring_op op, const void *frame);

uint64_t rec_lane_used_slots(const struct rec_lane *lane);

/* It has another ring from here on. */
void rec_lane_begin_ring(struct rec_lane *lane);

/* Time for the drainer to empty the ring. A first ring is not drained but made larger. */
bool rec_lane_is_due(const struct rec_lane *lane);

/* A record that carries bytes (DEFINE, MARK, …), cut at what a ring can take. */
void rec_lane_put_bytes(struct rec_lane *lane, uint64_t tick, enum cptrace_ring_op op, const void *bytes, uint64_t length);

/* Puts the CPU time that the thread has used until now. */
void rec_lane_put_cpu(struct rec_lane *lane, uint64_t tick);

static inline enum rec_treatment rec_lane_treatment(const struct rec_lane *lane, const struct rec_function *function)
{
    return __builtin_expect(function->number < lane->treatment_count, 1) ? (enum rec_treatment)lane->treatments[function->number] : REC_NEW;
}

/* Recorded by putting the event, and nothing else. */
static inline bool rec_is_recorded(enum rec_treatment treatment) { return treatment >= REC_PLAIN && treatment <= REC_RECORDED; }

/* Whether the ring knows the function: if not, the call that ends now began before the run, or is not wanted. */
static inline bool rec_lane_knows(const struct rec_lane *lane, const struct rec_function *function)
{
    const enum rec_treatment treatment = rec_lane_treatment(lane, function);
    return rec_is_recorded(treatment) || treatment == REC_WITH_ARGUMENTS;
}

/* Where the next slots go, slot_count of them. */
static inline uint64_t rec_lane_head(struct rec_lane *lane, uint64_t slot_count)
{
    const uint64_t head = atomic_load_explicit(&lane->ring->head, memory_order_relaxed);
    return __builtin_expect(head + slot_count > lane->limit, 0) ? rec_lane_make_room(lane, slot_count) : head;
}

/* The drainer's core had these lines last, and has to give them back, which takes long when it is far away. As long as a store waits, no
 * later one leaves the processor's queue, and the program stops when that is full: so each line is asked for ahead. Measured on a virtual
 * machine: up to 25 ns an event at times when its processors seem to lie far apart, nothing at others. One instruction with each event,
 * though a line has four: in real programs nobody can predict whether the head just came to another line, and to ask cost 5 ns an event.
 * Nor does it matter that the last lines of the ring ask for what lies behind it. */
static inline void rec_lane_prefetch_behind(const struct cptrace_ring_slot *slot)
{
    enum { AHEAD_BYTES = 8 * 64 };
#if defined(__x86_64__) && defined(__GNUC__)
    /* What the builtin gives only with -mprfchw; a no-op where it is not known. */
    __asm__ volatile("prefetchw %c1(%0)" : : "r"(slot), "i"(AHEAD_BYTES));
#elif defined(__GNUC__)
    __builtin_prefetch((const void *)((uintptr_t)slot + AHEAD_BYTES), 1);
#else
    (void)slot;
#endif
}

static inline void rec_lane_store(struct rec_lane *lane, uint64_t head, uint64_t tick, uint64_t word)
{
    struct cptrace_ring_slot *const slot = &lane->slots[head & lane->mask];
    rec_lane_prefetch_behind(slot);
    *slot = (struct cptrace_ring_slot){tick, word};
}

static inline void rec_lane_publish(struct rec_lane *lane, uint64_t head)
{
    atomic_store_explicit(&lane->ring->head, head, memory_order_release);
}

static inline void rec_lane_put(struct rec_lane *lane, uint64_t tick, uint64_t word)
{
    if (__builtin_expect(tick >= lane->cpu_due_tick, 0))
        rec_lane_put_cpu(lane, tick);
    const uint64_t head = rec_lane_head(lane, 1);
    rec_lane_store(lane, head, tick, word);
    rec_lane_publish(lane, head + 1);
}

/* With a second slot, which carries a frame's address. */
static inline void rec_lane_put_frame(struct rec_lane *lane, uint64_t tick, uint64_t word, const void *frame)
{
    if (__builtin_expect(tick >= lane->cpu_due_tick, 0))
        rec_lane_put_cpu(lane, tick);
    const uint64_t head = rec_lane_head(lane, 2);
    rec_lane_store(lane, head, tick, word);
    rec_lane_store(lane, head + 1, (uint64_t)(uintptr_t)frame, 0);
    rec_lane_publish(lane, head + 2);
}

#endif

/* The sieve between a lane's stack and its writer: decides which calls are left out of the file, holds back those that may yet turn out too
 * short, and tells of what it left out (SPEC.md 4.3, omitted). A lane without filters has none. */
#ifndef CPTRACE_SIEVE_H
#define CPTRACE_SIEVE_H

#include <stdbool.h>
#include <stddef.h>

#include "cptrace/ring.h"

/* Functions with this bit in their number are not in the file. */
#define FUNCTION_LEFT_OUT UINT32_C(0x80000000)

enum sieve_fate { SIEVE_RECORDED, SIEVE_PENDING, SIEVE_LEFT_OUT };

/* A call on the stack, or the ground below it. */
struct sieve_frame {
    uint64_t start_tick;                   /* of its current slice */
    uint64_t inner_ticks;                  /* of that, in the calls above it */
    uint64_t omitted_count, omitted_ticks; /* left out below it, and not told yet. Never of a frame that is left out itself */
    uint64_t slot;                         /* of a pending call: its place among the events of the lane */
    size_t recorded;                       /* the nearest frame, itself included, that is not left out */
    size_t next_pending;                   /* of a pending call: the next one above it; 0: none */
    uint32_t function;
    uint8_t fate;
    bool counted; /* of a left-out frame: by an earlier slice, or at its start */
};

/* A cpu annotation that came while a call was pending: it goes behind that call, if the call goes anywhere. */
#define SIEVE_CPUS_MAX 4096 /* of them; then the newest takes the place of the last */
struct pending_cpu {
    uint64_t slot, tick, cpu_ns, voluntary_switch_count;
};

struct sieve {
    struct cptrace_lane_writer *writer;
    struct cptrace_transcoder_options options;
    uint64_t now; /* never goes back */
    struct sieve_frame *frames;
    size_t count, capacity;
    size_t first_pending, last_pending; /* frames; 0: none */
    uint32_t recorded_depth;
    struct pending_cpu *cpus;
    size_t cpu_count, cpu_capacity, cpus_written;
    uint64_t omitted_count, omitted_ticks; /* over the run */
};

/* For a lane with so many calls on its stack, all recorded. NULL: no memory. */
struct sieve *cptrace_sieve_create(struct cptrace_lane_writer *writer, const struct cptrace_transcoder_options *options, size_t depth);
void cptrace_sieve_free(struct sieve *sieve); /* NULL is fine */

/* What the lane's stack does. slot: of the event in the ring; rises. false: no memory. */
bool cptrace_sieve_call(struct sieve *sieve, uint64_t tick, uint32_t function, uint64_t slot);
void cptrace_sieve_end(struct sieve *sieve, uint64_t tick, bool unwound);
/* *activation is CPTRACE_NO_NUMBER, and *left_out true, for one that is left out. Spans are left out by function only. */
bool cptrace_sieve_start(struct sieve *sieve, uint64_t tick, uint32_t function, bool span, uint32_t *activation, bool *left_out);
void cptrace_sieve_suspend(struct sieve *sieve, uint64_t tick);
/* *taken: the writer knew the activation as suspended. */
bool cptrace_sieve_resume(struct sieve *sieve, uint64_t tick, uint32_t activation, bool left_out, bool *taken);
bool cptrace_sieve_cpu(struct sieve *sieve, uint64_t tick, uint64_t cpu_ns, uint64_t voluntary_switch_count, uint64_t slot);

/* Whether a new activation of this function would be left out here. */
bool cptrace_sieve_would_leave_out(const struct sieve *sieve, uint32_t function);
bool cptrace_sieve_top_is_left_out(const struct sieve *sieve);

/* Writes all calls that are held back: something comes that is always written. */
void cptrace_sieve_commit(struct sieve *sieve);

/* After a round of draining: tells what was left out so far below the call that is on top in the file. */
void cptrace_sieve_end_round(struct sieve *sieve);
/* What is open stays open; left-out calls among it are told, up to the end tick. Nothing comes after. */
void cptrace_sieve_finish(struct sieve *sieve, uint64_t end_tick);

#endif

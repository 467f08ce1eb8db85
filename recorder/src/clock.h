/* The recorder's clock: ticks of 4 to 8 ns, or as long as the counter's steps are where those are longer; cheap to read, tied to the wall
 * clocks by calibration points. */
#ifndef REC_CLOCK_H
#define REC_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "cptrace/cptrace.h"
#include "linkage.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <x86intrin.h>
#endif

enum rec_clock_source { REC_CLOCK_TSC = 1, REC_CLOCK_CNTVCT, REC_CLOCK_MONOTONIC };

struct rec_clock {
    enum rec_clock_source source;
    uint64_t scale;      /* ticks per count of the counter, times 2^64; not for CLOCK_MONOTONIC */
    double ticks_per_ns; /* about: for intervals that need not be exact */
};
extern REC_OF_THIS_MODULE struct rec_clock rec_clock; /* set once, by rec_clock_choose */

uint64_t rec_clock_monotonic_raw(void);

/* Whether the counter is read by an instruction. */
static inline bool rec_clock_is_fast(void) { return rec_clock.source != REC_CLOCK_MONOTONIC; }

#define REC_CLOCK_MONOTONIC_SHIFT 2 /* nanoseconds to ticks */

/* The counter itself: only where it is read by an instruction. */
static inline uint64_t rec_clock_fast_count(void)
{
#if defined(__x86_64__) || defined(_M_X64)
    return __rdtsc();
#elif defined(__aarch64__)
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#else
    return rec_clock_monotonic_raw();
#endif
}

static inline uint64_t rec_clock_ticks_of_count(uint64_t count)
{
#if defined(_M_X64)
    return __umulh(count, rec_clock.scale);
#elif defined(__SIZEOF_INT128__)
    return (uint64_t)(((unsigned __int128)count * rec_clock.scale) >> 64);
#else
    return count >> REC_CLOCK_MONOTONIC_SHIFT; /* no counter is chosen here */
#endif
}

/* The same in ticks. */
static inline uint64_t rec_clock_fast_ticks(void) { return rec_clock_ticks_of_count(rec_clock_fast_count()); }

static inline uint64_t rec_clock_ticks(void)
{
    return __builtin_expect(rec_clock_is_fast(), 1) ? rec_clock_fast_ticks() : rec_clock_monotonic_raw() >> REC_CLOCK_MONOTONIC_SHIFT;
}

static inline uint64_t rec_clock_ticks_of_ns(uint64_t ns) { return (uint64_t)((double)ns * rec_clock.ticks_per_ns); }

static inline uint64_t rec_clock_ns_of_ticks(uint64_t ticks) { return (uint64_t)((double)ticks / rec_clock.ticks_per_ns); }

/* Chooses the counter and its ticks; takes about 0.3 ms, once. */
void rec_clock_choose(void);
const char *rec_clock_name(void);

/* The tightest of a few readings of tick and wall clocks together. */
struct cptrace_calibration rec_clock_calibrate(void);

/* Nanoseconds per tick, fixed point 32.32, from all the time since rec_clock_choose. */
uint64_t rec_clock_ns_per_tick_q32(void);

#endif

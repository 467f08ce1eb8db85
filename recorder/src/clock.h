/* The recorder's clock: raw ticks of about 4 to 8 ns, cheap to read, tied to the wall clocks by calibration points. */
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
    unsigned shift;      /* raw counter to ticks */
    double ticks_per_ns; /* about: for intervals that need not be exact */
};
extern REC_OF_THIS_MODULE struct rec_clock rec_clock; /* set once, by rec_clock_choose */

uint64_t rec_clock_monotonic_raw(void);

/* Whether the counter is read by an instruction. */
static inline bool rec_clock_is_fast(void) { return rec_clock.source != REC_CLOCK_MONOTONIC; }

/* Only where it is. */
static inline uint64_t rec_clock_fast_ticks(void)
{
#if defined(__x86_64__) || defined(_M_X64)
    return __rdtsc() >> rec_clock.shift;
#elif defined(__aarch64__)
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count >> rec_clock.shift;
#else
    return rec_clock_monotonic_raw() >> rec_clock.shift;
#endif
}

static inline uint64_t rec_clock_ticks(void)
{
    return __builtin_expect(rec_clock_is_fast(), 1) ? rec_clock_fast_ticks() : rec_clock_monotonic_raw() >> rec_clock.shift;
}

static inline uint64_t rec_clock_ticks_of_ns(uint64_t ns) { return (uint64_t)((double)ns * rec_clock.ticks_per_ns); }

static inline uint64_t rec_clock_ns_of_ticks(uint64_t ticks) { return (uint64_t)((double)ticks / rec_clock.ticks_per_ns); }

/* Chooses the counter and its shift; takes about 0.2 ms, once. */
void rec_clock_choose(void);
const char *rec_clock_name(void);

/* The tightest of a few readings of tick and wall clocks together. */
struct cptrace_calibration rec_clock_calibrate(void);

/* Nanoseconds per tick, fixed point 32.32, from all the time since rec_clock_choose. */
uint64_t rec_clock_ns_per_tick_q32(void);

#endif

#include "clock.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

struct rec_clock rec_clock = {.source = REC_CLOCK_MONOTONIC, .shift = 2, .ticks_per_ns = 0.25};

static struct cptrace_calibration first_point;

uint64_t rec_clock_monotonic_raw(void) { return rec_platform_monotonic_ns(); }

#if defined(__x86_64__)
/* Invariant TSC: constant rate in all power states (CPUID 80000007h, EDX bit 8). */
static bool tsc_is_invariant(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && (edx & 1u << 8);
}
#endif

/* CALLPROFILER_CLOCK: "monotonic" where counters are known not to agree, "tsc" where the kernel's doubts are known to be unfounded. */
static void choose_source(void)
{
    const char *wish = getenv("CALLPROFILER_CLOCK");
    rec_clock.source = REC_CLOCK_MONOTONIC;
    if (wish && strcmp(wish, "monotonic") == 0)
        return;
#if defined(__x86_64__)
    if (tsc_is_invariant() && ((wish && strcmp(wish, "tsc") == 0) || rec_platform_trusts_tsc()))
        rec_clock.source = REC_CLOCK_TSC;
#elif defined(__aarch64__)
    rec_clock.source = REC_CLOCK_CNTVCT;
#endif
}

/* The shift that makes a tick at least 4 ns (and less than 8), for a counter of this many nanoseconds a count. */
static unsigned shift_for(double ns_per_count)
{
    unsigned shift = 0;
    while (shift < 8 && ns_per_count * (double)(1u << shift) < 4.0)
        shift++;
    return shift;
}

static double measure_ns_per_tick(uint64_t at_least_ns)
{
    struct cptrace_calibration start = rec_clock_calibrate(), now;
    do
        now = rec_clock_calibrate();
    while (now.monotonic_ns - start.monotonic_ns < at_least_ns || now.ticks == start.ticks);
    return (double)(now.monotonic_ns - start.monotonic_ns) / (double)(now.ticks - start.ticks);
}

void rec_clock_choose(void)
{
    choose_source();
    rec_clock.shift = 0;
    const double ns_per_count = rec_clock.source == REC_CLOCK_MONOTONIC ? 1.0 : measure_ns_per_tick(200000);
    rec_clock.shift = shift_for(ns_per_count);
    rec_clock.ticks_per_ns = 1.0 / (ns_per_count * (double)(1u << rec_clock.shift));
    first_point = rec_clock_calibrate();
}

const char *rec_clock_name(void)
{
    static const char *const names[] = {[REC_CLOCK_TSC] = "tsc", [REC_CLOCK_CNTVCT] = "cntvct", [REC_CLOCK_MONOTONIC] = "monotonic"};
    return names[rec_clock.source];
}

struct cptrace_calibration rec_clock_calibrate(void)
{
    struct cptrace_calibration best = {0};
    uint64_t best_width = UINT64_MAX;
    for (int attempt = 0; attempt < 4; attempt++) {
        uint64_t before = rec_clock_ticks();
        uint64_t monotonic_ns = rec_platform_monotonic_ns();
        uint64_t after = rec_clock_ticks();
        uint64_t utc_ns = rec_platform_utc_ns();
        if (after - before < best_width) {
            best_width = after - before;
            best = (struct cptrace_calibration){before + (after - before) / 2, monotonic_ns, utc_ns};
        }
    }
    return best;
}

uint64_t rec_clock_ns_per_tick_q32(void)
{
    struct cptrace_calibration now = rec_clock_calibrate();
    double ns_per_tick = now.monotonic_ns - first_point.monotonic_ns > 1000000
                             ? (double)(now.monotonic_ns - first_point.monotonic_ns) / (double)(now.ticks - first_point.ticks)
                             : measure_ns_per_tick(1000000);
    return (uint64_t)(ns_per_tick * 4294967296.0);
}

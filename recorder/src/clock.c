#include "clock.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "counter_step.h"
#include "platform.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define TICK_NS_MIN 4.0
#define STEP_READINGS 1024u

struct rec_clock rec_clock = {.source = REC_CLOCK_MONOTONIC, .ticks_per_ns = 1.0 / (1 << REC_CLOCK_MONOTONIC_SHIFT)};

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

/* How far the counter goes up at once. Something else lies between readings each time. */
static double measure_step(void)
{
    uint64_t readings[STEP_READINGS];
    for (uint32_t i = 0; i < STEP_READINGS; i++) {
        readings[i] = rec_clock_fast_count();
        for (volatile uint32_t spin = i * 7 % 11; spin > 0; spin--)
            ;
    }
    return rec_counter_step(readings, STEP_READINGS);
}

static double measure_ns_per_tick(uint64_t at_least_ns)
{
    struct cptrace_calibration start = rec_clock_calibrate(), now;
    do
        now = rec_clock_calibrate();
    while (now.monotonic_ns - start.monotonic_ns < at_least_ns || now.ticks == start.ticks);
    return (double)(now.monotonic_ns - start.monotonic_ns) / (double)(now.ticks - start.ticks);
}

/* As rec_clock.scale has it. A tick of one count is one of 1 + 2^-64: all ticks are one less, and as far apart. */
static uint64_t scale_of(double counts_per_tick)
{
    const double scale = 18446744073709551616.0 / counts_per_tick;
    return scale < 18446744073709551616.0 ? (uint64_t)scale : UINT64_MAX;
}

/* The shortest tick of at least TICK_NS_MIN that is the counter's step, or that doubled again and again. */
static void choose_ticks(void)
{
    rec_clock.scale = scale_of(1);
    const double ns_per_count = measure_ns_per_tick(200000);
    double counts_per_tick = measure_step();
    while (ns_per_count * counts_per_tick < TICK_NS_MIN)
        counts_per_tick *= 2;
    rec_clock.scale = scale_of(counts_per_tick);
    rec_clock.ticks_per_ns = 1.0 / (ns_per_count * counts_per_tick);
}

void rec_clock_choose(void)
{
    choose_source();
    if (rec_clock_is_fast())
        choose_ticks();
    else
        rec_clock.ticks_per_ns = 1.0 / (1 << REC_CLOCK_MONOTONIC_SHIFT);
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

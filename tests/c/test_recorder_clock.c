/* The recorder's clock against the system's. Nothing here depends on how fast or busy the machine is: what may be wrong about a reading is
 * what passed while it was taken, and that is measured with it. */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "clock.h"
#include "counter_step.h"
#include "cptrace/reader.h"
#include "platform.h"

#define MS UINT64_C(1000000)

enum { POINTS = 12, READINGS = 2000, HANDOVERS = 50000 };
#define BETWEEN_POINTS_NS (100 * MS)
/* The system's clock is steered: its rate may change by so much between two points. */
#define STEERING_PPM 20

/* A monotonic time that lies between two ticks. */
struct reading {
    uint64_t before, monotonic_ns, after;
};

static struct reading read_both(void)
{
    struct reading reading;
    reading.before = rec_clock_ticks();
    reading.monotonic_ns = rec_platform_monotonic_ns();
    reading.after = rec_clock_ticks();
    return reading;
}

/* A calibration point, and how many ticks it took: that much it may be off. */
static struct cptrace_calibration calibrate(uint64_t *width_ticks)
{
    const uint64_t before = rec_clock_ticks();
    const struct cptrace_calibration point = rec_clock_calibrate();
    *width_ticks = rec_clock_ticks() - before;
    return point;
}

static void sleep_ns(uint64_t duration_ns)
{
    const struct timespec duration = {(time_t)(duration_ns / 1000000000), (long)(duration_ns % 1000000000)};
    nanosleep(&duration, NULL);
}

static double ns_per_tick(void) { return (double)rec_clock_ns_per_tick_q32() / 4294967296.0; }

static struct cptrace_clock *clock_from(struct cptrace_calibration start)
{
    const struct cptrace_header header = {
        .format_version = 1, .file_id = 1, .ns_per_tick_q32 = rec_clock_ns_per_tick_q32(), .start = start};
    struct cptrace_clock *const clock = cptrace_clock_create(&header);
    cr_assert_not_null(clock);
    return clock;
}

/* Readings all through the time between this point and the next. */
static void take_readings(struct reading *readings, uint64_t until_ns)
{
    for (int i = 0; i < READINGS; i++) {
        readings[i] = read_both();
        if (i % 20 == 19 && readings[i].monotonic_ns < until_ns)
            sleep_ns((until_ns - readings[i].monotonic_ns) / (uint64_t)(1 + (READINGS - i) / 20));
    }
}

static void check_reading(const struct cptrace_clock *clock, const struct reading *reading, uint64_t allowed_ns)
{
    cr_assert_leq(reading->before, reading->after);
    const uint64_t from_ns = cptrace_clock_monotonic_ns(clock, reading->before), to_ns = cptrace_clock_monotonic_ns(clock, reading->after);
    cr_assert(from_ns <= reading->monotonic_ns + allowed_ns && reading->monotonic_ns <= to_ns + allowed_ns,
              "CLOCK_MONOTONIC %llu, converted %llu to %llu, allowed %llu ns", (unsigned long long)reading->monotonic_ns,
              (unsigned long long)from_ns, (unsigned long long)to_ns, (unsigned long long)allowed_ns);
}

static void check_agreement(void)
{
    static struct reading readings[POINTS - 1][READINGS];
    struct cptrace_calibration points[POINTS];
    uint64_t widths[POINTS];
    points[0] = calibrate(&widths[0]);
    for (int i = 1; i < POINTS; i++) {
        take_readings(readings[i - 1], points[i - 1].monotonic_ns + BETWEEN_POINTS_NS);
        points[i] = calibrate(&widths[i]);
    }
    struct cptrace_clock *const clock = clock_from(points[0]);
    for (int i = 1; i < POINTS; i++)
        cr_assert_eq(cptrace_clock_add(clock, points[i]), CPTRACE_OK);
    for (int i = 0; i < POINTS - 1; i++) {
        const uint64_t wider = widths[i] > widths[i + 1] ? widths[i] : widths[i + 1];
        const uint64_t steering_ns = (points[i + 1].monotonic_ns - points[i].monotonic_ns) / 1000000 * STEERING_PPM;
        const uint64_t allowed_ns = (uint64_t)((double)(wider + 2) * ns_per_tick()) + steering_ns;
        for (int k = 0; k < READINGS; k++)
            check_reading(clock, &readings[i][k], allowed_ns);
    }
    cptrace_clock_free(clock);
}

Test(recorder_clock, converted_ticks_agree_with_clock_monotonic)
{
    rec_clock_choose();
    check_agreement();
}

Test(recorder_clock, monotonic_when_asked_for)
{
    setenv("CALLPROFILER_CLOCK", "monotonic", 1);
    rec_clock_choose();
    cr_assert_eq(rec_clock.source, REC_CLOCK_MONOTONIC);
    cr_assert_str_eq(rec_clock_name(), "monotonic");
    for (int i = 0; i < READINGS; i++) {
        const uint64_t before_ns = rec_platform_monotonic_ns();
        const uint64_t ticks = rec_clock_ticks();
        cr_assert(before_ns >> REC_CLOCK_MONOTONIC_SHIFT <= ticks && ticks <= rec_platform_monotonic_ns() >> REC_CLOCK_MONOTONIC_SHIFT);
    }
    cr_assert_float_eq(ns_per_tick(), (double)(1u << REC_CLOCK_MONOTONIC_SHIFT), 0.05);
    check_agreement();
}

Test(recorder_clock, another_wish_changes_nothing)
{
    rec_clock_choose();
    const enum rec_clock_source chosen = rec_clock.source;
    setenv("CALLPROFILER_CLOCK", "sundial", 1);
    rec_clock_choose();
    cr_assert_eq(rec_clock.source, chosen);
}

Test(recorder_clock, nominal_tick_is_right_within_a_hundredth)
{
    rec_clock_choose();
    const double at_once = ns_per_tick();
    uint64_t start_width, end_width;
    const struct cptrace_calibration start = calibrate(&start_width);
    sleep_ns(300 * MS);
    const struct cptrace_calibration end = calibrate(&end_width);
    const double ticks = (double)(end.ticks - start.ticks);
    const double measured = (double)(end.monotonic_ns - start.monotonic_ns) / ticks;
    const double allowed = measured * (0.01 + (double)(start_width + end_width) / ticks);
    cr_assert_float_eq(at_once, measured, allowed, "%f at once, %f later", at_once, measured);
    cr_assert_float_eq(ns_per_tick(), measured, allowed);
}

Test(recorder_clock, tick_is_four_to_eight_nanoseconds_or_a_step_of_the_counter)
{
    enum { STEP_READINGS = 4000 };
    rec_clock_choose();
    const double tick_ns = ns_per_tick();
    cr_assert_geq(tick_ns, 3.9);
    if (tick_ns <= 8.1)
        return;
    static uint64_t readings[STEP_READINGS];
    for (uint32_t i = 0; i < STEP_READINGS; i++) {
        readings[i] = rec_clock_fast_count();
        for (volatile uint32_t spin = i % 13; spin > 0; spin--)
            ;
    }
    const double counts_per_tick = 18446744073709551616.0 / (double)rec_clock.scale;
    cr_assert_float_eq(counts_per_tick, rec_counter_step(readings, STEP_READINGS), counts_per_tick / 1000);
}

/* ---- from CPU to CPU ---- */

#ifdef __linux__

/* The last tick that anybody read, and whose turn it is. */
static _Atomic uint64_t last_tick;
static _Atomic uint64_t handover_count;
static atomic_bool is_over;
static uint64_t backwards_count, most_backwards;

/* The counter may be read ahead of earlier loads; not so behind this. */
static uint64_t ordered_ticks(void)
{
#if defined(__x86_64__)
    __builtin_ia32_lfence();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
    const uint64_t ticks = rec_clock_ticks();
#if defined(__x86_64__)
    __builtin_ia32_lfence();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
    return ticks;
}

struct runner {
    pthread_t thread;
    int cpu;
    uint64_t turn; /* 0 or 1 */
};

static void *run_in_turn(void *argument)
{
    const struct runner *const runner = argument;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(runner->cpu, &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) {
        atomic_store(&is_over, true);
        return NULL;
    }
    while (!atomic_load(&is_over)) {
        if (atomic_load(&handover_count) % 2 != runner->turn) {
            sched_yield();
            continue;
        }
        const uint64_t ticks = ordered_ticks(), before = atomic_load(&last_tick);
        if (ticks < before) { /* only the one whose turn it is writes */
            backwards_count++;
            most_backwards = before - ticks > most_backwards ? before - ticks : most_backwards;
        }
        atomic_store(&last_tick, ticks);
        atomic_fetch_add(&handover_count, 1);
    }
    return NULL;
}

static void pass_between(int cpu, int other_cpu)
{
    struct runner runners[2] = {{.cpu = cpu, .turn = 0}, {.cpu = other_cpu, .turn = 1}};
    atomic_store(&handover_count, 0);
    atomic_store(&is_over, false);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&runners[i].thread, NULL, run_in_turn, &runners[i]), 0);
    for (int ms = 0; ms < 500 && atomic_load(&handover_count) < HANDOVERS && !atomic_load(&is_over); ms += 5)
        sleep_ns(5 * MS);
    atomic_store(&is_over, true);
    for (int i = 0; i < 2; i++)
        pthread_join(runners[i].thread, NULL);
}

Test(recorder_clock, never_runs_backwards_from_cpu_to_cpu)
{
    cpu_set_t allowed;
    cr_assert_eq(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    if (CPU_COUNT(&allowed) < 2)
        cr_skip_test("one CPU");
    rec_clock_choose();
    int first_cpu = -1, pairs = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && pairs < 4; cpu++) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        if (first_cpu >= 0) {
            pass_between(first_cpu, cpu);
            pairs++;
        } else
            first_cpu = cpu;
    }
    cr_assert_eq(backwards_count, 0, "%llu times, by up to %llu ticks", (unsigned long long)backwards_count,
                 (unsigned long long)most_backwards);
}

#endif

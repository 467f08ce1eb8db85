/* SPEC.md 8 on a machine that was suspended in the middle of a run: CLOCK_MONOTONIC stands still, the counter goes on or starts again. */
#include <criterion/criterion.h>

#include "cptrace/reader.h"

#define MS UINT64_C(1000000)
#define START_NS (1000 * MS)
#define START_UTC_NS UINT64_C(1700000000000000000)

/* Ticks of 8 ns from 1000 ms on: tick 0 of the run is 125 000 000. */
static const struct cptrace_header header = {
    .format_version = 1,
    .file_id = 1,
    .ns_per_tick_q32 = UINT64_C(8) << 32,
    .start = {125000000, START_NS, START_UTC_NS},
};

static uint64_t tick_at_ms(uint64_t ms) { return ms * MS / 8; }

static struct cptrace_calibration point(uint64_t ticks, uint64_t monotonic_ms, uint64_t utc_ms)
{
    return (struct cptrace_calibration){ticks, monotonic_ms * MS, START_UTC_NS + utc_ms * MS};
}

static struct cptrace_clock *clock_with(const struct cptrace_calibration *points, size_t count)
{
    struct cptrace_clock *const clock = cptrace_clock_create(&header);
    cr_assert_not_null(clock);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(cptrace_clock_add(clock, points[i]), CPTRACE_OK);
    return clock;
}

static void check_rises(const struct cptrace_clock *clock, uint64_t from_tick, uint64_t to_tick)
{
    uint64_t before = 0;
    const uint64_t step = (to_tick - from_tick) / 4999 + 1;
    for (uint64_t tick = from_tick; tick <= to_tick; tick += step) {
        const uint64_t now = cptrace_clock_monotonic_ns(clock, tick);
        cr_assert_geq(now, before, "tick %llu", (unsigned long long)tick);
        before = now;
    }
}

/* Asleep for an hour between the second and the third point; the counter went on, CLOCK_MONOTONIC only from 1200 to 1203 ms. */
static const uint64_t hour_ms = 3600 * UINT64_C(1000);

Test(clock_suspend, counter_goes_on_while_monotonic_stands_still)
{
    const struct cptrace_calibration points[] = {
        point(tick_at_ms(1200), 1200, 200),
        point(tick_at_ms(1203 + hour_ms), 1203, 203 + hour_ms),
        point(tick_at_ms(1500 + hour_ms), 1500, 500 + hour_ms),
    };
    struct cptrace_clock *const clock = clock_with(points, 3);
    check_rises(clock, tick_at_ms(900), tick_at_ms(1700 + hour_ms));
    for (uint64_t ms = 1000; ms <= 1200; ms += 20) /* before: exact */
        cr_assert_eq(cptrace_clock_monotonic_ns(clock, tick_at_ms(ms)), ms * MS);
    for (uint64_t ms = 1203; ms <= 1700; ms += 20) /* after, and beyond the last point: exact again */
        cr_assert_eq(cptrace_clock_monotonic_ns(clock, tick_at_ms(ms + hour_ms)), ms * MS);
    const uint64_t asleep = cptrace_clock_monotonic_ns(clock, tick_at_ms(1200 + hour_ms / 2));
    cr_assert(asleep >= 1200 * MS && asleep <= 1203 * MS);
    cptrace_clock_free(clock);
}

Test(clock_suspend, utc_is_right_again_after_the_sleep)
{
    const struct cptrace_calibration points[] = {
        point(tick_at_ms(1200), 1200, 200),
        point(tick_at_ms(1203 + hour_ms), 1203, 203 + hour_ms),
    };
    struct cptrace_clock *const clock = clock_with(points, 2);
    cr_assert_eq(cptrace_clock_utc_ns(clock, tick_at_ms(1100)), START_UTC_NS + 100 * MS);
    cr_assert_eq(cptrace_clock_utc_ns(clock, tick_at_ms(1300 + hour_ms)), START_UTC_NS + 300 * MS + hour_ms * MS);
    cptrace_clock_free(clock);
}

Test(clock_suspend, jump_without_any_monotonic_progress)
{
    const struct cptrace_calibration points[] = {
        point(tick_at_ms(1200), 1200, 200),
        point(tick_at_ms(1200 + hour_ms), 1200, 200 + hour_ms),
        point(tick_at_ms(1300 + hour_ms), 1300, 300 + hour_ms),
    };
    struct cptrace_clock *const clock = clock_with(points, 3);
    check_rises(clock, tick_at_ms(1000), tick_at_ms(1400 + hour_ms));
    for (uint64_t ms = 0; ms <= hour_ms; ms += hour_ms / 8) /* all of the sleep is one moment */
        cr_assert_eq(cptrace_clock_monotonic_ns(clock, tick_at_ms(1200 + ms)), 1200 * MS);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, tick_at_ms(1250 + hour_ms)), 1250 * MS);
    cptrace_clock_free(clock);
}

/* The counter starts again from zero: what is measured after that contradicts what was before, and must not spoil it. */
Test(clock_suspend, counter_starts_again_below_all_points)
{
    const struct cptrace_calibration points[] = {
        point(tick_at_ms(1400), 1400, 400),
        point(tick_at_ms(10), 1410, 410 + hour_ms),
        point(tick_at_ms(90), 1490, 490 + hour_ms),
    };
    struct cptrace_clock *const clock = clock_with(points, 3);
    check_rises(clock, 0, tick_at_ms(1500));
    for (uint64_t ms = 1000; ms <= 1500; ms += 50)
        cr_assert_eq(cptrace_clock_monotonic_ns(clock, tick_at_ms(ms)), ms * MS);
    cptrace_clock_free(clock);
}

Test(clock_suspend, counter_starts_again_between_the_points)
{
    const struct cptrace_calibration points[] = {
        point(tick_at_ms(1200), 1200, 200),
        point(tick_at_ms(1400), 1400, 400),
        point(tick_at_ms(1100), 1410, 410 + hour_ms),
        point(tick_at_ms(1300), 1610, 610 + hour_ms),
    };
    struct cptrace_clock *const clock = clock_with(points, 4);
    check_rises(clock, tick_at_ms(1000), tick_at_ms(1600));
    for (uint64_t ms = 1000; ms <= 1400; ms += 50)
        cr_assert_eq(cptrace_clock_monotonic_ns(clock, tick_at_ms(ms)), ms * MS);
    cptrace_clock_free(clock);
}

/* … and later passes the value that it had: times stay in order, and are right from there on. */
Test(clock_suspend, counter_starts_again_and_overtakes_itself)
{
    const struct cptrace_calibration points[] = {
        point(tick_at_ms(1400), 1400, 400),
        point(tick_at_ms(1300), 1500, 500),
        point(tick_at_ms(1500), 1700, 700),
        point(tick_at_ms(1900), 2100, 1100),
    };
    struct cptrace_clock *const clock = clock_with(points, 4);
    check_rises(clock, tick_at_ms(1000), tick_at_ms(2000));
    for (uint64_t ms = 1000; ms <= 1400; ms += 50)
        cr_assert_eq(cptrace_clock_monotonic_ns(clock, tick_at_ms(ms)), ms * MS);
    for (uint64_t ms = 1500; ms <= 2000; ms += 50)
        cr_assert_eq(cptrace_clock_monotonic_ns(clock, tick_at_ms(ms)), (ms + 200) * MS);
    cptrace_clock_free(clock);
}

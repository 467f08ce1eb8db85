/* SPEC.md 8. */
#include <criterion/criterion.h>

#include "cptrace/reader.h"

static const struct cptrace_header header = {
    .format_version = 1,
    .file_id = 1,
    .ns_per_tick_q32 = UINT64_C(8) << 32,
    .start = {1000, 50000, UINT64_C(1700000000000000000)},
};

static struct cptrace_clock *clock_with(const struct cptrace_calibration *points, size_t count)
{
    struct cptrace_clock *const clock = cptrace_clock_create(&header);
    cr_assert_not_null(clock);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(cptrace_clock_add(clock, points[i]), CPTRACE_OK);
    return clock;
}

Test(clock, one_point_uses_the_nominal_tick)
{
    struct cptrace_clock *const clock = clock_with(NULL, 0);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, 1000), 50000);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, 1010), 50080);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, 990), 49920);
    cr_assert_eq(cptrace_clock_utc_ns(clock, 1010), UINT64_C(1700000000000000080));
    cptrace_clock_free(clock);
}

Test(clock, linear_between_points_in_any_order)
{
    static const struct cptrace_calibration points[] = {
        {3000, 70050050000, UINT64_C(1700000070050000000)},
        {2000, 50050000, UINT64_C(1700000000050000000)},
    };
    struct cptrace_clock *const clock = clock_with(points, 2);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, 1500), 50000 + 25000000);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, 2000), 50050000);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, 2500), 50050000 + 35000000000);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, 4000), UINT64_C(70050050000) + 70000000000);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, 999), 0);
    cr_assert_eq(cptrace_clock_utc_ns(clock, 2001), UINT64_C(1700000000050000000) + 70000000);
    cptrace_clock_free(clock);
}

Test(clock, short_segments_do_not_extrapolate)
{
    static const struct cptrace_calibration point = {2000, 60000, 1};
    struct cptrace_clock *const clock = clock_with(&point, 1);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, 1500), 55000);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, 2010), 60080);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, 990), 49920);
    cptrace_clock_free(clock);
}

Test(clock, points_that_contradict_are_ignored)
{
    static const struct cptrace_calibration points[] = {
        {2000, 60000, 1}, {2000, 70000, 1}, {1500, 65000, 1}, {3000, 100, 1}, {500, 55000, 1}};
    struct cptrace_clock *const clock = clock_with(points, 5);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, 1500), 55000);
    cptrace_clock_free(clock);
}

Test(clock, rises_over_random_points)
{
    struct cptrace_calibration point = header.start;
    struct cptrace_clock *const clock = clock_with(NULL, 0);
    uint64_t random = 7;
    for (int i = 0; i < 500; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        point.ticks += 1 + (random >> 40);
        point.monotonic_ns += random >> 38 & 0xFFFFFFF;
        cr_assert_eq(cptrace_clock_add(clock, point), CPTRACE_OK);
    }
    uint64_t before = 0;
    for (uint64_t tick = 0; tick < point.ticks + 100000; tick += 9973) {
        const uint64_t now = cptrace_clock_monotonic_ns(clock, tick);
        cr_assert_geq(now, before);
        before = now;
    }
    cptrace_clock_free(clock);
}

Test(clock, extremes_saturate)
{
    static const struct cptrace_calibration points[] = {{UINT64_MAX - 5, UINT64_MAX - 3, 9}, {UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    struct cptrace_clock *const clock = clock_with(points, 2);
    cr_assert_eq(cptrace_clock_monotonic_ns(clock, UINT64_MAX), UINT64_MAX);
    cr_assert_eq(cptrace_clock_utc_ns(clock, UINT64_MAX), UINT64_MAX);
    cr_assert_leq(cptrace_clock_monotonic_ns(clock, 0), 50000);
    cptrace_clock_free(clock);
    cptrace_clock_free(NULL);
}

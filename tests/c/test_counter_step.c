/* The step of counters that are known: whole counts of time that stands still between steps. */
#include <criterion/criterion.h>

#include "counter_step.h"

enum { READINGS = 1024 };

/* What passes between two readings: around a mean, never the same for long. */
static double pause_ns(uint32_t *state)
{
    *state = *state * UINT32_C(1664525) + UINT32_C(1013904223);
    return 12 + *state / 4294967296.0 * 40;
}

struct counter {
    double counts_per_update, update_ns;
    uint64_t offset; /* as a hypervisor adds it */
};

static uint64_t read_counter(const struct counter *counter, double time_ns)
{
    const uint64_t updates = (uint64_t)(time_ns / counter->update_ns);
    return (uint64_t)((double)updates * counter->counts_per_update) + counter->offset;
}

static void read_often(const struct counter *counter, double start_ns, uint64_t *readings)
{
    uint32_t state = 1;
    double time_ns = start_ns;
    for (int i = 0; i < READINGS; i++) {
        readings[i] = read_counter(counter, time_ns);
        time_ns += pause_ns(&state);
        if (i % 300 == 299)
            time_ns += 3e6; /* another process had the CPU */
    }
}

static double step_of(struct counter counter, double start_ns)
{
    uint64_t readings[READINGS];
    read_often(&counter, start_ns, readings);
    return rec_counter_step(readings, READINGS);
}

Test(counter_step, of_counters_that_are_updated_every_ten_nanoseconds)
{
    const double counts[] = {20, 24.5, 24.45428, 36, 37.9996, 7.25};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        cr_assert_float_eq(step_of((struct counter){counts[i], 10, 0}, 0), counts[i], 1e-3, "%f", counts[i]);
}

Test(counter_step, does_not_depend_on_how_long_the_counter_has_counted)
{
    cr_assert_float_eq(step_of((struct counter){24.5, 10, UINT64_C(1) << 61}, 0), 24.5, 1e-3);
    cr_assert_float_eq(step_of((struct counter){24.5, 10, 12345}, 9e14), 24.5, 1e-3);
}

Test(counter_step, is_found_where_no_two_readings_are_one_step_apart)
{
    cr_assert_float_eq(step_of((struct counter){8.25, 3.4, 0}, 0), 8.25, 1e-3); /* at least three */
}

Test(counter_step, is_found_where_readings_are_often_equal) { cr_assert_float_eq(step_of((struct counter){100, 100, 7}, 0), 100, 1e-2); }

Test(counter_step, of_a_counter_that_takes_each_value_is_one)
{
    cr_assert_eq(step_of((struct counter){1, 1 / 2.4, 0}, 0), 1);
    cr_assert_eq(step_of((struct counter){1, 1, 99}, 0), 1);
    cr_assert_eq(step_of((struct counter){2, 1 / 1.2, 0}, 0), 1); /* and where it is too small to be told */
}

Test(counter_step, of_a_slow_counter_is_one) { cr_assert_eq(step_of((struct counter){1, 1000.0 / 24, 0}, 0), 1); }

Test(counter_step, is_one_where_a_single_reading_contradicts)
{
    uint64_t readings[READINGS];
    read_often(&(const struct counter){24.5, 10, 0}, 0, readings);
    readings[500] += 9;
    cr_assert_eq(rec_counter_step(readings, READINGS), 1);
    read_often(&(const struct counter){24.5, 10, 0}, 0, readings);
    readings[500] -= 100000; /* it went back */
    cr_assert_eq(rec_counter_step(readings, READINGS), 1);
}

Test(counter_step, needs_evidence)
{
    const uint64_t few[] = {0, 24, 49}, still[READINGS] = {0};
    cr_assert_eq(rec_counter_step(few, 3), 1);
    cr_assert_eq(rec_counter_step(few, 0), 1);
    cr_assert_eq(rec_counter_step(still, READINGS), 1);
}

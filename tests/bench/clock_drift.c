/* How far the recorder's ticks and CLOCK_MONOTONIC drift apart: takes a calibration point a second and prints what conversion would be
 * wrong by, were there fewer of them. Not a test: nothing is asserted.
 *
 * Usage: bench_clock_drift [SECONDS]     (180) */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "cptrace/reader.h"
#include "platform.h"

struct point {
    struct cptrace_calibration at;
    uint64_t width_ticks;
};

static struct point take_point(void)
{
    const uint64_t before = rec_clock_ticks();
    struct point point = {.at = rec_clock_calibrate()};
    point.width_ticks = rec_clock_ticks() - before;
    return point;
}

static double ms_between(const struct point *from, const struct point *to)
{
    return (double)(to->at.monotonic_ns - from->at.monotonic_ns) * 1e-6;
}

/* The largest difference at any point when only every `stride`-th and the last are known; stride 0: only the first, and the nominal tick.
 */
static int64_t worst_ns(const struct point *points, size_t count, size_t stride, uint64_t nominal_q32)
{
    const struct cptrace_header header = {.format_version = 1, .file_id = 1, .ns_per_tick_q32 = nominal_q32, .start = points[0].at};
    struct cptrace_clock *const clock = cptrace_clock_create(&header);
    int64_t worst = 0;
    for (size_t i = stride; stride && i + 1 < count; i += stride)
        cptrace_clock_add(clock, points[i].at);
    if (stride)
        cptrace_clock_add(clock, points[count - 1].at);
    for (size_t i = 0; i < count; i++) {
        const int64_t off = (int64_t)(cptrace_clock_monotonic_ns(clock, points[i].at.ticks) - points[i].at.monotonic_ns);
        if (llabs(off) > llabs(worst))
            worst = off;
    }
    cptrace_clock_free(clock);
    return worst;
}

static double rate(const struct point *from, const struct point *to)
{
    return (double)(to->at.monotonic_ns - from->at.monotonic_ns) / (double)(to->at.ticks - from->at.ticks);
}

static void print_rates(const struct point *points, size_t count)
{
    const double whole = rate(&points[0], &points[count - 1]);
    double slowest = 0, fastest = 0;
    uint64_t widest = 0;
    for (size_t i = 0; i < count; i++) {
        const double ppm = i > 0 ? (rate(&points[i - 1], &points[i]) / whole - 1) * 1e6 : 0;
        slowest = ppm < slowest ? ppm : slowest;
        fastest = ppm > fastest ? ppm : fastest;
        widest = points[i].width_ticks > widest ? points[i].width_ticks : widest;
    }
    printf("%.6f ns per tick over all; of single seconds %+.3f to %+.3f ppm\n", whole, slowest, fastest);
    printf("the widest reading took %.0f ns\n", (double)widest * whole);
}

int main(int argument_count, char **arguments)
{
    const size_t seconds = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : 180;
    struct point *const points = calloc(seconds + 1, sizeof *points);
    if (!points || seconds < 2)
        return 2;
    rec_clock_choose();
    const uint64_t nominal_q32 = rec_clock_ns_per_tick_q32(); /* as of a run that starts at once */
    for (size_t i = 0; i <= seconds; i++) {
        points[i] = take_point();
        if (i < seconds)
            nanosleep(&(struct timespec){1, 0}, NULL);
    }
    const size_t count = seconds + 1;
    const double nominal = (double)nominal_q32 / 4294967296.0;
    printf("clock %s, %.2f ns a tick, %.1f s\n", rec_clock_name(), 1.0 / rec_clock.ticks_per_ns,
           ms_between(&points[0], &points[count - 1]) * 1e-3);
    print_rates(points, count);
    printf("nominal tick: %+.3f ppm off\n", (nominal / rate(&points[0], &points[count - 1]) - 1) * 1e6);
    printf("worst error of a converted tick: %+lld ns with a start and the nominal tick only\n",
           (long long)worst_ns(points, count, 0, nominal_q32));
    printf("                                 %+lld ns with start and end\n", (long long)worst_ns(points, count, count, nominal_q32));
    for (size_t stride = 60; stride > 1; stride = stride == 60 ? 10 : stride / 5)
        printf("                                 %+lld ns with a point every %zu s\n",
               (long long)worst_ns(points, count, stride, nominal_q32), stride);
    free(points);
    return 0;
}

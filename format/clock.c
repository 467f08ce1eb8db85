/* Ticks to time: straight lines between calibration points; SPEC.md 8. */
#include <stdlib.h>
#include <string.h>

#include "byte_buffer.h"
#include "cptrace/reader.h"

#if defined(_MSC_VER) && !defined(__clang__)
typedef volatile size_t hint_cell;
#define HINT_LOAD(cell) (*(cell))
#define HINT_STORE(cell, value) (*(cell) = (value))
#else
#include <stdatomic.h>
typedef _Atomic size_t hint_cell;
#define HINT_LOAD(cell) atomic_load_explicit(cell, memory_order_relaxed)
#define HINT_STORE(cell, value) atomic_store_explicit(cell, value, memory_order_relaxed)
#endif

#define LONG_SEGMENT_NS 10000000u
/* One a second for most of a day; a hostile file can have one per block. Later ones are ignored. */
#define POINTS_MAX 65536u

/* value * multiplier / 2^shift, nanoseconds per tick being multiplier / 2^shift. */
struct slope {
    uint64_t multiplier;
    unsigned shift;
};

struct point {
    struct cptrace_calibration at;
    struct slope after; /* up to the next point; unused for the last */
};

struct cptrace_clock {
    struct point *points; /* ticks rise strictly, monotonic_ns do not fall */
    size_t count, capacity;
    struct slope before_first, behind_last, nominal;
    hint_cell *hint; /* index of the last point used; through a pointer, so that converting needs no write access to the clock */
};

static uint64_t scale(uint64_t value, struct slope slope)
{
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 wide;
    const wide product = (wide)value * slope.multiplier >> slope.shift;
    return product >> 64 ? UINT64_MAX : (uint64_t)product;
#else
    const uint64_t value_low = (uint32_t)value, value_high = value >> 32;
    const uint64_t low = (uint32_t)slope.multiplier, high = slope.multiplier >> 32;
    const uint64_t low_low = value_low * low, middle = value_high * low + (low_low >> 32);
    const uint64_t cross = value_low * high + (uint32_t)middle;
    const uint64_t product_high = value_high * high + (middle >> 32) + (cross >> 32);
    const uint64_t product_low = cross << 32 | (uint32_t)low_low;
    if (slope.shift == 0)
        return product_high ? UINT64_MAX : product_low;
    if (product_high >> slope.shift)
        return UINT64_MAX;
    return product_high << (64 - slope.shift) | product_low >> slope.shift;
#endif
}

/* Rounded down, with as many bits as fit, so that a line never passes the point it leads to. */
static struct slope slope_of(uint64_t ns, uint64_t ticks)
{
    struct slope slope = {ns / ticks, 0};
    uint64_t rest = ns % ticks;
    while (slope.shift < 62 && slope.multiplier < UINT64_C(1) << 62 && rest != 0) {
        const bool bit = rest >= ticks - rest; /* 2 * rest >= ticks, without overflow */
        slope.multiplier = slope.multiplier << 1 | bit;
        rest = bit ? rest - (ticks - rest) : rest * 2;
        slope.shift++;
    }
    return slope;
}

struct cptrace_clock *cptrace_clock_create(const struct cptrace_header *header)
{
    struct cptrace_clock *const clock = calloc(1, sizeof *clock);
    hint_cell *const hint = calloc(1, sizeof *hint);
    if (!clock || !hint) {
        free(clock);
        free(hint);
        return NULL;
    }
    clock->hint = hint;
    clock->nominal = (struct slope){header->ns_per_tick_q32, 32};
    clock->before_first = clock->behind_last = clock->nominal;
    if (cptrace_clock_add(clock, header->start) != CPTRACE_OK) {
        cptrace_clock_free(clock);
        return NULL;
    }
    return clock;
}

/* How many points are at or before tick. */
static size_t points_up_to(const struct cptrace_clock *clock, uint64_t tick)
{
    size_t low = 0, high = clock->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (clock->points[middle].at.ticks <= tick)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void set_slope(struct cptrace_clock *clock, size_t index)
{
    const struct cptrace_calibration *const from = &clock->points[index].at, *const to = &clock->points[index + 1].at;
    clock->points[index].after = slope_of(to->monotonic_ns - from->monotonic_ns, to->ticks - from->ticks);
}

static bool is_long(const struct cptrace_clock *clock, size_t index)
{
    return clock->points[index + 1].at.monotonic_ns - clock->points[index].at.monotonic_ns >= LONG_SEGMENT_NS;
}

/* Which lines go on outside of all points. */
static void set_outer_slopes(struct cptrace_clock *clock)
{
    clock->before_first = clock->behind_last = clock->nominal;
    for (size_t i = 0; i + 1 < clock->count; i++) {
        if (is_long(clock, i)) {
            clock->before_first = clock->points[i].after;
            break;
        }
    }
    for (size_t i = clock->count - 1; i-- > 0;) {
        if (is_long(clock, i)) {
            clock->behind_last = clock->points[i].after;
            break;
        }
    }
}

enum cptrace_status cptrace_clock_add(struct cptrace_clock *clock, struct cptrace_calibration point)
{
    const size_t index = points_up_to(clock, point.ticks);
    const struct cptrace_calibration *const before = index > 0 ? &clock->points[index - 1].at : NULL;
    const struct cptrace_calibration *const behind = index < clock->count ? &clock->points[index].at : NULL;
    if (clock->count == POINTS_MAX || (before && (before->ticks == point.ticks || before->monotonic_ns > point.monotonic_ns)) ||
        (behind && behind->monotonic_ns < point.monotonic_ns))
        return CPTRACE_OK; /* known, or in contradiction to what is known */
    if (!cptrace_array_reserve(&clock->points, &clock->capacity, clock->count + 1, sizeof *clock->points))
        return CPTRACE_NO_MEMORY;
    memmove(&clock->points[index + 1], &clock->points[index], (clock->count - index) * sizeof *clock->points);
    clock->points[index] = (struct point){.at = point};
    clock->count++;
    if (index > 0)
        set_slope(clock, index - 1);
    if (index + 1 < clock->count)
        set_slope(clock, index);
    set_outer_slopes(clock);
    return CPTRACE_OK;
}

/* The last point at or before tick; the first one when there is none. */
static size_t find_point(const struct cptrace_clock *clock, uint64_t tick)
{
    const struct point *const points = clock->points;
    size_t index = HINT_LOAD(clock->hint);
    for (int step = 0; step < 2 && index < clock->count && points[index].at.ticks <= tick; step++, index++)
        if (index + 1 == clock->count || tick < points[index + 1].at.ticks) {
            if (step)
                HINT_STORE(clock->hint, index);
            return index;
        }
    index = points_up_to(clock, tick);
    index -= index > 0;
    HINT_STORE(clock->hint, index);
    return index;
}

static uint64_t add_saturated(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

static uint64_t subtract_saturated(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

static uint64_t ns_since(const struct cptrace_clock *clock, size_t index, uint64_t tick)
{
    const struct slope slope = index + 1 == clock->count ? clock->behind_last : clock->points[index].after;
    return scale(tick - clock->points[index].at.ticks, slope);
}

uint64_t cptrace_clock_monotonic_ns(const struct cptrace_clock *clock, uint64_t tick)
{
    const size_t index = find_point(clock, tick);
    const struct cptrace_calibration *const point = &clock->points[index].at;
    if (tick < point->ticks)
        return subtract_saturated(point->monotonic_ns, scale(point->ticks - tick, clock->before_first));
    return add_saturated(point->monotonic_ns, ns_since(clock, index, tick));
}

uint64_t cptrace_clock_utc_ns(const struct cptrace_clock *clock, uint64_t tick)
{
    const size_t index = find_point(clock, tick);
    const struct cptrace_calibration *const point = &clock->points[index].at;
    if (tick < point->ticks)
        return subtract_saturated(point->utc_ns, scale(point->ticks - tick, clock->before_first));
    return add_saturated(point->utc_ns, ns_since(clock, index, tick));
}

void cptrace_clock_free(struct cptrace_clock *clock)
{
    if (!clock)
        return;
    free(clock->points);
    free((void *)clock->hint);
    free(clock);
}

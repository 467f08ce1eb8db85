#include "rewrite/timeline.h"

#include <stdlib.h>

/* Monotonic clocks that agree so well by way of UTC are one clock, and each is read more exactly than the pair. */
#define SAME_CLOCK_NS 100000

static int compare_points(const void *left, const void *right)
{
    const struct cptrace_calibration *const a = left, *const b = right;
    return a->ticks < b->ticks ? -1 : a->ticks > b->ticks;
}

/* Of points at the same tick the first counts; one whose monotonic time goes back is ignored (SPEC.md 8). */
static void drop_strange(struct timeline *timeline)
{
    size_t kept = 1;
    for (size_t i = 1; i < timeline->count; ++i) {
        const struct cptrace_calibration *const before = &timeline->points[kept - 1], *const point = &timeline->points[i];
        if (point->ticks > before->ticks && point->monotonic_ns >= before->monotonic_ns)
            timeline->points[kept++] = *point;
    }
    timeline->count = kept;
}

bool timeline_init(struct timeline *timeline, const struct trace *trace)
{
    const struct trace_facts *const facts = trace_facts(trace);
    timeline->ns_per_tick_q32 = facts->header->ns_per_tick_q32;
    timeline->count = 0;
    timeline->points = malloc((facts->block_count + 2) * sizeof *timeline->points);
    if (!timeline->points)
        return false;
    timeline->points[timeline->count++] = facts->header->start;
    for (size_t i = 0; i < facts->block_count; ++i) {
        if (facts->blocks[i].kind == CPTRACE_BLOCK_EVENTS)
            timeline->points[timeline->count++] = facts->blocks[i].calibration;
    }
    if (facts->end->present)
        timeline->points[timeline->count++] = facts->end->calibration;
    qsort(timeline->points + 1, timeline->count - 1, sizeof *timeline->points, compare_points);
    drop_strange(timeline);
    return true;
}

void timeline_free(struct timeline *timeline)
{
    free(timeline->points);
    *timeline = (struct timeline){0};
}

static uint64_t shifted(uint64_t value, uint64_t from, uint64_t to)
{
    if (to >= from)
        return value > UINT64_MAX - (to - from) ? UINT64_MAX : value + (to - from);
    return value > from - to ? value - (from - to) : 0;
}

/* The last point at or before a time; the first one when there is none. */
static size_t find_point(const struct timeline *timeline, uint64_t monotonic_ns)
{
    size_t low = 0, high = timeline->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (timeline->points[middle].monotonic_ns <= monotonic_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? low - 1 : 0;
}

uint64_t timeline_utc_ns(const struct timeline *timeline, uint64_t monotonic_ns)
{
    const struct cptrace_calibration *const point = &timeline->points[find_point(timeline, monotonic_ns)];
    return shifted(point->utc_ns, point->monotonic_ns, monotonic_ns);
}

/* Ticks per ns from a point on. */
static double rate_after(const struct timeline *timeline, size_t index)
{
    const struct cptrace_calibration *const point = &timeline->points[index];
    if (index + 1 < timeline->count && point[1].monotonic_ns > point->monotonic_ns)
        return (double)(point[1].ticks - point->ticks) / (double)(point[1].monotonic_ns - point->monotonic_ns);
    return 4294967296.0 / (double)timeline->ns_per_tick_q32;
}

static double smaller(double a, double b) { return a < b ? a : b; }

uint64_t timeline_tick(const struct timeline *timeline, uint64_t monotonic_ns)
{
    const size_t index = find_point(timeline, monotonic_ns);
    const struct cptrace_calibration *const point = &timeline->points[index];
    if (monotonic_ns < point->monotonic_ns) {
        const double ticks = (double)(point->monotonic_ns - monotonic_ns) * 4294967296.0 / (double)timeline->ns_per_tick_q32;
        return ticks < (double)point->ticks ? point->ticks - (uint64_t)ticks : 0;
    }
    const double limit = index + 1 < timeline->count ? (double)(point[1].ticks - point->ticks) : 9e18;
    const uint64_t ticks = (uint64_t)smaller((double)(monotonic_ns - point->monotonic_ns) * rate_after(timeline, index), limit);
    return point->ticks > UINT64_MAX - ticks ? UINT64_MAX : point->ticks + ticks;
}

struct cptrace_calibration timeline_point(const struct timeline *timeline, uint64_t monotonic_ns)
{
    const struct cptrace_calibration *const point = &timeline->points[find_point(timeline, monotonic_ns)];
    if (point->monotonic_ns == monotonic_ns)
        return *point;
    return (struct cptrace_calibration){
        .ticks = timeline_tick(timeline, monotonic_ns),
        .monotonic_ns = monotonic_ns,
        .utc_ns = timeline_utc_ns(timeline, monotonic_ns),
    };
}

static uint64_t distance(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

/* How a point accounts for a UTC; the least is the best. */
struct candidate {
    enum { UTC_WAS_THAT, UTC_WAS_SET_OVER_IT, UTC_NEVER_WAS } kind;
    uint64_t distance; /* of the moment from the hint; of the last kind, of its UTC */
    uint64_t ns;
};

static bool is_better(struct candidate a, struct candidate b) { return a.kind < b.kind || (a.kind == b.kind && a.distance < b.distance); }

/* Within the stretch from a point to the next. */
static struct candidate candidate_of(const struct timeline *timeline, size_t index, uint64_t utc_ns, uint64_t hint_ns)
{
    const struct cptrace_calibration *const point = &timeline->points[index];
    uint64_t ns = shifted(point->monotonic_ns, point->utc_ns, utc_ns);
    const bool later = index + 1 < timeline->count && ns > point[1].monotonic_ns;
    if (later)
        ns = point[1].monotonic_ns;
    if (index > 0 && ns < point->monotonic_ns)
        ns = point->monotonic_ns;
    const uint64_t found_utc_ns = timeline_utc_ns(timeline, ns);
    if (found_utc_ns == utc_ns)
        return (struct candidate){UTC_WAS_THAT, distance(ns, hint_ns), ns};
    if (later && found_utc_ns > utc_ns)
        return (struct candidate){UTC_WAS_SET_OVER_IT, distance(ns, hint_ns), ns};
    return (struct candidate){UTC_NEVER_WAS, distance(found_utc_ns, utc_ns), ns};
}

uint64_t timeline_place(const struct timeline *timeline, uint64_t utc_ns, uint64_t hint_ns)
{
    struct candidate best = candidate_of(timeline, 0, utc_ns, hint_ns);
    for (size_t i = 1; i < timeline->count; ++i) {
        const struct candidate candidate = candidate_of(timeline, i, utc_ns, hint_ns);
        if (is_better(candidate, best))
            best = candidate;
    }
    return distance(best.ns, hint_ns) < SAME_CLOCK_NS ? hint_ns : best.ns;
}

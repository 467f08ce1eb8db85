#include "counter_step.h"

#include <stdbool.h>

/* The readings nearest to each other may be so many steps apart, at most. */
#define NEAREST_STEPS_MAX 8u
/* Fewer readings, or fewer differences that tell something, are no evidence. */
#define EVIDENCE_MIN 64u

/* Where the step must lie. */
struct bounds {
    double low, high;
    size_t evidence; /* differences that were in it */
};

static uint64_t nearest(const uint64_t *readings, size_t count)
{
    uint64_t difference = UINT64_MAX;
    for (size_t i = 1; i < count; i++)
        if (readings[i] > readings[i - 1] && readings[i] - readings[i - 1] < difference)
            difference = readings[i] - readings[i - 1];
    return difference;
}

/* A difference of two readings is a multiple of the step, up to less than a count of rounding. False: not of any step in the bounds. */
static bool narrow(struct bounds *bounds, double difference)
{
    if (difference / bounds->low - difference / bounds->high > 0.5)
        return true; /* it could be one of several multiples: it says nothing yet */
    const uint64_t multiple = (uint64_t)(2 * difference / (bounds->low + bounds->high) + 0.5);
    if (multiple == 0)
        return difference < 1;
    bounds->evidence++;
    const double low = (difference - 1) / (double)multiple, high = (difference + 1) / (double)multiple;
    bounds->low = low > bounds->low ? low : bounds->low;
    bounds->high = high < bounds->high ? high : bounds->high;
    return bounds->low <= bounds->high;
}

/* From readings beside each other to those far apart, whose differences tell more, and need narrower bounds. */
static bool fits(struct bounds *bounds, const uint64_t *readings, size_t count)
{
    for (size_t apart = 1; apart < count; apart *= 2)
        for (size_t i = apart; i < count; i++)
            if (readings[i] < readings[i - apart] || !narrow(bounds, (double)(readings[i] - readings[i - apart])))
                return false;
    return bounds->evidence >= EVIDENCE_MIN;
}

double rec_counter_step(const uint64_t *readings, size_t count)
{
    if (count < EVIDENCE_MIN)
        return 1;
    const double difference = (double)nearest(readings, count);
    for (unsigned steps = 1; steps <= NEAREST_STEPS_MAX && difference / steps >= REC_COUNTER_STEP_MIN; steps++) {
        struct bounds bounds = {(difference - 1) / steps, (difference + 1) / steps, 0};
        if (fits(&bounds, readings, count))
            return (bounds.low + bounds.high) / 2;
    }
    return 1;
}

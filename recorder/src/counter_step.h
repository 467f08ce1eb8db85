/* The step of a counter: how far apart the values are that it takes. Many that count in fractions of a nanosecond take few of them: those
 * of AMD's Zen are updated every 10 ns and go up by 24.5, say; the generic timer of an ARM core may count in nanoseconds and be updated
 * every 40. Ticks that are no multiple of the step say nothing more about time, but differ for equal times, and make traces larger. */
#ifndef REC_COUNTER_STEP_H
#define REC_COUNTER_STEP_H

#include <stddef.h>
#include <stdint.h>

/* In counts, from readings in the order in which they were taken, whole counts of values that are multiples of the step, plus a constant.
 * The work between readings should differ, or what it takes looks like a step. 1 where no step above REC_COUNTER_STEP_MIN fits all. */
double rec_counter_step(const uint64_t *readings, size_t count);

/* Below it, rounding to whole counts leaves too little to tell a step by. */
#define REC_COUNTER_STEP_MIN 5.0

#endif

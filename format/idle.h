/* Something that is costly to make, kept between two uses for whoever needs one next, on any thread. One is kept; its users are many. */
#ifndef CPTRACE_IDLE_H
#define CPTRACE_IDLE_H

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
typedef void *volatile idle_place;
static inline void *idle_exchange(idle_place *place, void *object) { return _InterlockedExchangePointer(place, object); }
#else
#include <stdatomic.h>
typedef _Atomic(void *) idle_place;
static inline void *idle_exchange(idle_place *place, void *object) { return atomic_exchange(place, object); }
#endif

#endif

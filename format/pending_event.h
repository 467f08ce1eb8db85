/* Events as a lane writer keeps them until their block is full: eight bytes each, written without a branch on what they are. */
#ifndef CPTRACE_PENDING_EVENT_H
#define CPTRACE_PENDING_EVENT_H

#include <stdint.h>

#include "cptrace/cptrace.h"

/*   | function, 32 bits | activation, 1 bit | code, 4 bits | ticks since the event before, 27 bits |
 *
 * The code is the op of SPEC.md 4.3, but 5 for a start and 7 for a call. The function is that of the call that is pushed or popped, the bit
 * tells whether it is an activation. */
#define PENDING_TICKS_LONG ((UINT32_C(1) << 27) - 1) /* their number is the next operand */
#define PENDING_CODE_SHIFT 27
#define PENDING_ACTIVATION (UINT64_C(1) << 31)
#define PENDING_CODE_CALL 7u
#define PENDING_NO_FUNCTION UINT32_MAX /* of throws and annotations, which leave the stack as it is */

static inline uint64_t pending_event(uint64_t ticks, uint32_t code, uint32_t function)
{
    return ticks | (uint64_t)code << PENDING_CODE_SHIFT | (uint64_t)function << 32;
}

static inline uint32_t pending_ticks(uint64_t event) { return (uint32_t)event & PENDING_TICKS_LONG; }
static inline uint32_t pending_code(uint64_t event) { return (uint32_t)event >> PENDING_CODE_SHIFT & 15; }
/* Function × 2, + 1 for an activation. */
static inline uint64_t pending_callee(uint64_t event) { return event >> 31; }

static inline uint32_t is_pop(uint32_t code) { return code <= CPTRACE_OP_SUSPEND; }
/* Calls and starts. */
static inline uint32_t names_callee(uint32_t code) { return (1u << PENDING_CODE_CALL | 1u << CPTRACE_OP_START) >> code & 1; }

#endif

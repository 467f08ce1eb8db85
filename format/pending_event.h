/* Events as a lane writer keeps them until their block is full: eight bytes each, written without a branch on what they are. */
#ifndef CPTRACE_PENDING_EVENT_H
#define CPTRACE_PENDING_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "cptrace/cptrace.h"

/*   | function, 32 bits | activation, 1 bit | code, 3 bits | ticks since the event before, 28 bits |
 *
 * The code is the op of SPEC.md 4.3 where it is below 6; 7 is a call. The function is that of the call that is pushed or popped, the bit
 * tells whether it is an activation. Throws and annotations, which leave the stack as it is, have code 6 and their op in place of the
 * function. */
#define PENDING_TICKS_LONG ((UINT32_C(1) << 28) - 1) /* their number is the next operand */
#define PENDING_CODE_SHIFT 28
#define PENDING_CODES 8u
#define PENDING_ACTIVATION 8u /* + code */
#define PENDING_CODE_OTHER 6u
#define PENDING_CODE_CALL 7u
#define PENDING_NO_FUNCTION UINT32_C(0xFFFFFFF0) /* + op */

static inline uint64_t pending_event(uint64_t ticks, uint32_t code, uint32_t function)
{
    return ticks | (uint64_t)code << PENDING_CODE_SHIFT | (uint64_t)function << 32;
}

static inline uint32_t pending_ticks(uint64_t event) { return (uint32_t)event & PENDING_TICKS_LONG; }
static inline uint32_t pending_code(uint64_t event) { return (uint32_t)event >> PENDING_CODE_SHIFT & (PENDING_CODES - 1); }
/* Function × 2, + 1 for an activation. */
static inline uint64_t pending_callee(uint64_t event) { return event >> 31; }
static inline uint32_t pending_other_op(uint64_t event) { return (uint32_t)(event >> 32) - PENDING_NO_FUNCTION; }

static inline uint32_t is_pop(uint32_t code) { return code <= CPTRACE_OP_SUSPEND; }
/* On disk, in place of an op. */
static inline bool names_callee(uint32_t code) { return code == PENDING_CODE_CALL || code == CPTRACE_OP_START; }
static inline bool has_operands(uint32_t code) { return code >= CPTRACE_OP_RESUME && code <= CPTRACE_OP_START; }

#endif

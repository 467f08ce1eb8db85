/* Events as a lane writer keeps them until their block is full: eight bytes each, written without a branch on what they are. A call that
 * returns with the next event, a leaf, is one with its return. */
#ifndef CPTRACE_PENDING_EVENT_H
#define CPTRACE_PENDING_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "cptrace/cptrace.h"
#include "frame.h"

/*   | function, 28 bits | activation, 1 bit | code, 3 bits | a leaf's ticks, 8 bits | ticks since the event before, 24 bits |
 *
 * The code is the op of SPEC.md 4.3 where it is below 6; 7 is a call. The function is that of the call that is pushed or popped, the bit
 * tells whether it is an activation; a call that is one is a start, so that code 7 with the bit is a leaf. Throws and annotations, which
 * leave the stack as it is, have code 6 and their op in place of the function. */
#define PENDING_TICKS_LONG ((UINT32_C(1) << 24) - 1) /* their number is the next operand */
#define PENDING_LEAF_TICKS_LONG 255u                 /* the same */
#define PENDING_LEAF_TICKS_SHIFT 24
#define PENDING_CODE_SHIFT 32
#define PENDING_FUNCTION_SHIFT 36
#define PENDING_CODES 16u     /* with the bit */
#define PENDING_ACTIVATION 8u /* + code */
#define PENDING_CODE_OTHER 6u
#define PENDING_CODE_CALL 7u
#define PENDING_CODE_LEAF (PENDING_ACTIVATION + PENDING_CODE_CALL)
#define PENDING_NO_FUNCTION UINT32_C(0xFFFFFF0) /* + op; functions are below it */

static inline uint64_t pending_event(uint64_t ticks, uint32_t code, uint32_t function)
{
    return ticks | (uint64_t)code << PENDING_CODE_SHIFT | (uint64_t)function << PENDING_FUNCTION_SHIFT;
}

static inline uint64_t pending_leaf(uint64_t ticks, uint64_t leaf_ticks, uint32_t function)
{
    return pending_event(ticks | leaf_ticks << PENDING_LEAF_TICKS_SHIFT, PENDING_CODE_LEAF, function);
}

static inline uint32_t pending_ticks(uint64_t event) { return (uint32_t)event & PENDING_TICKS_LONG; }
static inline uint32_t pending_leaf_ticks(uint64_t event) { return (uint32_t)event >> PENDING_LEAF_TICKS_SHIFT; }
/* With the bit. */
static inline uint32_t pending_code(uint64_t event) { return (uint32_t)(event >> PENDING_CODE_SHIFT) & (PENDING_CODES - 1); }
static inline uint32_t pending_function(uint64_t event) { return (uint32_t)(event >> PENDING_FUNCTION_SHIFT); }
static inline uint32_t pending_other_op(uint64_t event) { return pending_function(event) - PENDING_NO_FUNCTION; }

/* As the column callee has it, SPEC.md 4.3. */
static inline uint64_t pending_callee(uint64_t event)
{
    const uint32_t code = pending_code(event);
    const uint32_t kind = code == PENDING_CODE_LEAF ? CALLEE_LEAF : code >= PENDING_ACTIVATION ? CALLEE_ACTIVATION : CALLEE_PLAIN;
    return (uint64_t)pending_function(event) << CALLEE_KIND_BITS | kind;
}

static inline uint32_t code_without_bit(uint32_t code) { return code & (PENDING_ACTIVATION - 1); }
/* What it does first. */
static inline uint32_t is_pop(uint32_t code) { return code_without_bit(code) <= CPTRACE_OP_SUSPEND; }
/* What it does last. */
static inline uint32_t ends_in_pop(uint32_t code) { return is_pop(code) || code == PENDING_CODE_LEAF; }
/* On disk, in place of an op. */
static inline bool names_callee(uint32_t code)
{
    return code_without_bit(code) == PENDING_CODE_CALL || code_without_bit(code) == CPTRACE_OP_START;
}
static inline bool has_operands(uint32_t code)
{
    return code_without_bit(code) >= CPTRACE_OP_RESUME && code_without_bit(code) <= CPTRACE_OP_START;
}

#endif

/* A sample of the events tells how long those of each function take, and so which deltas share a column; then one pass writes the columns,
 * and the deltas are coded. */
#include "events_encoder.h"

#include <stdlib.h>
#include <string.h>

#include "pending_event.h"
#include "prefix_code.h"

/* Events that pay for a code of their own, and how many codes are worth the time at most. */
#define EVENTS_PER_DELTA_COLUMN 1024u
/* The sample: the first SAMPLE_EVENTS of every SAMPLE_EVERY that wait. */
#define SAMPLE_EVERY 1024u
#define SAMPLE_EVENTS 64u
#define SAMPLE_ALL_BELOW 8192u
#define DELTA_COLUMNS_WRITTEN 16u
static_assert(DELTA_COLUMNS_WRITTEN <= DELTA_COLUMNS_MAX, "SPEC.md 4.3");

/* Deltas count by their logarithm, in 16ths of a power of two: a few that are long say nothing of the others. Means of them are told apart
 * in eighths of that. */
#define LOG_STEPS_SHIFT 4
#define LOG_MAX (8u << LOG_STEPS_SHIFT)
#define MEAN_STEPS 8u
#define MEAN_COUNT (LOG_MAX * MEAN_STEPS + 1)

#define OP_MAX_BYTES 4 /* a callee is one of at most BLOCK_EVENTS_MAX + OPEN_CALLS_MAX */
#define OP_TWO_BYTES_LIMIT (1u << 14)
#define WIDE_MAX_BYTES 4 /* of ticks that a pending event holds */

#if defined(__GNUC__)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define UNLIKELY(condition) (condition)
#endif

static bool grow_zeroed(void *array_pointer, size_t *count, size_t wanted, size_t element_bytes)
{
    const size_t used = *count;
    if (!cptrace_array_reserve(array_pointer, count, wanted, element_bytes))
        return false;
    void *array;
    memcpy(&array, array_pointer, sizeof array);
    memset((char *)array + used * element_bytes, 0, (*count - used) * element_bytes);
    return true;
}

static bool grow_numbers(struct events_encoder *encoder, uint64_t key)
{
    const size_t functions = (size_t)(key >> CALLEE_KIND_BITS) + 1;
    return grow_zeroed(&encoder->numbers, &encoder->number_count, functions << CALLEE_KIND_BITS, sizeof *encoder->numbers) &&
           grow_zeroed(&encoder->steps, &encoder->step_function_count, functions, PENDING_CODES * sizeof *encoder->steps);
}

static bool reserve_callee(struct events_encoder *encoder)
{
    const size_t count = encoder->callee_count + 1;
    return cptrace_array_reserve(&encoder->callees, &encoder->callee_capacity, count, sizeof *encoder->callees) &&
           cptrace_array_reserve(&encoder->totals, &encoder->totals_capacity, count, DELTA_CONTEXTS * sizeof *encoder->totals) &&
           cptrace_array_reserve(&encoder->columns, &encoder->columns_capacity, count, DELTA_CONTEXTS * sizeof *encoder->columns);
}

static void put_callee(struct events_encoder *encoder, uint64_t key)
{
    const size_t number = encoder->callee_count++;
    encoder->callees[number] = key;
    memset(&encoder->totals[number * DELTA_CONTEXTS], 0, DELTA_CONTEXTS * sizeof *encoder->totals);
    memset(&encoder->columns[number * DELTA_CONTEXTS], encoder->middle_column, DELTA_CONTEXTS * sizeof *encoder->columns);
}

/* A callee that the block has not had yet. False: no memory. */
static bool add_callee(struct events_encoder *encoder, uint64_t key, uint32_t *number)
{
    const bool has_place = key < encoder->number_count && key >> CALLEE_KIND_BITS < encoder->step_function_count;
    if ((!has_place && !grow_numbers(encoder, key)) || !reserve_callee(encoder))
        return false;
    *number = encoder->numbers[key] = (uint32_t)encoder->callee_count;
    put_callee(encoder, key);
    return true;
}

static inline bool find_callee(struct events_encoder *encoder, uint64_t key, uint32_t *number)
{
    *number = key < encoder->number_count ? encoder->numbers[key] : 0;
    return *number || add_callee(encoder, key, number);
}

/* 0: an event without a callee. */
static inline bool find_callee_of(struct events_encoder *encoder, uint64_t event, uint32_t *number)
{
    *number = 0;
    return pending_code(event) == PENDING_CODE_OTHER || find_callee(encoder, pending_callee(event), number);
}

static void forget_callee(struct events_encoder *encoder, uint64_t key)
{
    encoder->numbers[key] = 0;
    memset(&encoder->steps[(key >> CALLEE_KIND_BITS) * PENDING_CODES], 0, PENDING_CODES * sizeof *encoder->steps);
}

static bool begin(struct events_encoder *encoder)
{
    struct byte_buffer *const buffers[] = {&encoder->lengths, &encoder->callee, &encoder->open, &encoder->op,   &encoder->start,
                                           &encoder->resume,  &encoder->reopen, &encoder->wide, &encoder->code, &encoder->bits};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffers[i]->length = 0;
    for (size_t i = 1; i < encoder->callee_count; i++)
        forget_callee(encoder, encoder->callees[i]);
    encoder->callee_count = encoder->middle_column = 0;
    if (!reserve_callee(encoder))
        return false;
    put_callee(encoder, 0);
    return true;
}

static bool encode_open(struct events_encoder *encoder, const struct pending_block *block)
{
    if (block->open_count == 0)
        return true;
    struct cursor from = {block->open->bytes, block->open->bytes + block->open->length};
    for (uint32_t i = 0; i < block->open_count; i++) {
        uint64_t key = 0, age = 0, activation = 0;
        uint32_t callee;
        cursor_varint(&from, &key);
        cursor_varint(&from, &age);
        if (!find_callee(encoder, key, &callee) || !cptrace_buffer_varint(&encoder->open, callee - 1) ||
            !cptrace_buffer_varint(&encoder->open, age))
            return false;
        if ((key & ((1u << CALLEE_KIND_BITS) - 1)) == CALLEE_ACTIVATION &&
            (!cursor_varint(&from, &activation) || !cptrace_buffer_varint(&encoder->open, activation)))
            return false;
    }
    return true;
}

static inline size_t context_of(uint32_t callee, uint32_t pops, uint32_t after_pop)
{
    return (size_t)callee * DELTA_CONTEXTS + pops * 2 + after_pop;
}

static inline uint8_t delta_byte(uint64_t event)
{
    const uint32_t ticks = pending_ticks(event);
    return (uint8_t)(ticks < DELTA_WIDE ? ticks : DELTA_WIDE);
}

static_assert(PENDING_LEAF_TICKS_LONG == DELTA_WIDE, "a leaf's ticks are written as they are");

#define SAMPLED_ONE (UINT64_C(1) << 32)

/* Of what its byte holds. Between powers of two it rises evenly. */
static inline uint32_t delta_log(uint32_t delta)
{
    const uint32_t power = highest_bit(delta + 1);
    return (power << LOG_STEPS_SHIFT) + (((delta + 1) << LOG_STEPS_SHIFT >> power) & ((1u << LOG_STEPS_SHIFT) - 1));
}

static bool sample_range(struct events_encoder *encoder, const uint64_t *events, uint32_t from, uint32_t to)
{
    uint32_t after_pop = from ? ends_in_pop(pending_code(events[from - 1])) : 0;
    for (uint32_t i = from; i < to; i++) {
        const uint32_t code = pending_code(events[i]);
        uint32_t callee;
        if (!find_callee_of(encoder, events[i], &callee))
            return false;
        encoder->totals[context_of(callee, is_pop(code), after_pop)] += SAMPLED_ONE + delta_log(delta_byte(events[i]));
        if (code == PENDING_CODE_LEAF)
            encoder->totals[context_of(callee, 1, 0)] += SAMPLED_ONE + delta_log(pending_leaf_ticks(events[i]));
        after_pop = ends_in_pop(code);
    }
    return true;
}

static bool sample(struct events_encoder *encoder, const struct pending_block *block)
{
    const uint32_t count = block->pending_count;
    if (count < SAMPLE_ALL_BELOW)
        return sample_range(encoder, block->events, 0, count);
    for (uint32_t from = 0; from < count; from += SAMPLE_EVERY)
        if (!sample_range(encoder, block->events, from, from + SAMPLE_EVENTS < count ? from + SAMPLE_EVENTS : count))
            return false;
    return true;
}

static uint32_t mean_of(uint64_t total) { return (uint32_t)((total & UINT32_MAX) * MEAN_STEPS / (total >> 32)); }

/* Deltas of similar means share a column, and columns hold about the same number of deltas. */
static void choose_delta_columns(struct events_encoder *encoder, uint32_t event_count)
{
    const size_t context_count = encoder->callee_count * DELTA_CONTEXTS;
    uint32_t counts[MEAN_COUNT] = {0}, sampled_count = 1;
    for (size_t i = DELTA_CONTEXTS; i < context_count; i++)
        if (encoder->totals[i]) {
            counts[mean_of(encoder->totals[i])] += (uint32_t)(encoder->totals[i] >> 32);
            sampled_count += (uint32_t)(encoder->totals[i] >> 32);
        }

    const uint32_t wanted = event_count / EVENTS_PER_DELTA_COLUMN + 1;
    const uint32_t limit = wanted < DELTA_COLUMNS_WRITTEN ? wanted : DELTA_COLUMNS_WRITTEN;
    uint8_t columns[MEAN_COUNT];
    uint64_t before = 0;
    uint32_t used = 0, share = 0;
    for (size_t mean = 0; mean < MEAN_COUNT; mean++) {
        if (counts[mean]) {
            const uint32_t its_share = (uint32_t)((before + counts[mean] / 2) * limit / sampled_count);
            used += used == 0 || its_share != share;
            share = its_share;
            before += counts[mean];
        }
        columns[mean] = (uint8_t)(used ? used - 1 : 0);
    }
    encoder->delta_columns = used ? used : 1;
    encoder->middle_column = (uint8_t)(used / 2);
    for (size_t i = DELTA_CONTEXTS; i < context_count; i++)
        encoder->columns[i] = encoder->totals[i] ? columns[mean_of(encoder->totals[i])] : encoder->middle_column;
}

static bool encode_callees(struct events_encoder *encoder)
{
    struct byte_buffer *const to = &encoder->callee;
    if (!cptrace_buffer_reserve(to, encoder->callee_count * (VARINT_MAX_BYTES + 2)))
        return false;
    uint8_t *at = to->bytes;
    for (size_t i = 1; i < encoder->callee_count; i++) {
        const uint8_t *const columns = &encoder->columns[i * DELTA_CONTEXTS];
        at = store_varint(at, encoder->callees[i]);
        if (encoder->delta_columns > 1)
            at = store_u16(at, (uint16_t)(columns[0] | columns[1] << 4 | columns[2] << 8 | columns[3] << 12));
    }
    to->length = (size_t)(at - to->bytes);
    return true;
}

/* Where the second pass writes. */
struct outputs {
    uint8_t *op, *start, *resume, *reopen, *wide;
    uint8_t *delta[DELTA_COLUMNS_MAX];
    const uint64_t *operands;
    uint64_t next_activation, reopened_activation, reopened_start;
};

/* All events, and a little more: columns a power of two apart would take turns in the same lines of the cache. */
static size_t delta_column_room(uint32_t event_count) { return (size_t)event_count + 320; }

static bool reserve_outputs(struct events_encoder *encoder, const struct pending_block *block, struct outputs *out)
{
    const size_t operand_bytes = block->operand_count * (VARINT_MAX_BYTES + OP_MAX_BYTES) + 1;
    encoder->delta.length = 0;
    if (!cptrace_buffer_reserve(&encoder->op, (size_t)block->pending_count * OP_MAX_BYTES) ||
        !cptrace_buffer_reserve(&encoder->delta, encoder->delta_columns * delta_column_room(block->event_count)) ||
        !cptrace_buffer_reserve(&encoder->wide, (size_t)block->event_count * WIDE_MAX_BYTES + operand_bytes) ||
        !cptrace_buffer_reserve(&encoder->start, operand_bytes) || !cptrace_buffer_reserve(&encoder->resume, operand_bytes) ||
        !cptrace_buffer_reserve(&encoder->reopen, operand_bytes))
        return false;
    *out = (struct outputs){
        .op = encoder->op.bytes,
        .start = encoder->start.bytes,
        .resume = encoder->resume.bytes,
        .reopen = encoder->reopen.bytes,
        .wide = encoder->wide.bytes,
        .operands = block->operands,
        .reopened_start = block->first_tick,
    };
    for (uint32_t i = 0; i < encoder->delta_columns; i++)
        encoder->deltas[i] = out->delta[i] = encoder->delta.bytes + i * delta_column_room(block->event_count);
    return true;
}

static void encode_operands(struct outputs *out, uint32_t code, uint32_t callee)
{
    if (code == CPTRACE_OP_RESUME) {
        out->resume = store_varint(out->resume, *out->operands++);
        return;
    }
    const uint64_t activation = *out->operands++;
    if (code == CPTRACE_OP_START) {
        out->start = store_varint(out->start, zigzag((int64_t)(activation - out->next_activation)));
        out->next_activation = activation + 1;
        return;
    }
    const uint64_t start_tick = *out->operands++;
    out->reopen = store_varint(out->reopen, zigzag((int64_t)(activation - out->reopened_activation)));
    out->reopen = store_varint(out->reopen, callee - 1);
    out->reopen = store_varint(out->reopen, zigzag((int64_t)(start_tick - out->reopened_start)));
    out->reopened_activation = activation;
    out->reopened_start = start_tick;
}

/* The part of a delta that its byte does not hold. */
static void encode_wide(struct outputs *out, uint64_t ticks) { out->wide = store_varint(out->wide, ticks - DELTA_WIDE); }

/* How all events of a callee and code are written, but for their ticks:
 *
 *   | op bytes, 1 or 2, 2 bits | 24 bits | place of the next event's column, 6 bits
 * | | leaf, 1 bit | 1 bit | long op, 1 bit | operands, 1 bit | delta column of the leaf's return, 4 bits | delta column after a pop, 4 bits
 * | | delta column after a push, 4 bits | op, 16 bits |
 *
 * A place is that of one of the last two columns in the step. */
#define STEP_AFTER_PUSH 16u
#define STEP_AFTER_POP 20u
#define STEP_RETURN_COLUMN 24u
#define STEP_OPERANDS (UINT64_C(1) << 28)
#define STEP_LONG_OP (UINT64_C(1) << 29) /* it takes more than two bytes */
#define STEP_LEAF (UINT64_C(1) << 31)
#define STEP_NEXT_SHIFT 32u
#define STEP_NEXT_MASK 63u
#define STEP_OP_BYTES_SHIFT 62u

static uint32_t op_of(uint64_t event, uint32_t callee)
{
    const uint32_t code = pending_code(event);
    if (code == PENDING_CODE_OTHER)
        return pending_other_op(event);
    return names_callee(code) ? callee - 1 + CPTRACE_OP_CALL : code_without_bit(code);
}

static uint64_t step_of_op(uint32_t op)
{
    if (op >= OP_TWO_BYTES_LIMIT)
        return STEP_LONG_OP | UINT64_C(1) << STEP_OP_BYTES_SHIFT;
    const uint64_t two = op >= 0x80;
    return (op & 0x7f) | two << 7 | op >> 7 << 8 | (1 + two) << STEP_OP_BYTES_SHIFT;
}

/* The step of an event, and of those like it from now on; false: no memory. */
static bool make_step(struct events_encoder *encoder, uint64_t event, uint64_t *step)
{
    const uint32_t code = pending_code(event);
    uint32_t callee;
    if (!find_callee_of(encoder, event, &callee))
        return false;
    const uint8_t *const columns = &encoder->columns[context_of(callee, is_pop(code), 0)];
    *step = step_of_op(op_of(event, callee)) | (uint64_t)columns[0] << STEP_AFTER_PUSH | (uint64_t)columns[1] << STEP_AFTER_POP |
            (uint64_t)(ends_in_pop(code) ? STEP_AFTER_POP : STEP_AFTER_PUSH) << STEP_NEXT_SHIFT | (has_operands(code) ? STEP_OPERANDS : 0);
    if (code == PENDING_CODE_LEAF)
        *step |= STEP_LEAF | (uint64_t)encoder->columns[context_of(callee, 1, 0)] << STEP_RETURN_COLUMN;
    if (callee)
        encoder->steps[event >> PENDING_CODE_SHIFT] = *step;
    return true;
}

/* What few events have; returns where the next op goes. */
static uint8_t *encode_rest(const struct events_encoder *encoder, struct outputs *out, uint64_t event, uint64_t step, uint8_t *op_at)
{
    const uint32_t callee = encoder->numbers[pending_callee(event)];
    if (step & STEP_OPERANDS)
        encode_operands(out, code_without_bit(pending_code(event)), callee);
    return step & STEP_LONG_OP ? store_varint(op_at - 1, op_of(event, callee)) : op_at;
}

/* Writes the columns op and delta, and what few events have besides; false when there is no memory. What the loop needs stands in locals:
 * its stores of bytes may then change none of it. */
static bool encode_events(struct events_encoder *encoder, const struct pending_block *block, struct outputs *out)
{
    const uint64_t *const end = block->events + block->pending_count;
    const uint64_t *steps = encoder->steps;
    uint64_t step_count = encoder->step_function_count * PENDING_CODES;
    uint8_t *op_at = out->op, *delta[DELTA_COLUMNS_MAX];
    memcpy(delta, out->delta, sizeof delta);
    uint32_t place = STEP_AFTER_PUSH;
    for (const uint64_t *at = block->events; at < end; at++) {
        const uint64_t event = *at, number = event >> PENDING_CODE_SHIFT;
        uint64_t step = number < step_count ? steps[number] : 0;
        if (UNLIKELY(step == 0)) {
            uint64_t made;
            if (!make_step(encoder, event, &made))
                return false;
            step = made;
            steps = encoder->steps;
            step_count = encoder->step_function_count * PENDING_CODES;
        }
        uint8_t *const byte = delta[step >> place & (DELTA_COLUMNS_MAX - 1)]++;
        *byte = (uint8_t)event;
        if (UNLIKELY(pending_ticks(event) >= DELTA_WIDE)) {
            *byte = DELTA_WIDE;
            encode_wide(out, pending_ticks(event) == PENDING_TICKS_LONG ? *out->operands++ : pending_ticks(event));
        }
        if (step & STEP_LEAF) {
            *delta[step >> STEP_RETURN_COLUMN & (DELTA_COLUMNS_MAX - 1)]++ = (uint8_t)pending_leaf_ticks(event);
            if (UNLIKELY(pending_leaf_ticks(event) == PENDING_LEAF_TICKS_LONG))
                encode_wide(out, *out->operands++);
        }
        store_u16(op_at, (uint16_t)step);
        op_at += step >> STEP_OP_BYTES_SHIFT;
        if (UNLIKELY(step & (STEP_OPERANDS | STEP_LONG_OP)))
            op_at = encode_rest(encoder, out, event, step, op_at);
        place = step >> STEP_NEXT_SHIFT & STEP_NEXT_MASK;
    }
    out->op = op_at;
    memcpy(out->delta, delta, sizeof delta);
    return true;
}

static bool encode_deltas(struct events_encoder *encoder)
{
    for (uint32_t i = 0; i < encoder->delta_columns; i++)
        if (!cptrace_prefix_encode(encoder->deltas[i], encoder->delta_counts[i], &encoder->code, &encoder->bits))
            return false;
    return true;
}

static void set_lengths(struct events_encoder *encoder, const struct outputs *out)
{
    encoder->op.length = (size_t)(out->op - encoder->op.bytes);
    encoder->start.length = (size_t)(out->start - encoder->start.bytes);
    encoder->resume.length = (size_t)(out->resume - encoder->resume.bytes);
    encoder->reopen.length = (size_t)(out->reopen - encoder->reopen.bytes);
    encoder->wide.length = (size_t)(out->wide - encoder->wide.bytes);
    for (uint32_t i = 0; i < encoder->delta_columns; i++)
        encoder->delta_counts[i] = (uint32_t)(out->delta[i] - encoder->deltas[i]);
}

static bool encode_lengths(struct events_encoder *encoder, const struct pending_block *block)
{
    const size_t lengths[] = {encoder->callee.length,  encoder->open.length,   encoder->op.length,
                              encoder->start.length,   encoder->resume.length, encoder->reopen.length,
                              block->annotation_bytes, encoder->wide.length,   encoder->code.length};
    struct byte_buffer *const to = &encoder->lengths;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        if (!cptrace_buffer_varint(to, lengths[i]))
            return false;
    if (!cptrace_buffer_varint(to, encoder->delta_columns))
        return false;
    for (uint32_t i = 0; i < encoder->delta_columns; i++)
        if (!cptrace_buffer_varint(to, encoder->delta_counts[i]))
            return false;
    return true;
}

bool cptrace_events_encode(struct events_encoder *encoder, const struct pending_block *block)
{
    struct outputs out;
    if (!begin(encoder) || !encode_open(encoder, block) || !sample(encoder, block))
        return false;
    choose_delta_columns(encoder, block->event_count);
    if (!reserve_outputs(encoder, block, &out) || !encode_events(encoder, block, &out))
        return false;
    set_lengths(encoder, &out);
    return encode_deltas(encoder) && encode_callees(encoder) && encode_lengths(encoder, block);
}

void cptrace_events_encoder_free(struct events_encoder *encoder)
{
    cptrace_buffer_free(&encoder->lengths);
    cptrace_buffer_free(&encoder->callee);
    cptrace_buffer_free(&encoder->open);
    cptrace_buffer_free(&encoder->op);
    cptrace_buffer_free(&encoder->start);
    cptrace_buffer_free(&encoder->resume);
    cptrace_buffer_free(&encoder->reopen);
    cptrace_buffer_free(&encoder->delta);
    cptrace_buffer_free(&encoder->wide);
    cptrace_buffer_free(&encoder->code);
    cptrace_buffer_free(&encoder->bits);
    free(encoder->numbers);
    free(encoder->steps);
    free(encoder->callees);
    free(encoder->totals);
    free(encoder->columns);
}

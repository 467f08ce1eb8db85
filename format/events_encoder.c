/* A sample of the events tells which deltas share a column; then one pass writes the columns, and the deltas are coded. */
#include "events_encoder.h"

#include <stdlib.h>
#include <string.h>

#include "idle.h"
#include "pending_event.h"

/* Of the events that wait, the first SAMPLE_EVENTS of every SAMPLE_EVERY are looked at before. */
#define SAMPLE_EVERY 256u
#define SAMPLE_EVENTS 32u
#define SAMPLE_ALL_BELOW 8192u
#define EVENTS_IN_CONTEXT 3u /* a context depends on so many at most */

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

/* A callee that the block has not had yet. False: no memory. */
static bool add_callee(struct events_encoder *encoder, uint64_t key, uint32_t *number)
{
    const bool has_place = key < encoder->number_count && key >> CALLEE_KIND_BITS < encoder->step_function_count;
    if ((!has_place && !grow_numbers(encoder, key)) ||
        !cptrace_array_reserve(&encoder->callees, &encoder->callee_capacity, encoder->callee_count + 1, sizeof *encoder->callees))
        return false;
    encoder->callees[encoder->callee_count++] = key;
    *number = encoder->numbers[key] = (uint32_t)encoder->callee_count;
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

static void begin(struct events_encoder *encoder)
{
    struct byte_buffer *const buffers[] = {&encoder->lengths, &encoder->callee, &encoder->open,   &encoder->op,
                                           &encoder->start,   &encoder->resume, &encoder->reopen, &encoder->wide,
                                           &encoder->code,    &encoder->bits,   &encoder->context};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffers[i]->length = 0;
    for (size_t i = 0; i < encoder->callee_count; i++)
        forget_callee(encoder, encoder->callees[i]);
    encoder->callee_count = 0;
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

static_assert(PENDING_LEAF_TICKS_LONG == DELTA_WIDE, "a leaf's ticks are written as they are");

static bool encode_callees(struct events_encoder *encoder)
{
    struct byte_buffer *const to = &encoder->callee;
    if (!cptrace_buffer_reserve(to, encoder->callee_count * VARINT_MAX_BYTES))
        return false;
    uint8_t *at = to->bytes;
    for (size_t i = 0; i < encoder->callee_count; i++)
        at = store_varint(at, encoder->callees[i]);
    to->length = (size_t)(at - to->bytes);
    return true;
}

/* Where the pass writes. */
struct outputs {
    uint8_t *op, *start, *resume, *reopen, *wide;
    uint8_t *context;
    struct delta_sink deltas;
    const uint64_t *operands;
    uint64_t next_activation, reopened_activation, reopened_start;
};

static bool reserve_outputs(struct events_encoder *encoder, const struct pending_block *block, struct outputs *out)
{
    const size_t operand_bytes = block->operand_count * (VARINT_MAX_BYTES + OP_MAX_BYTES) + 1;
    if (!cptrace_buffer_reserve(&encoder->op, (size_t)block->pending_count * OP_MAX_BYTES) ||
        !cptrace_buffer_reserve(&encoder->wide, (size_t)block->event_count * WIDE_MAX_BYTES + operand_bytes) ||
        !cptrace_buffer_reserve(&encoder->start, operand_bytes) || !cptrace_buffer_reserve(&encoder->resume, operand_bytes) ||
        !cptrace_buffer_reserve(&encoder->reopen, operand_bytes) ||
        !cptrace_buffer_reserve(&encoder->context, encoder->deltas.column_count > 1 ? CONTEXT_COUNT : 1))
        return false;
    *out = (struct outputs){
        .deltas = out->deltas,
        .op = encoder->op.bytes,
        .start = encoder->start.bytes,
        .resume = encoder->resume.bytes,
        .reopen = encoder->reopen.bytes,
        .wide = encoder->wide.bytes,
        .context = encoder->context.bytes,
        .operands = block->operands,
        .reopened_start = block->first_tick,
    };
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
 *   | op bytes, 1 or 2, 2 bits | 11 bits | leaf, 1 bit | long op, 1 bit | operands, 1 bit | 3 bits
 * | | what a leaf's return adds to its context, 13 bits | 3 bits | what the event adds to its context, 13 bits | op, 16 bits | */
#define STEP_CONTEXT_SHIFT 16u
#define STEP_RETURN_CONTEXT_SHIFT 32u
#define STEP_OPERANDS (UINT64_C(1) << 48)
#define STEP_LONG_OP (UINT64_C(1) << 49) /* it takes more than two bytes */
#define STEP_LEAF (UINT64_C(1) << 50)
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
    const uint64_t context = callee ? context_of_callee(callee - 1, is_pop(code)) : CONTEXT_WITHOUT_CALLEE;
    *step = step_of_op(op_of(event, callee)) | context << STEP_CONTEXT_SHIFT | (has_operands(code) ? STEP_OPERANDS : 0);
    if (code == PENDING_CODE_LEAF)
        *step |= STEP_LEAF | (uint64_t)context_of_callee(callee - 1, 1) << STEP_RETURN_CONTEXT_SHIFT;
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

/* False: no memory. Steps may move. */
static inline bool find_step(struct events_encoder *encoder, uint64_t event, uint64_t *step)
{
    const uint64_t number = event >> PENDING_CODE_SHIFT;
    *step = number < encoder->step_function_count * PENDING_CODES ? encoder->steps[number] : 0;
    return *step || make_step(encoder, event, step);
}

static inline uint32_t context_after(uint32_t before, uint64_t step)
{
    return next_context(before, step >> STEP_CONTEXT_SHIFT & (CONTEXT_COUNT - 1));
}

static inline uint32_t context_of_return(uint32_t call, uint64_t step)
{
    return next_context(call, step >> STEP_RETURN_CONTEXT_SHIFT & (CONTEXT_COUNT - 1));
}

static inline uint8_t delta_byte(uint64_t event)
{
    const uint32_t ticks = pending_ticks(event);
    return (uint8_t)(ticks < DELTA_WIDE ? ticks : DELTA_WIDE);
}

static bool sample_range(struct events_encoder *encoder, const uint64_t *events, uint32_t from, uint32_t to)
{
    uint32_t context = 0;
    for (uint32_t i = from < EVENTS_IN_CONTEXT ? 0 : from - EVENTS_IN_CONTEXT; i < to; i++) {
        uint64_t step;
        if (!find_step(encoder, events[i], &step))
            return false;
        context = context_after(context, step);
        if (i >= from)
            delta_columns_sample(&encoder->deltas, context, delta_byte(events[i]));
        if (step & STEP_LEAF) {
            context = context_of_return(context, step);
            if (i >= from)
                delta_columns_sample(&encoder->deltas, context, (uint8_t)pending_leaf_ticks(events[i]));
        }
    }
    return true;
}

static bool sample(struct events_encoder *encoder, const struct pending_block *block)
{
    const uint32_t count = block->pending_count, step = count < SAMPLE_ALL_BELOW ? SAMPLE_EVENTS : SAMPLE_EVERY;
    bool divides;
    if (!cptrace_delta_columns_begin(&encoder->deltas, block->event_count, &divides))
        return false;
    for (uint32_t from = 0; divides && from < count; from += step)
        if (!sample_range(encoder, block->events, from, from + SAMPLE_EVENTS < count ? from + SAMPLE_EVENTS : count))
            return false;
    return true;
}

/* The column of a context, where the next delta goes. */
static inline uint8_t **delta_place(struct events_encoder *encoder, struct outputs *out, struct delta_sink *deltas, uint32_t context)
{
    uint32_t column = deltas->columns[context];
    if (UNLIKELY(column >= CONTEXT_NEW))
        column = cptrace_delta_columns_take(&encoder->deltas, context, &out->context);
    return &deltas->to[column];
}

/* Writes the columns op, context and wide, what few events have besides, and the deltas; false when there is no memory. What the loop needs
 * stands in locals: its stores of bytes may then change none of it. */
static bool encode_events(struct events_encoder *encoder, const struct pending_block *block, struct outputs *out)
{
    const uint64_t *const end = block->events + block->pending_count;
    const uint64_t *steps = encoder->steps;
    uint64_t step_count = encoder->step_function_count * PENDING_CODES;
    struct delta_sink deltas = out->deltas;
    uint8_t *op_at = out->op;
    uint32_t context = 0;
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
        context = context_after(context, step);
        uint8_t *const byte = (*delta_place(encoder, out, &deltas, context))++;
        *byte = (uint8_t)event;
        if (UNLIKELY(pending_ticks(event) >= DELTA_WIDE)) {
            *byte = DELTA_WIDE;
            encode_wide(out, pending_ticks(event) == PENDING_TICKS_LONG ? *out->operands++ : pending_ticks(event));
        }
        if (step & STEP_LEAF) {
            context = context_of_return(context, step);
            *(*delta_place(encoder, out, &deltas, context))++ = (uint8_t)pending_leaf_ticks(event);
            if (UNLIKELY(pending_leaf_ticks(event) == PENDING_LEAF_TICKS_LONG))
                encode_wide(out, *out->operands++);
        }
        store_u16(op_at, (uint16_t)step);
        op_at += step >> STEP_OP_BYTES_SHIFT;
        if (UNLIKELY(step & (STEP_OPERANDS | STEP_LONG_OP)))
            op_at = encode_rest(encoder, out, event, step, op_at);
    }
    out->op = op_at;
    out->deltas = deltas;
    return true;
}

static void set_lengths(struct events_encoder *encoder, const struct outputs *out)
{
    encoder->op.length = (size_t)(out->op - encoder->op.bytes);
    encoder->start.length = (size_t)(out->start - encoder->start.bytes);
    encoder->resume.length = (size_t)(out->resume - encoder->resume.bytes);
    encoder->reopen.length = (size_t)(out->reopen - encoder->reopen.bytes);
    encoder->wide.length = (size_t)(out->wide - encoder->wide.bytes);
    encoder->context.length = (size_t)(out->context - encoder->context.bytes);
}

static bool encode_lengths(struct events_encoder *encoder, const struct pending_block *block, const struct delta_sink *sink)
{
    const struct delta_columns *const deltas = &encoder->deltas;
    const size_t lengths[] = {encoder->callee.length, encoder->open.length,   encoder->op.length,      encoder->start.length,
                              encoder->resume.length, encoder->reopen.length, block->annotation_bytes, encoder->wide.length,
                              encoder->code.length,   encoder->context.length};
    struct byte_buffer *const to = &encoder->lengths;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        if (!cptrace_buffer_varint(to, lengths[i]))
            return false;
    if (!cptrace_buffer_varint(to, deltas->column_count))
        return false;
    for (uint32_t i = 0; i < deltas->column_count; i++)
        if (!cptrace_buffer_varint(to, delta_columns_count(deltas, sink, i)))
            return false;
    return true;
}

bool cptrace_events_encode(struct events_encoder *encoder, const struct pending_block *block)
{
    struct outputs out;
    begin(encoder);
    if (!encode_open(encoder, block) || !sample(encoder, block) ||
        !cptrace_delta_columns_choose(&encoder->deltas, block->event_count, &out.deltas) || !reserve_outputs(encoder, block, &out) ||
        !encode_events(encoder, block, &out))
        return false;
    set_lengths(encoder, &out);
    return cptrace_delta_columns_encode(&encoder->deltas, &out.deltas, &encoder->code, &encoder->bits) && encode_callees(encoder) &&
           encode_lengths(encoder, block, &out.deltas);
}

/* ---- between blocks ---- */

/* What is kept has tables of so many functions at most, 2.4 MB. */
#define KEPT_FUNCTIONS_MAX 16384u

static idle_place idle_encoder;

static void free_encoder(struct events_encoder *encoder)
{
    if (!encoder)
        return;
    struct byte_buffer *const buffers[] = {&encoder->lengths, &encoder->callee, &encoder->open,   &encoder->op,
                                           &encoder->start,   &encoder->resume, &encoder->reopen, &encoder->wide,
                                           &encoder->code,    &encoder->bits,   &encoder->context};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        cptrace_buffer_free(buffers[i]);
    free(encoder->numbers);
    free(encoder->steps);
    free(encoder->callees);
    cptrace_delta_columns_free(&encoder->deltas);
    free(encoder);
}

struct events_encoder *cptrace_events_encoder_take(void)
{
    struct events_encoder *const idle = idle_exchange(&idle_encoder, NULL);
    return idle ? idle : calloc(1, sizeof *idle);
}

void cptrace_events_encoder_put_back(struct events_encoder *encoder)
{
    const bool is_kept = encoder->step_function_count <= KEPT_FUNCTIONS_MAX;
    free_encoder(is_kept ? idle_exchange(&idle_encoder, encoder) : encoder);
}

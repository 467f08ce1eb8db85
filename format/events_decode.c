/* Decodes one events block. Calls and returns, nearly all events, take a path without branches on their length, and with one on their kind:
 * whether they are one of the two, both at once, or something else. */
#include <stdlib.h>
#include <string.h>

#include "annotation_reader.h"
#include "byte_buffer.h"
#include "error.h"
#include "events_header.h"
#include "prefix_code.h"
#include "suspension_order.h"

#if defined(__GNUC__)
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define LIKELY(condition) (condition)
#define UNLIKELY(condition) (condition)
#endif

#define COLUMN_BITS 4u
static_assert(1u << COLUMN_BITS == DELTA_COLUMNS_MAX && COLUMN_BITS * DELTA_CONTEXTS == 16, "the delta columns of a callee fill a u16");
#define PUSH_SHIFT 0u
#define POP_SHIFT (2 * COLUMN_BITS)

/* An entry of the column callee. */
struct callee {
    uint32_t function;
    uint16_t columns; /* four bits per context: which delta column */
    uint8_t kind;     /* enum callee_kind */
};

struct suspension {
    uint32_t activation, callee;
};

/* What nearly every event changes. Neighbours are of different sizes, or compilers hold two of them in one vector, and wait for it. */
struct position {
    uint64_t tick;
    uint32_t after_pop; /* COLUMN_BITS: the event before popped a call; else 0 */
    size_t depth;
    uint32_t left; /* events */
    struct cptrace_event *out;
    const uint8_t *op;
};

struct decoder {
    const struct cptrace_block *block;
    struct cptrace_events *out;
    struct cptrace_error *error;
    struct cursor start, resume, reopen, annotation, wide;
    uint32_t delta_columns;
    const uint8_t *delta[DELTA_COLUMNS_MAX], *delta_end[DELTA_COLUMNS_MAX];
    struct callee *callees;
    uint32_t callee_count;
    uint32_t *stack;       /* callees */
    uint32_t *activations; /* by depth, of the calls that are one */
    uint64_t last_tick;
    const uint8_t *op_end;
    struct position at;
    uint64_t next_activation, reopened_activation, reopened_start;
    struct suspension_order order;
    struct suspension *suspensions; /* by number */
    size_t suspension_capacity;
    struct cpu_base cpu_base;
};

static enum cptrace_status corrupt(const struct decoder *decoder, const char *what, const char *problem)
{
    return cptrace_error_set(decoder->error, CPTRACE_CORRUPT, decoder->block->offset, "%s of event %zu: %s", what,
                             (size_t)(decoder->at.out - decoder->out->events), problem);
}

static enum cptrace_status no_memory(const struct decoder *decoder)
{
    return cptrace_error_no_memory(decoder->error, decoder->block->offset);
}

/* The activation number of a difference from another. */
static bool read_activation(struct cursor *cursor, uint64_t base, uint32_t *activation)
{
    uint64_t difference;
    if (!cursor_varint(cursor, &difference))
        return false;
    /* In 64 bits without a sign: wrapping is defined, and what wraps is out of range. */
    const uint64_t sum = base + (uint64_t)unzigzag(difference);
    *activation = (uint32_t)sum;
    return sum < CPTRACE_NO_NUMBER;
}

static void push_activation(struct decoder *decoder, uint32_t callee, uint32_t activation)
{
    decoder->activations[decoder->at.depth] = activation;
    decoder->stack[decoder->at.depth++] = callee;
}

static enum cptrace_status read_start(struct decoder *decoder, uint32_t callee)
{
    uint32_t activation;
    if (!read_activation(&decoder->start, decoder->next_activation, &activation))
        return corrupt(decoder, "start", "no valid activation");
    decoder->next_activation = activation + UINT64_C(1);
    push_activation(decoder, callee, activation);
    return CPTRACE_OK;
}

static enum cptrace_status read_reopen(struct decoder *decoder)
{
    uint32_t activation, callee;
    uint64_t difference;
    if (!read_activation(&decoder->reopen, decoder->reopened_activation, &activation))
        return corrupt(decoder, "reopen", "no valid activation");
    if (!cursor_varint_u32(&decoder->reopen, &callee) || callee >= decoder->callee_count ||
        decoder->callees[callee].kind != CALLEE_ACTIVATION)
        return corrupt(decoder, "reopen", "no callee that is an activation");
    if (!cursor_varint(&decoder->reopen, &difference))
        return corrupt(decoder, "reopen", "no valid start tick");
    decoder->reopened_activation = activation;
    decoder->reopened_start += (uint64_t)unzigzag(difference);
    push_activation(decoder, callee, activation);
    return CPTRACE_OK;
}

static enum cptrace_status read_resume(struct decoder *decoder)
{
    struct suspension_order *const order = &decoder->order;
    uint64_t back;
    if (!cursor_varint(&decoder->resume, &back) || back > order->count)
        return corrupt(decoder, "resume", "no valid suspension");
    const size_t number = back ? order->count - (size_t)back : cptrace_suspension_newest(order);
    if (number == order->count || order->is_resumed[number])
        return corrupt(decoder, "resume", "no call is suspended there");
    suspension_resume(order, (uint32_t)number);
    push_activation(decoder, decoder->suspensions[number].callee, decoder->suspensions[number].activation);
    return CPTRACE_OK;
}

static enum cptrace_status suspend(struct decoder *decoder)
{
    if (decoder->at.depth == 0 || decoder->callees[decoder->stack[decoder->at.depth - 1]].kind != CALLEE_ACTIVATION)
        return corrupt(decoder, "suspend", "the top call is no generator or coroutine");
    const size_t number = decoder->order.count;
    if (!cptrace_array_reserve(&decoder->suspensions, &decoder->suspension_capacity, number + 1, sizeof *decoder->suspensions) ||
        !cptrace_suspension_add(&decoder->order))
        return no_memory(decoder);
    decoder->at.depth--;
    decoder->suspensions[number] = (struct suspension){decoder->activations[decoder->at.depth], decoder->stack[decoder->at.depth]};
    return CPTRACE_OK;
}

static enum cptrace_status add_start(struct decoder *decoder, uint64_t start_tick)
{
    struct cptrace_events *const out = decoder->out;
    if (start_tick > decoder->at.tick)
        return corrupt(decoder, "reopen", "the call starts later");
    if (!cptrace_array_reserve(&out->starts, &out->start_capacity, out->start_count + 1, sizeof *out->starts))
        return no_memory(decoder);
    const uint32_t callee = decoder->stack[decoder->at.depth - 1];
    out->starts[out->start_count++] = (struct cptrace_activation_start){
        decoder->activations[decoder->at.depth - 1],
        decoder->callees[callee].function,
        start_tick,
    };
    return CPTRACE_OK;
}

/* Member by member: what lies between them need not be written. */
static inline void put_event(struct position *at, uint32_t op, uint32_t value)
{
    at->out->tick = at->tick;
    at->out->value = value;
    at->out->op = (uint8_t)op;
    at->out++;
}

static void emit(struct decoder *decoder, uint32_t op, uint32_t value) { put_event(&decoder->at, op, value); }

static enum cptrace_status read_annotation(struct decoder *decoder, uint32_t kind)
{
    struct cptrace_events *const out = decoder->out;
    struct cptrace_string payload;
    if (!cursor_string(&decoder->annotation, &payload))
        return corrupt(decoder, "annotation", "longer than its column");
    if (kind > CPTRACE_ANNOTATION_OMITTED_OUTER)
        return CPTRACE_OK; /* reserved */
    if (kind == CPTRACE_ANNOTATION_ARGUMENTS && decoder->at.depth == 0)
        return corrupt(decoder, "arguments", "no call is open");
    if (!cptrace_array_reserve(&out->annotations, &out->annotation_capacity, out->annotation_count + 1, sizeof *out->annotations))
        return no_memory(decoder);
    struct cptrace_annotation *const annotation = &out->annotations[out->annotation_count];
    if (!cptrace_annotation_parse((enum cptrace_annotation_kind)kind, payload, &decoder->cpu_base, annotation))
        return corrupt(decoder, "annotation", "its bytes are not what its kind asks for");
    if (kind == CPTRACE_ANNOTATION_OMITTED_OUTER && (annotation->levels == 0 || annotation->levels > decoder->at.depth))
        return corrupt(decoder, "omitted outer", "no call is open there");
    emit(decoder, kind, (uint32_t)out->annotation_count++);
    return CPTRACE_OK;
}

static inline uint32_t column_of(const struct callee *callee, bool is_pop, uint32_t after_pop)
{
    return callee->columns >> ((is_pop ? POP_SHIFT : PUSH_SHIFT) + after_pop) & (DELTA_COLUMNS_MAX - 1);
}

/* The delta of a byte that says that there is more; false: none that is valid. */
static bool read_wide(struct decoder *decoder, uint64_t tick, uint64_t *delta)
{
    uint64_t more;
    if (tick > decoder->last_tick || decoder->last_tick - tick < DELTA_WIDE || !cursor_varint(&decoder->wide, &more) ||
        more > decoder->last_tick - tick - DELTA_WIDE)
        return false;
    *delta = DELTA_WIDE + more;
    return true;
}

/* Whether columns were as long as their events asked for is looked at in the end: up to then there is room behind them. */
static inline bool next_tick(struct decoder *decoder, uint32_t column, uint64_t *tick)
{
    uint64_t delta = *decoder->delta[column]++;
    if (UNLIKELY(delta == DELTA_WIDE) && !read_wide(decoder, *tick, &delta))
        return false;
    *tick += delta;
    return true;
}

/* What an op other than a plain call does to the stack; a return or unwind comes here when there is nothing to return from. */
static enum cptrace_status move_stack(struct decoder *decoder, uint64_t op)
{
    switch (op) {
    case CPTRACE_OP_RETURN:
    case CPTRACE_OP_UNWIND:
        return corrupt(decoder, "return", "no call is open");
    case CPTRACE_OP_SUSPEND:
        return suspend(decoder);
    case CPTRACE_OP_RESUME:
        return read_resume(decoder);
    case CPTRACE_OP_REOPEN:
        return read_reopen(decoder);
    case CPTRACE_OP_THROW:
        return decoder->at.depth ? CPTRACE_OK : corrupt(decoder, "throw", "no call is open");
    case CPTRACE_OP_START:
    case 7:
        return corrupt(decoder, "op", "5 and 7 are reserved");
    default:
        return op < CPTRACE_OP_CALL ? CPTRACE_OK : read_start(decoder, (uint32_t)op - CPTRACE_OP_CALL);
    }
}

static uint32_t rare_column(const struct decoder *decoder, uint64_t op)
{
    const uint32_t *const end = decoder->stack + decoder->at.depth;
    if (op == CPTRACE_OP_SUSPEND)
        return column_of(&decoder->callees[*end], true, decoder->at.after_pop);
    if (op >= CPTRACE_OP_THROW && op < CPTRACE_OP_CALL)
        return 0;
    return column_of(&decoder->callees[end[-1]], false, decoder->at.after_pop);
}

/* Of an event whose stack and tick are known. */
static enum cptrace_status emit_rare(struct decoder *decoder, uint64_t op)
{
    const uint32_t activation = decoder->at.depth ? decoder->activations[decoder->at.depth - 1] : 0;
    enum cptrace_status status = CPTRACE_OK;
    switch (op) {
    case CPTRACE_OP_SUSPEND:
    case CPTRACE_OP_THROW:
        emit(decoder, (uint32_t)op, 0);
        return CPTRACE_OK;
    case CPTRACE_OP_RESUME:
        emit(decoder, CPTRACE_OP_RESUME, activation);
        return CPTRACE_OK;
    case CPTRACE_OP_REOPEN:
        status = add_start(decoder, decoder->reopened_start);
        emit(decoder, CPTRACE_OP_REOPEN, activation);
        return status;
    default:
        if (op < CPTRACE_OP_CALL)
            return read_annotation(decoder, (uint32_t)op);
        status = add_start(decoder, decoder->at.tick);
        emit(decoder, CPTRACE_OP_START, activation);
        return status;
    }
}

/* Everything but plain calls, return and unwind. */
static enum cptrace_status decode_rare(struct decoder *decoder, uint64_t op)
{
    const enum cptrace_status status = move_stack(decoder, op);
    if (status != CPTRACE_OK)
        return status;
    if (!next_tick(decoder, rare_column(decoder, op), &decoder->at.tick))
        return corrupt(decoder, "delta", "not valid, or after the last tick");
    decoder->at.after_pop = op == CPTRACE_OP_SUSPEND ? COLUMN_BITS : 0;
    return emit_rare(decoder, op);
}

/* The ways of nearly all events. Where anything is out of the ordinary in the last three, nothing is done, and decode_rare says what: they
 * do what it does for read_start, suspend and read_resume. */
enum outcome { DONE, RARE, NO_DELTA };

static inline enum outcome decode_call(struct decoder *decoder, struct position *at, uint32_t number)
{
    const struct callee *const callee = &decoder->callees[number];
    if (UNLIKELY(!next_tick(decoder, column_of(callee, false, at->after_pop), &at->tick)))
        return NO_DELTA;
    decoder->stack[at->depth++] = number;
    at->after_pop = 0;
    put_event(at, CPTRACE_OP_CALL, callee->function);
    return DONE;
}

static inline enum outcome decode_leaf(struct decoder *decoder, struct position *at, const struct callee *callee)
{
    if (UNLIKELY(!next_tick(decoder, column_of(callee, false, at->after_pop), &at->tick)))
        return NO_DELTA;
    put_event(at, CPTRACE_OP_CALL, callee->function);
    if (UNLIKELY(!next_tick(decoder, column_of(callee, true, 0), &at->tick)))
        return NO_DELTA;
    at->after_pop = COLUMN_BITS;
    put_event(at, CPTRACE_OP_RETURN, 0);
    return DONE;
}

/* Or an unwind. */
static inline enum outcome decode_return(struct decoder *decoder, struct position *at, uint32_t op)
{
    if (UNLIKELY(at->depth == 0))
        return RARE;
    const struct callee *const callee = &decoder->callees[decoder->stack[--at->depth]];
    if (UNLIKELY(!next_tick(decoder, column_of(callee, true, at->after_pop), &at->tick)))
        return NO_DELTA;
    at->after_pop = COLUMN_BITS;
    put_event(at, op, 0);
    return DONE;
}

static inline enum outcome decode_start(struct decoder *decoder, struct position *at, uint32_t number)
{
    struct cptrace_events *const out = decoder->out;
    const uint32_t activation = (uint32_t)decoder->next_activation;
    if (UNLIKELY(cursor_left(&decoder->start) == 0 || *decoder->start.at != 0 || decoder->next_activation >= CPTRACE_NO_NUMBER ||
                 out->start_count >= out->start_capacity))
        return RARE;
    const struct callee *const callee = &decoder->callees[number];
    if (UNLIKELY(!next_tick(decoder, column_of(callee, false, at->after_pop), &at->tick)))
        return NO_DELTA;
    decoder->start.at++;
    decoder->next_activation++;
    decoder->activations[at->depth] = activation;
    decoder->stack[at->depth++] = number;
    at->after_pop = 0;
    out->starts[out->start_count++] = (struct cptrace_activation_start){activation, callee->function, at->tick};
    put_event(at, CPTRACE_OP_START, activation);
    return DONE;
}

static inline enum outcome decode_suspend(struct decoder *decoder, struct position *at)
{
    struct suspension_order *const order = &decoder->order;
    if (UNLIKELY(at->depth == 0 || order->count >= order->capacity || order->count >= decoder->suspension_capacity))
        return RARE;
    const uint32_t number = decoder->stack[at->depth - 1];
    const struct callee *const callee = &decoder->callees[number];
    if (UNLIKELY(callee->kind != CALLEE_ACTIVATION))
        return RARE;
    if (UNLIKELY(!next_tick(decoder, column_of(callee, true, at->after_pop), &at->tick)))
        return NO_DELTA;
    at->depth--;
    decoder->suspensions[order->count] = (struct suspension){decoder->activations[at->depth], number};
    suspension_order_append(order);
    at->after_pop = COLUMN_BITS;
    put_event(at, CPTRACE_OP_SUSPEND, 0);
    return DONE;
}

static inline enum outcome decode_resume(struct decoder *decoder, struct position *at)
{
    struct suspension_order *const order = &decoder->order;
    if (UNLIKELY(cursor_left(&decoder->resume) == 0 || *decoder->resume.at >= 0x80 || *decoder->resume.at > order->count))
        return RARE;
    const size_t back = *decoder->resume.at, which = back ? order->count - back : cptrace_suspension_newest(order);
    if (UNLIKELY(which == order->count || order->is_resumed[which]))
        return RARE;
    const struct suspension *const suspended = &decoder->suspensions[which];
    const struct callee *const callee = &decoder->callees[suspended->callee];
    if (UNLIKELY(!next_tick(decoder, column_of(callee, false, at->after_pop), &at->tick)))
        return NO_DELTA;
    decoder->resume.at++;
    suspension_resume(order, (uint32_t)which);
    decoder->activations[at->depth] = suspended->activation;
    decoder->stack[at->depth++] = suspended->callee;
    at->after_pop = 0;
    put_event(at, CPTRACE_OP_RESUME, suspended->activation);
    return DONE;
}

static inline enum outcome decode_one(struct decoder *decoder, struct position *at, uint32_t op)
{
    if (op >= CPTRACE_OP_CALL) {
        const struct callee *const callee = &decoder->callees[op - CPTRACE_OP_CALL];
        if (callee->kind == CALLEE_LEAF)
            return LIKELY(--at->left > 0) ? decode_leaf(decoder, at, callee) : NO_DELTA;
        if (LIKELY(callee->kind == CALLEE_PLAIN))
            return decode_call(decoder, at, op - CPTRACE_OP_CALL);
        return decode_start(decoder, at, op - CPTRACE_OP_CALL);
    }
    if (LIKELY(op <= CPTRACE_OP_UNWIND))
        return decode_return(decoder, at, op);
    if (op == CPTRACE_OP_SUSPEND)
        return decode_suspend(decoder, at);
    return op == CPTRACE_OP_RESUME ? decode_resume(decoder, at) : RARE;
}

/* An op of one or two bytes is read without a branch on which, but for the last byte of the column; the others go to cursor_varint. */
#define SHORT_OP_LIMIT (1u << 14)

static inline bool next_op(const uint8_t *end, struct position *at, uint64_t *op)
{
    if (LIKELY(end - at->op >= 2)) {
        const uint32_t both = load_u16(at->op), two = both >> 7 & 1;
        const uint32_t value = (both & 0x7F) | (both >> 1 & 0x7F80 & (0u - two));
        /* Two bytes that are the longer form of one are below its limit, and what has a third byte is above theirs. */
        if (LIKELY(value - (two << 7) < SHORT_OP_LIMIT - (1u << 7))) {
            at->op += 1 + two;
            *op = value;
            return true;
        }
    }
    struct cursor cursor = {at->op, end};
    const bool is_valid = cursor_varint(&cursor, op);
    at->op = cursor.at;
    return is_valid;
}

static enum cptrace_status decode_events(struct decoder *decoder, uint32_t event_count)
{
    struct position at = decoder->at; /* a copy whose address stays here lets the compiler keep it in registers */
    const uint64_t op_limit = CPTRACE_OP_CALL + (uint64_t)decoder->callee_count;
    const uint8_t *const op_end = decoder->op_end;
    const char *problem = NULL;
    for (at.left = event_count; at.left > 0; at.left--) {
        uint64_t op = 0;
        if (UNLIKELY(!next_op(op_end, &at, &op) || op >= op_limit)) {
            problem = "no valid op";
            break;
        }
        const enum outcome outcome = decode_one(decoder, &at, (uint32_t)op);
        if (LIKELY(outcome == DONE))
            continue;
        if (outcome == NO_DELTA) {
            problem = at.left ? "no valid delta" : "a return after the last event";
            break;
        }
        decoder->at = at;
        const enum cptrace_status status = decode_rare(decoder, op);
        if (status != CPTRACE_OK)
            return status;
        at = decoder->at;
    }
    decoder->at = at;
    return problem ? corrupt(decoder, "op or delta", problem) : CPTRACE_OK;
}

static enum cptrace_status decode_callees(struct decoder *decoder, const struct events_header *header)
{
    struct cursor from = header->callee;
    while (cursor_left(&from)) {
        struct callee *const callee = &decoder->callees[decoder->callee_count];
        uint64_t entry;
        if (!cursor_varint(&from, &entry) || entry >> header->kind_bits >= CPTRACE_NO_NUMBER)
            return corrupt(decoder, "column callee", "no valid function");
        *callee = (struct callee){
            .function = (uint32_t)(entry >> header->kind_bits),
            .kind = (uint8_t)(entry & ((1u << header->kind_bits) - 1)),
        };
        if (callee->kind > CALLEE_LEAF)
            return corrupt(decoder, "column callee", "reserved kind");
        if (header->delta_columns > 1) {
            if (cursor_left(&from) < 2)
                return corrupt(decoder, "column callee", "its delta columns are missing");
            callee->columns = load_u16(from.at);
            from.at += 2;
        }
        for (int shift = 0; shift < 16; shift += COLUMN_BITS)
            if ((callee->columns >> shift & (DELTA_COLUMNS_MAX - 1)) >= header->delta_columns)
                return corrupt(decoder, "column callee", "no such delta column");
        if (callee->function >= decoder->out->function_limit)
            decoder->out->function_limit = callee->function + 1;
        decoder->callee_count++;
    }
    return CPTRACE_OK;
}

static enum cptrace_status decode_open(struct decoder *decoder, struct events_header *header)
{
    struct cptrace_events *const out = decoder->out;
    for (uint32_t i = 0; i < header->open_count; i++) {
        uint32_t callee, activation = CPTRACE_NO_NUMBER;
        uint64_t age;
        if (!cursor_varint_u32(&header->open, &callee) || callee >= decoder->callee_count)
            return corrupt(decoder, "column open", "no valid callee");
        if (!cursor_varint(&header->open, &age) || age > out->first_tick)
            return corrupt(decoder, "column open", "no valid age");
        const uint8_t kind = decoder->callees[callee].kind;
        if (kind == CALLEE_LEAF)
            return corrupt(decoder, "column open", "a leaf is not open");
        if (kind == CALLEE_ACTIVATION && (!cursor_varint_u32(&header->open, &activation) || activation == CPTRACE_NO_NUMBER))
            return corrupt(decoder, "column open", "no valid activation");
        push_activation(decoder, callee, activation);
        out->open[out->open_count++] = (struct cptrace_open_call){
            .function = decoder->callees[callee].function,
            .activation = activation,
            .start_tick = out->first_tick - age,
        };
    }
    return cursor_left(&header->open) == 0 ? CPTRACE_OK : corrupt(decoder, "column open", "bytes behind the last call");
}

static enum cptrace_status check_end(const struct decoder *decoder)
{
    for (uint32_t i = 0; i < decoder->delta_columns; i++)
        if (decoder->delta[i] != decoder->delta_end[i])
            return corrupt(decoder, "delta", "its events take more or less of a column than it has");
    if (decoder->at.op != decoder->op_end || cursor_left(&decoder->start) || cursor_left(&decoder->resume) ||
        cursor_left(&decoder->reopen) || cursor_left(&decoder->annotation) || cursor_left(&decoder->wide))
        return corrupt(decoder, "columns", "bytes behind the last event");
    if (decoder->at.tick != decoder->last_tick)
        return corrupt(decoder, "delta", "the sum differs from the last tick");
    return CPTRACE_OK;
}

static enum cptrace_status corrupt_column(const struct decoder *decoder, uint32_t number, const char *problem)
{
    return cptrace_error_set(decoder->error, CPTRACE_CORRUPT, decoder->block->offset, "delta column %u: %s", number, problem);
}

/* A column that stands as it is. NULL, or what is wrong with it, as below. */
static const char *copy_column(struct cursor *from, uint8_t *to, uint32_t count)
{
    if (count > cursor_left(from))
        return "longer than the block";
    memcpy(to, from->at, count);
    from->at += count;
    return NULL;
}

static const char *decode_column(struct events_header *header, uint8_t *to, uint32_t count)
{
    if (!header->is_coded)
        return copy_column(&header->deltas, to, count);
    if (cursor_left(&header->code) == 0 || *header->code.at != 0)
        return cptrace_prefix_decode(&header->code, &header->bits, to, count);
    header->code.at++;
    return copy_column(&header->bits, to, count);
}

static enum cptrace_status decode_deltas(struct decoder *decoder, struct events_header *header)
{
    struct cptrace_events *const out = decoder->out;
    const size_t count = header->event_count;
    if (!cptrace_array_reserve(&out->deltas, &out->deltas_capacity, 2 * count, sizeof *out->deltas))
        return no_memory(decoder);
    uint8_t *to = out->deltas;
    for (uint32_t i = 0; i < header->delta_columns; i++) {
        const char *const problem = decode_column(header, to, header->delta_counts[i]);
        if (problem)
            return corrupt_column(decoder, i, problem);
        decoder->delta[i] = to;
        to += header->delta_counts[i];
        decoder->delta_end[i] = to;
    }
    memset(to, 0, count); /* where events take more of a column than it has */
    if (header->is_coded && (cursor_left(&header->code) || cursor_left(&header->bits)))
        return corrupt_column(decoder, header->delta_columns, "bytes behind the last one");
    decoder->delta_columns = header->delta_columns;
    return CPTRACE_OK;
}

static bool reserve(struct decoder *decoder, const struct events_header *header)
{
    struct cptrace_events *const out = decoder->out;
    const size_t depth_max = (size_t)header->open_count + header->event_count;
    decoder->callees = malloc((cursor_left(&header->callee) + 1) * sizeof *decoder->callees);
    if (!decoder->callees || !cptrace_array_reserve(&out->stack, &out->stack_capacity, 2 * depth_max, sizeof *out->stack))
        return false;
    decoder->stack = out->stack;
    decoder->activations = out->stack + depth_max;
    return cptrace_array_reserve(&out->open, &out->open_capacity, header->open_count, sizeof *out->open) &&
           cptrace_array_reserve(&out->events, &out->event_capacity, header->event_count, sizeof *out->events);
}

static bool begins_with_leaf(const struct decoder *decoder)
{
    struct cursor op = {decoder->at.op, decoder->op_end};
    uint64_t first;
    return cursor_varint(&op, &first) && first >= CPTRACE_OP_CALL && first - CPTRACE_OP_CALL < decoder->callee_count &&
           decoder->callees[first - CPTRACE_OP_CALL].kind == CALLEE_LEAF;
}

static enum cptrace_status decode_all_events(struct decoder *decoder, uint32_t event_count)
{
    const bool is_leaf = event_count > 1 && begins_with_leaf(decoder);
    const uint32_t first_count = is_leaf ? 2 : 1;
    const enum cptrace_status status = decode_events(decoder, first_count);
    if (status != CPTRACE_OK)
        return status;
    if ((is_leaf ? decoder->out->events->tick : decoder->at.tick) != decoder->out->first_tick)
        return corrupt(decoder, "delta", "expected 0 for the first event");
    return decode_events(decoder, event_count - first_count);
}

static enum cptrace_status decode_columns(struct decoder *decoder, struct events_header *header)
{
    decoder->at.out = decoder->out->events;
    enum cptrace_status status = decode_deltas(decoder, header);
    if (status == CPTRACE_OK)
        status = decode_callees(decoder, header);
    if (status == CPTRACE_OK)
        status = decode_open(decoder, header);
    if (status == CPTRACE_OK)
        status = decode_all_events(decoder, header->event_count);
    decoder->out->event_count = (size_t)(decoder->at.out - decoder->out->events);
    return status == CPTRACE_OK ? check_end(decoder) : status;
}

enum cptrace_status cptrace_events_decode(const struct cptrace_block *block, struct cptrace_events *events, struct cptrace_error *error)
{
    events->open_count = events->event_count = events->start_count = events->annotation_count = 0;
    events->function_limit = 0;
    struct events_header header;
    enum cptrace_status status = cptrace_events_header_parse(block, &header, error);
    if (status != CPTRACE_OK)
        return status;
    events->lane = header.lane;
    events->first_tick = header.first_tick;
    events->last_tick = header.last_tick;
    events->calibration = header.calibration;
    struct decoder decoder = {
        .block = block,
        .out = events,
        .error = error,
        .start = header.start,
        .resume = header.resume,
        .reopen = header.reopen,
        .annotation = header.annotation,
        .wide = header.wide,
        .op_end = header.op.end,
        .at = {.op = header.op.at, .tick = header.first_tick},
        .last_tick = header.last_tick,
        .reopened_start = header.first_tick,
    };
    status = reserve(&decoder, &header) ? decode_columns(&decoder, &header) : no_memory(&decoder);
    free(decoder.callees);
    free(decoder.suspensions);
    cptrace_suspension_order_free(&decoder.order);
    return status;
}

void cptrace_events_free(struct cptrace_events *events)
{
    free(events->open);
    free(events->events);
    free(events->starts);
    free(events->annotations);
    free(events->stack);
    free(events->deltas);
    *events = (struct cptrace_events){0};
}

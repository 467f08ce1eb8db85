/* Decodes one events block. Calls and returns, nearly all events, take a path without branches on their kind or length. */
#include <stdlib.h>
#include <string.h>

#include "annotation_reader.h"
#include "byte_buffer.h"
#include "error.h"
#include "events_header.h"

#if defined(__GNUC__)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define UNLIKELY(condition) (condition)
#endif

/* Which activations the block has mentioned so far; filled when the first resume asks. */
struct mentions {
    uint32_t *slots; /* open addressing: CPTRACE_NO_NUMBER is free */
    size_t slot_count, count;
    size_t starts_taken; /* of events->starts */
};

struct decoder {
    const struct cptrace_block *block;
    struct cptrace_events *out;
    struct cptrace_error *error;
    struct cursor op, delta, operand;
    uint8_t *suspendable; /* per call on the stack: has an activation */
    size_t depth;
    uint64_t tick, last_tick;
    uint32_t previous_activation;
    struct cpu_base cpu_base;
    struct mentions mentions;
};

static enum cptrace_status corrupt(const struct decoder *decoder, const char *what, const char *problem)
{
    return cptrace_error_set(decoder->error, CPTRACE_CORRUPT, decoder->block->offset, "%s of event %zu: %s", what,
                             decoder->out->event_count, problem);
}

static enum cptrace_status no_memory(const struct decoder *decoder)
{
    return cptrace_error_no_memory(decoder->error, decoder->block->offset);
}

static size_t mention_slot(const struct mentions *mentions, uint32_t activation)
{
    size_t i = (activation * UINT32_C(2654435769)) & (mentions->slot_count - 1);
    while (mentions->slots[i] != CPTRACE_NO_NUMBER && mentions->slots[i] != activation)
        i = (i + 1) & (mentions->slot_count - 1);
    return i;
}

static bool grow_mentions(struct mentions *mentions)
{
    const struct mentions old = *mentions;
    const size_t slot_count = old.slot_count ? old.slot_count * 2 : 256;
    uint32_t *const slots = malloc(slot_count * sizeof *slots);
    if (!slots)
        return false;
    memset(slots, 0xFF, slot_count * sizeof *slots);
    mentions->slots = slots;
    mentions->slot_count = slot_count;
    for (size_t i = 0; i < old.slot_count; i++)
        if (old.slots[i] != CPTRACE_NO_NUMBER)
            slots[mention_slot(mentions, old.slots[i])] = old.slots[i];
    free(old.slots);
    return true;
}

static bool mention(struct mentions *mentions, uint32_t activation)
{
    if (mentions->count >= mentions->slot_count / 2 && !grow_mentions(mentions))
        return false;
    uint32_t *const slot = &mentions->slots[mention_slot(mentions, activation)];
    mentions->count += *slot != activation;
    *slot = activation;
    return true;
}

/* Brings the mentions up to the event before this one. */
static bool update_mentions(struct decoder *decoder)
{
    struct mentions *const mentions = &decoder->mentions;
    const struct cptrace_events *const out = decoder->out;
    if (!mentions->slots) {
        if (!grow_mentions(mentions))
            return false;
        for (size_t i = 0; i < out->open_count; i++)
            if (out->open[i].activation != CPTRACE_NO_NUMBER && !mention(mentions, out->open[i].activation))
                return false;
    }
    for (; mentions->starts_taken < out->start_count; mentions->starts_taken++)
        if (!mention(mentions, out->starts[mentions->starts_taken].activation))
            return false;
    return true;
}

static bool read_activation(struct decoder *decoder, uint32_t *activation)
{
    uint64_t difference;
    if (!cursor_varint(&decoder->operand, &difference))
        return false;
    /* In 64 bits without a sign: wrapping is defined, and what wraps is out of range. */
    const uint64_t sum = decoder->previous_activation + (uint64_t)unzigzag(difference);
    if (sum >= CPTRACE_NO_NUMBER)
        return false;
    *activation = decoder->previous_activation = (uint32_t)sum;
    return true;
}

static enum cptrace_status read_start(struct decoder *decoder, bool reopened, uint32_t *activation)
{
    struct cptrace_events *const out = decoder->out;
    struct cptrace_activation_start start;
    uint64_t age = 0;
    if (!read_activation(decoder, &start.activation))
        return corrupt(decoder, "operand", "no valid activation");
    if (!cursor_varint_u32(&decoder->operand, &start.function) || start.function == CPTRACE_NO_NUMBER)
        return corrupt(decoder, "operand", "no valid function");
    if (reopened && (!cursor_varint(&decoder->operand, &age) || age > decoder->tick))
        return corrupt(decoder, "operand", "no valid age");
    start.start_tick = decoder->tick - age;
    if (!cptrace_array_reserve(&out->starts, &out->start_capacity, out->start_count + 1, sizeof *out->starts))
        return no_memory(decoder);
    out->starts[out->start_count++] = start;
    if (start.function >= out->function_limit)
        out->function_limit = start.function + 1;
    *activation = start.activation;
    return CPTRACE_OK;
}

static enum cptrace_status read_resume(struct decoder *decoder, uint32_t *activation)
{
    if (!read_activation(decoder, activation))
        return corrupt(decoder, "operand", "no valid activation");
    if (!update_mentions(decoder))
        return no_memory(decoder);
    if (decoder->mentions.slots[mention_slot(&decoder->mentions, *activation)] != *activation)
        return corrupt(decoder, "resume", "the block does not mention the activation before");
    return CPTRACE_OK;
}

static void emit(struct decoder *decoder, uint32_t op, uint32_t value)
{
    struct cptrace_events *const out = decoder->out;
    out->events[out->event_count++] = (struct cptrace_event){.tick = decoder->tick, .value = value, .op = (uint8_t)op};
}

static enum cptrace_status read_annotation(struct decoder *decoder, uint32_t kind)
{
    struct cptrace_events *const out = decoder->out;
    struct cptrace_string payload;
    if (!cursor_string(&decoder->operand, &payload))
        return corrupt(decoder, "annotation", "longer than its column");
    if (kind > CPTRACE_ANNOTATION_OMITTED)
        return CPTRACE_OK; /* reserved */
    if (kind == CPTRACE_ANNOTATION_ARGUMENTS && decoder->depth == 0)
        return corrupt(decoder, "arguments", "no call is open");
    if (!cptrace_array_reserve(&out->annotations, &out->annotation_capacity, out->annotation_count + 1, sizeof *out->annotations))
        return no_memory(decoder);
    if (!cptrace_annotation_parse((enum cptrace_annotation_kind)kind, payload, &decoder->cpu_base,
                                  &out->annotations[out->annotation_count]))
        return corrupt(decoder, "annotation", "its bytes are not what its kind asks for");
    emit(decoder, kind, (uint32_t)out->annotation_count++);
    return CPTRACE_OK;
}

/* Everything but call, return and unwind. */
static enum cptrace_status decode_rare(struct decoder *decoder, uint32_t op)
{
    uint32_t activation = 0;
    enum cptrace_status status = CPTRACE_OK;
    switch (op) {
    case CPTRACE_OP_SUSPEND:
        if (decoder->depth == 0 || !decoder->suspendable[decoder->depth - 1])
            return corrupt(decoder, "suspend", "the top call is no generator or coroutine");
        decoder->depth--;
        break;
    case CPTRACE_OP_RESUME:
        status = read_resume(decoder, &activation);
        break;
    case CPTRACE_OP_REOPEN:
        status = read_start(decoder, true, &activation);
        break;
    case CPTRACE_OP_START:
        status = read_start(decoder, false, &activation);
        break;
    case CPTRACE_OP_THROW:
        if (decoder->depth == 0)
            return corrupt(decoder, "throw", "no call is open");
        break;
    case 7:
        return corrupt(decoder, "op", "7 is reserved");
    default:
        return read_annotation(decoder, op);
    }
    if (status != CPTRACE_OK)
        return status;
    if (op == CPTRACE_OP_RESUME || op == CPTRACE_OP_REOPEN || op == CPTRACE_OP_START)
        decoder->suspendable[decoder->depth++] = 1;
    emit(decoder, op, activation);
    return CPTRACE_OK;
}

/* One or two bytes without a branch on which; the rest, and what is near the column's end, goes to cursor_varint. */
static inline bool next_varint(struct cursor *cursor, uint64_t *value)
{
    if (UNLIKELY(cursor->end - cursor->at < 2))
        return cursor_varint(cursor, value);
    const uint32_t low = cursor->at[0], high = cursor->at[1];
    const uint32_t two = low >> 7;
    /* A second byte of 0 is the longer form of a one-byte value, of 0x80 and more is not the last. */
    if (UNLIKELY(two & (uint32_t)(high - 1 >= 0x7F)))
        return cursor_varint(cursor, value);
    *value = (low & 0x7F) | (high << 7 & (0u - two));
    cursor->at += 1 + two;
    return true;
}

static inline bool next_tick(struct decoder *decoder)
{
    uint64_t delta;
    if (!next_varint(&decoder->delta, &delta) || delta > decoder->last_tick - decoder->tick)
        return false;
    decoder->tick += delta;
    return true;
}

static enum cptrace_status decode_events(struct decoder *shared, uint32_t event_count)
{
    struct decoder decoder = *shared; /* a copy whose address stays here lets the compiler keep it in registers */
    struct cptrace_event *out = decoder.out->events;
    uint32_t function_limit = decoder.out->function_limit;
    enum cptrace_status status = CPTRACE_OK;
    for (uint32_t i = 0; i < event_count; i++) {
        uint64_t op;
        if (UNLIKELY(!next_tick(&decoder) || !next_varint(&decoder.op, &op) || op >= CPTRACE_OP_CALL + (uint64_t)CPTRACE_NO_NUMBER)) {
            decoder.out->event_count = (size_t)(out - decoder.out->events);
            status = corrupt(&decoder, "op or delta", "no valid varint, or after the last tick");
            break;
        }
        if (UNLIKELY(op - CPTRACE_OP_SUSPEND < CPTRACE_OP_CALL - CPTRACE_OP_SUSPEND)) {
            *shared = decoder;
            shared->out->event_count = (size_t)(out - decoder.out->events);
            shared->out->function_limit = function_limit;
            status = decode_rare(shared, (uint32_t)op);
            decoder = *shared;
            out = decoder.out->events + decoder.out->event_count;
            function_limit = decoder.out->function_limit;
            if (status != CPTRACE_OK)
                break;
            continue;
        }
        const bool is_call = op >= CPTRACE_OP_CALL;
        if (UNLIKELY(!is_call && decoder.depth == 0)) {
            decoder.out->event_count = (size_t)(out - decoder.out->events);
            status = corrupt(&decoder, "return", "no call is open");
            break;
        }
        const uint32_t function = is_call ? (uint32_t)(op - CPTRACE_OP_CALL) : 0;
        decoder.suspendable[decoder.depth] = 0; /* of the call pushed; above the stack otherwise */
        decoder.depth += is_call ? 1 : (size_t)-1;
        function_limit = is_call && function >= function_limit ? function + 1 : function_limit;
        *out++ = (struct cptrace_event){.tick = decoder.tick, .value = function, .op = (uint8_t)(is_call ? (uint64_t)CPTRACE_OP_CALL : op)};
    }
    *shared = decoder;
    shared->out->event_count = (size_t)(out - shared->out->events);
    shared->out->function_limit = function_limit;
    return status;
}

static enum cptrace_status decode_open(struct decoder *decoder, struct events_header *header)
{
    struct cptrace_events *const out = decoder->out;
    for (uint32_t i = 0; i < header->open_count; i++) {
        struct cptrace_open_call call;
        uint64_t age, activation;
        if (!cursor_varint_u32(&header->open, &call.function) || call.function == CPTRACE_NO_NUMBER)
            return corrupt(decoder, "column open", "no valid function");
        if (!cursor_varint(&header->open, &age) || age > out->first_tick)
            return corrupt(decoder, "column open", "no valid age");
        if (!cursor_varint(&header->open, &activation) || activation > CPTRACE_NO_NUMBER)
            return corrupt(decoder, "column open", "no valid activation");
        call.start_tick = out->first_tick - age;
        call.activation = activation ? (uint32_t)(activation - 1) : CPTRACE_NO_NUMBER;
        if (call.function >= out->function_limit)
            out->function_limit = call.function + 1;
        decoder->suspendable[decoder->depth++] = activation != 0;
        out->open[out->open_count++] = call;
    }
    return cursor_left(&header->open) == 0 ? CPTRACE_OK : corrupt(decoder, "column open", "bytes behind the last call");
}

static enum cptrace_status check_end(const struct decoder *decoder)
{
    if (cursor_left(&decoder->op) || cursor_left(&decoder->delta) || cursor_left(&decoder->operand))
        return corrupt(decoder, "columns", "bytes behind the last event");
    if (decoder->tick != decoder->last_tick)
        return corrupt(decoder, "delta", "the sum differs from the last tick");
    return CPTRACE_OK;
}

static bool reserve(struct decoder *decoder, const struct events_header *header)
{
    struct cptrace_events *const out = decoder->out;
    decoder->suspendable = malloc((size_t)header->open_count + header->event_count + 1);
    return decoder->suspendable && cptrace_array_reserve(&out->open, &out->open_capacity, header->open_count, sizeof *out->open) &&
           cptrace_array_reserve(&out->events, &out->event_capacity, header->event_count, sizeof *out->events);
}

static enum cptrace_status decode_columns(struct decoder *decoder, struct events_header *header)
{
    if (*header->delta.at != 0)
        return corrupt(decoder, "delta", "expected 0 for the first event");
    enum cptrace_status status = decode_open(decoder, header);
    if (status == CPTRACE_OK)
        status = decode_events(decoder, header->event_count);
    return status == CPTRACE_OK ? check_end(decoder) : status;
}

enum cptrace_status cptrace_events_decode(const struct cptrace_block *block, struct cptrace_events *events, struct cptrace_error *error)
{
    events->open_count = events->event_count = events->start_count = events->annotation_count = 0;
    events->function_limit = 0;
    struct events_header header;
    enum cptrace_status status = cptrace_events_header_parse(block->content, block->content_bytes, block->offset, &header, error);
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
        .op = header.op,
        .delta = header.delta,
        .operand = header.operand,
        .tick = header.first_tick,
        .last_tick = header.last_tick,
    };
    status = reserve(&decoder, &header) ? decode_columns(&decoder, &header) : no_memory(&decoder);
    free(decoder.suspendable);
    free(decoder.mentions.slots);
    return status;
}

void cptrace_events_free(struct cptrace_events *events)
{
    free(events->open);
    free(events->events);
    free(events->starts);
    free(events->annotations);
    *events = (struct cptrace_events){0};
}

/* Any op of an events block, step by step: what it does to the stack, the tick of its event, and what it says. */
#include "byte_buffer.h"
#include "events_decoder.h"

static bool has_open_call(const struct events_decoder *decoder) { return decoder->at.top > decoder->stack; }

static bool is_activation(const struct events_decoder *decoder, uint32_t callee)
{
    return decoder->callee_kinds[callee] == CALLEE_ACTIVATION;
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

static enum cptrace_status push(struct events_decoder *decoder, uint32_t callee)
{
    uint32_t activation = CPTRACE_NO_NUMBER;
    if (is_activation(decoder, callee)) {
        if (!read_activation(&decoder->start, decoder->next_activation, &activation))
            return cptrace_decoder_corrupt(decoder, "start", "no valid activation");
        decoder->next_activation = activation + UINT64_C(1);
    }
    *decoder->at.top++ = call_of(callee, activation);
    return CPTRACE_OK;
}

static enum cptrace_status reopen(struct events_decoder *decoder)
{
    uint32_t activation, callee;
    uint64_t difference;
    if (!read_activation(&decoder->reopen, decoder->reopened_activation, &activation))
        return cptrace_decoder_corrupt(decoder, "reopen", "no valid activation");
    if (!cursor_varint_u32(&decoder->reopen, &callee) || callee >= decoder->callee_count || !is_activation(decoder, callee))
        return cptrace_decoder_corrupt(decoder, "reopen", "no callee that is an activation");
    if (!cursor_varint(&decoder->reopen, &difference))
        return cptrace_decoder_corrupt(decoder, "reopen", "no valid start tick");
    decoder->reopened_activation = activation;
    decoder->reopened_start += (uint64_t)unzigzag(difference);
    *decoder->at.top++ = call_of(callee, activation);
    return CPTRACE_OK;
}

/* That waits; 0: none. */
static uint32_t newest_suspension(struct events_decoder *decoder)
{
    while (decoder->newest_suspension && decoder->suspensions[decoder->newest_suspension].call == CALL_NONE)
        decoder->newest_suspension = decoder->suspensions[decoder->newest_suspension].below;
    return decoder->newest_suspension;
}

static enum cptrace_status resume(struct events_decoder *decoder)
{
    uint64_t back;
    if (!cursor_varint(&decoder->resume, &back) || back > decoder->suspension_count)
        return cptrace_decoder_corrupt(decoder, "resume", "no valid suspension");
    const uint32_t number = back ? decoder->suspension_count + 1 - (uint32_t)back : newest_suspension(decoder);
    struct cptrace_suspension *const suspension = &decoder->suspensions[number];
    if (suspension->call == CALL_NONE)
        return cptrace_decoder_corrupt(decoder, "resume", "no call is suspended there");
    *decoder->at.top++ = suspension->call;
    suspension->call = CALL_NONE;
    return CPTRACE_OK;
}

static enum cptrace_status pop(struct events_decoder *decoder)
{
    if (!has_open_call(decoder))
        return cptrace_decoder_corrupt(decoder, "return", "no call is open");
    decoder->at.top--;
    return CPTRACE_OK;
}

static enum cptrace_status suspend(struct events_decoder *decoder)
{
    if (!has_open_call(decoder) || !is_activation(decoder, call_callee(decoder->at.top[-1])))
        return cptrace_decoder_corrupt(decoder, "suspend", "the top call is no generator or coroutine");
    struct cptrace_events *const out = decoder->out;
    if (!cptrace_array_reserve(&out->suspensions, &out->suspension_capacity, decoder->suspension_count + (size_t)2,
                               sizeof *out->suspensions))
        return cptrace_decoder_no_memory(decoder);
    decoder->suspensions = out->suspensions;
    decoder_add_suspension(decoder, *--decoder->at.top);
    return CPTRACE_OK;
}

static enum cptrace_status add_start(struct events_decoder *decoder, uint64_t start_tick)
{
    struct cptrace_events *const out = decoder->out;
    if (start_tick > decoder->at.tick)
        return cptrace_decoder_corrupt(decoder, "reopen", "the call starts later");
    if (!cptrace_array_reserve(&out->starts, &out->start_capacity, out->start_count + 1, sizeof *out->starts))
        return cptrace_decoder_no_memory(decoder);
    const uint64_t call = decoder->at.top[-1];
    out->starts[out->start_count++] = (struct cptrace_activation_start){
        call_activation(call),
        decoder->callees[call_callee(call)].function,
        start_tick,
    };
    return CPTRACE_OK;
}

static enum cptrace_status read_annotation(struct events_decoder *decoder, uint32_t kind)
{
    struct cptrace_events *const out = decoder->out;
    struct cptrace_string payload;
    if (!cursor_string(&decoder->annotation, &payload))
        return cptrace_decoder_corrupt(decoder, "annotation", "longer than its column");
    if (kind > CPTRACE_ANNOTATION_OMITTED_OUTER) {
        decoder->out_end--; /* reserved: no event comes of it */
        return CPTRACE_OK;
    }
    if (kind == CPTRACE_ANNOTATION_ARGUMENTS && !has_open_call(decoder))
        return cptrace_decoder_corrupt(decoder, "arguments", "no call is open");
    if (!cptrace_array_reserve(&out->annotations, &out->annotation_capacity, out->annotation_count + 1, sizeof *out->annotations))
        return cptrace_decoder_no_memory(decoder);
    struct cptrace_annotation *const annotation = &out->annotations[out->annotation_count];
    if (!cptrace_annotation_parse((enum cptrace_annotation_kind)kind, payload, &decoder->cpu_base, annotation))
        return cptrace_decoder_corrupt(decoder, "annotation", "its bytes are not what its kind asks for");
    if (kind == CPTRACE_ANNOTATION_OMITTED_OUTER &&
        (annotation->levels == 0 || annotation->levels > (size_t)(decoder->at.top - decoder->stack)))
        return cptrace_decoder_corrupt(decoder, "omitted outer", "no call is open there");
    put_event(&decoder->at, kind, (uint32_t)out->annotation_count++);
    return CPTRACE_OK;
}

static enum cptrace_status move_stack(struct events_decoder *decoder, uint64_t op)
{
    switch (op) {
    case CPTRACE_OP_RETURN:
    case CPTRACE_OP_UNWIND:
        return pop(decoder);
    case CPTRACE_OP_SUSPEND:
        return suspend(decoder);
    case CPTRACE_OP_RESUME:
        return resume(decoder);
    case CPTRACE_OP_REOPEN:
        return reopen(decoder);
    case CPTRACE_OP_THROW:
        return has_open_call(decoder) ? CPTRACE_OK : cptrace_decoder_corrupt(decoder, "throw", "no call is open");
    case CPTRACE_OP_START:
    case 7:
        return cptrace_decoder_corrupt(decoder, "op", "5 and 7 are reserved");
    default:
        return op < CPTRACE_OP_CALL ? CPTRACE_OK : push(decoder, (uint32_t)op - CPTRACE_OP_CALL);
    }
}

/* Of an event that moved the stack, or not. */
static uint32_t context_of_moved(const struct events_decoder *decoder, uint64_t op)
{
    const uint64_t *const top = decoder->at.top;
    const uint32_t before = decoder->at.context;
    if (op <= CPTRACE_OP_SUSPEND)
        return decoder_context(decoder, before, call_callee(*top), 1, decoder->has_contexts);
    if (op >= CPTRACE_OP_THROW && op < CPTRACE_OP_CALL)
        return decoder->has_contexts ? next_context(before, CONTEXT_WITHOUT_CALLEE) : CONTEXT_WITHOUT_CALLEE;
    return decoder_context(decoder, before, call_callee(top[-1]), 0, decoder->has_contexts);
}

/* A context's column stands where the context occurs first. */
static enum cptrace_status read_column(struct events_decoder *decoder, uint32_t context)
{
    uint8_t column;
    if (!decoder->has_contexts || decoder->columns[context] != COLUMN_UNKNOWN)
        return CPTRACE_OK;
    if (!cursor_u8(&decoder->context, &column) || column >= decoder->delta_columns)
        return cptrace_decoder_corrupt(decoder, "context", "no valid delta column");
    decoder->columns[context] = column;
    return CPTRACE_OK;
}

/* The delta of a byte that says that there is more; false: none that is valid. Only such deltas are compared with the last tick. Those
 * between two of them are below 2^31 together, so that a tick that passed 2^64 is lower than the one that the first of the two led to. */
static bool read_wide(struct events_decoder *decoder, uint64_t tick, uint64_t *delta)
{
    uint64_t more;
    if (tick < decoder->wide_tick || tick > decoder->last_tick || decoder->last_tick - tick < DELTA_WIDE ||
        !cursor_varint(&decoder->wide, &more) || more > decoder->last_tick - tick - DELTA_WIDE)
        return false;
    *delta = DELTA_WIDE + more;
    decoder->wide_tick = tick + *delta;
    return true;
}
static_assert(BLOCK_EVENTS_MAX < (UINT64_C(1) << 31) / DELTA_WIDE, "the sum of deltas that are not wide");

static enum cptrace_status add_delta(struct events_decoder *decoder, uint32_t context)
{
    uint64_t delta = *decoder->delta[decoder_column(decoder, context, decoder->has_contexts)]++;
    if (delta == DELTA_WIDE && !read_wide(decoder, decoder->at.tick, &delta))
        return cptrace_decoder_corrupt(decoder, "delta", "not valid, or after the last tick");
    decoder->at.tick += delta;
    return CPTRACE_OK;
}

/* Of an event whose stack and tick are known. */
static enum cptrace_status emit(struct events_decoder *decoder, uint64_t op)
{
    const uint64_t top = has_open_call(decoder) ? decoder->at.top[-1] : 0;
    enum cptrace_status status = CPTRACE_OK;
    switch (op) {
    case CPTRACE_OP_RETURN:
    case CPTRACE_OP_UNWIND:
    case CPTRACE_OP_SUSPEND:
    case CPTRACE_OP_THROW:
        put_event(&decoder->at, op, 0);
        return CPTRACE_OK;
    case CPTRACE_OP_RESUME:
        put_event(&decoder->at, op, call_activation(top));
        return CPTRACE_OK;
    case CPTRACE_OP_REOPEN:
        status = add_start(decoder, decoder->reopened_start);
        put_event(&decoder->at, op, call_activation(top));
        return status;
    default:
        if (op < CPTRACE_OP_CALL)
            return read_annotation(decoder, (uint32_t)op);
        if (!is_activation(decoder, call_callee(top))) {
            put_event(&decoder->at, CPTRACE_OP_CALL, decoder->callees[call_callee(top)].function);
            return CPTRACE_OK;
        }
        status = add_start(decoder, decoder->at.tick);
        put_event(&decoder->at, CPTRACE_OP_START, call_activation(top));
        return status;
    }
}

static enum cptrace_status take_event(struct events_decoder *decoder, uint64_t op)
{
    enum cptrace_status status = move_stack(decoder, op);
    if (status != CPTRACE_OK)
        return status;
    decoder->at.context = context_of_moved(decoder, op);
    status = read_column(decoder, decoder->at.context);
    if (status == CPTRACE_OK)
        status = add_delta(decoder, decoder->at.context);
    return status == CPTRACE_OK ? emit(decoder, op) : status;
}

enum cptrace_status cptrace_decoder_take_op(struct events_decoder *decoder)
{
    struct cursor from = {decoder->at.op, decoder->op_end};
    uint64_t op;
    if (!cursor_varint(&from, &op) || op >= CPTRACE_OP_CALL + (uint64_t)decoder->callee_count)
        return cptrace_decoder_corrupt(decoder, "op", "not valid");
    decoder->at.op = from.at;
    const bool is_leaf = op >= CPTRACE_OP_CALL && decoder->callee_kinds[op - CPTRACE_OP_CALL] == CALLEE_LEAF;
    if (is_leaf && decoder->at.out + 1 == decoder->out_end)
        return cptrace_decoder_corrupt(decoder, "op", "a return after the last event");
    const enum cptrace_status status = take_event(decoder, op);
    return status == CPTRACE_OK && is_leaf ? take_event(decoder, CPTRACE_OP_RETURN) : status;
}

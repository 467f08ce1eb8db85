/* Decodes one events block: its columns one after the other, then its events. */
#include <stdlib.h>
#include <string.h>

#include "byte_buffer.h"
#include "error.h"
#include "events_decoder.h"
#include "events_header.h"
#include "prefix_code.h"

#define PLACE_BITS_V2 4
static_assert(1u << PLACE_BITS_V2 == DELTA_COLUMNS_MAX_V2 && PLACE_BITS_V2 * DELTA_PLACES_V2 == 8 * DELTA_PLACES_BYTES_V2, "SPEC.md 11");

enum cptrace_status cptrace_decoder_corrupt(const struct events_decoder *decoder, const char *what, const char *problem)
{
    return cptrace_error_set(decoder->error, CPTRACE_CORRUPT, decoder->block->offset, "%s of event %zu: %s", what,
                             (size_t)(decoder->at.out - decoder->out->events), problem);
}

enum cptrace_status cptrace_decoder_no_memory(const struct events_decoder *decoder)
{
    return cptrace_error_no_memory(decoder->error, decoder->block->offset);
}

/* The columns of a callee's events, each of which has a context of its own then. */
static enum cptrace_status decode_places_v2(struct events_decoder *decoder, const struct events_header *header, struct cursor *from)
{
    uint8_t *const columns = decoder->columns_v2 + context_of_callee_v2(decoder->callee_count, 0);
    uint32_t places = 0;
    if (header->places_bytes) {
        if (cursor_left(from) < DELTA_PLACES_BYTES_V2)
            return cptrace_decoder_corrupt(decoder, "column callee", "its delta columns are missing");
        places = load_u16(from->at);
        from->at += DELTA_PLACES_BYTES_V2;
    }
    for (uint32_t i = 0; i < DELTA_PLACES_V2; i++, places >>= PLACE_BITS_V2) {
        columns[i] = places & (DELTA_COLUMNS_MAX_V2 - 1);
        if (columns[i] >= header->delta_columns)
            return cptrace_decoder_corrupt(decoder, "column callee", "no such delta column");
    }
    return CPTRACE_OK;
}

static enum cptrace_status decode_callee(struct events_decoder *decoder, const struct events_header *header, struct cursor *from)
{
    uint64_t entry;
    if (!cursor_varint(from, &entry) || entry >> header->kind_bits >= CPTRACE_NO_NUMBER)
        return cptrace_decoder_corrupt(decoder, "column callee", "no valid function");
    const uint32_t function = (uint32_t)(entry >> header->kind_bits);
    const uint8_t kind = (uint8_t)(entry & ((1u << header->kind_bits) - 1));
    if (kind > CALLEE_LEAF)
        return cptrace_decoder_corrupt(decoder, "column callee", "reserved kind");
    decoder->callees[decoder->callee_count] = (struct callee){
        .function = function,
        .pushed = (uint16_t)context_of_callee(decoder->callee_count, 0),
        .popped = (uint16_t)context_of_callee(decoder->callee_count, 1),
    };
    decoder->callee_kinds[decoder->callee_count] = kind;
    if (function >= decoder->out->function_limit)
        decoder->out->function_limit = function + 1;
    return header->has_contexts ? CPTRACE_OK : decode_places_v2(decoder, header, from);
}

static enum cptrace_status decode_callees(struct events_decoder *decoder, const struct events_header *header)
{
    struct cursor from = header->callee;
    enum cptrace_status status = CPTRACE_OK;
    while (status == CPTRACE_OK && cursor_left(&from)) {
        status = decode_callee(decoder, header, &from);
        decoder->callee_count += status == CPTRACE_OK;
    }
    return status;
}

static enum cptrace_status decode_open(struct events_decoder *decoder, struct events_header *header)
{
    struct cptrace_events *const out = decoder->out;
    for (uint32_t i = 0; i < header->open_count; i++) {
        uint32_t callee, activation = CPTRACE_NO_NUMBER;
        uint64_t age;
        if (!cursor_varint_u32(&header->open, &callee) || callee >= decoder->callee_count)
            return cptrace_decoder_corrupt(decoder, "column open", "no valid callee");
        if (!cursor_varint(&header->open, &age) || age > out->first_tick)
            return cptrace_decoder_corrupt(decoder, "column open", "no valid age");
        const uint8_t kind = decoder->callee_kinds[callee];
        if (kind == CALLEE_LEAF)
            return cptrace_decoder_corrupt(decoder, "column open", "a leaf is not open");
        if (kind == CALLEE_ACTIVATION && (!cursor_varint_u32(&header->open, &activation) || activation == CPTRACE_NO_NUMBER))
            return cptrace_decoder_corrupt(decoder, "column open", "no valid activation");
        *decoder->at.top++ = call_of(callee, activation);
        out->open[out->open_count++] = (struct cptrace_open_call){
            .function = decoder->callees[callee].function,
            .activation = activation,
            .start_tick = out->first_tick - age,
        };
    }
    return cursor_left(&header->open) == 0 ? CPTRACE_OK : cptrace_decoder_corrupt(decoder, "column open", "bytes behind the last call");
}

static enum cptrace_status check_end(const struct events_decoder *decoder)
{
    for (uint32_t i = 0; i < decoder->delta_columns; i++)
        if (decoder->delta[i] != decoder->delta_end[i])
            return cptrace_decoder_corrupt(decoder, "delta", "its events take more or less of a column than it has");
    if (decoder->at.op != decoder->op_end || cursor_left(&decoder->start) || cursor_left(&decoder->resume) ||
        cursor_left(&decoder->reopen) || cursor_left(&decoder->annotation) || cursor_left(&decoder->wide) || cursor_left(&decoder->context))
        return cptrace_decoder_corrupt(decoder, "columns", "bytes behind the last event");
    if (decoder->at.tick != decoder->last_tick)
        return cptrace_decoder_corrupt(decoder, "delta", "the sum differs from the last tick");
    return CPTRACE_OK;
}

static enum cptrace_status corrupt_column(const struct events_decoder *decoder, uint32_t number, const char *problem)
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

static enum cptrace_status decode_deltas(struct events_decoder *decoder, struct events_header *header)
{
    struct cptrace_events *const out = decoder->out;
    const size_t count = header->event_count;
    if (!cptrace_array_renew(&out->deltas, &out->deltas_capacity, 2 * count, sizeof *out->deltas))
        return cptrace_decoder_no_memory(decoder);
    static const uint8_t wide = DELTA_WIDE;
    decoder->delta[COLUMN_UNKNOWN] = &wide;
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

/* Of the callees: in the block they take a byte at least. */
static bool reserve_callees(struct events_decoder *decoder, size_t callees_max)
{
    const size_t short_ops = SHORT_OP_LIMIT - CPTRACE_OP_CALL;
    const size_t kinds = callees_max < short_ops ? short_ops : callees_max;
    decoder->callees = malloc((callees_max + 1) * sizeof *decoder->callees);
    decoder->callee_kinds = malloc(kinds);
    if (!decoder->callees || !decoder->callee_kinds)
        return false;
    memset(decoder->callee_kinds, CALLEE_NONE, kinds);
    return true;
}

/* One column needs no contexts. Those of version 2 follow from the callees. */
static bool reserve_columns(struct events_decoder *decoder, const struct events_header *header)
{
    memset(decoder->columns, header->delta_columns > 1 ? COLUMN_UNKNOWN : 0, sizeof decoder->columns);
    decoder->columns_v2 = header->has_contexts ? NULL : calloc(cursor_left(&header->callee) + 1, DELTA_PLACES_V2);
    return header->has_contexts || decoder->columns_v2;
}

static bool reserve(struct events_decoder *decoder, const struct events_header *header)
{
    struct cptrace_events *const out = decoder->out;
    const size_t event_count = header->event_count, open_count = header->open_count;
    if (!reserve_callees(decoder, cursor_left(&header->callee)) || !reserve_columns(decoder, header) ||
        !cptrace_array_renew(&out->stack, &out->stack_capacity, open_count + event_count, sizeof *out->stack) ||
        !cptrace_array_renew(&out->suspensions, &out->suspension_capacity, 1, sizeof *out->suspensions) ||
        !cptrace_array_renew(&out->open, &out->open_capacity, open_count, sizeof *out->open) ||
        !cptrace_array_renew(&out->events, &out->event_capacity, event_count, sizeof *out->events))
        return false;
    decoder->stack = decoder->at.top = out->stack;
    decoder->suspensions = out->suspensions;
    decoder->suspensions[0].call = CALL_NONE;
    return true;
}

static bool begins_with_leaf(const struct events_decoder *decoder)
{
    struct cursor op = {decoder->at.op, decoder->op_end};
    uint64_t first;
    return cursor_varint(&op, &first) && first >= CPTRACE_OP_CALL && first - CPTRACE_OP_CALL < decoder->callee_count &&
           decoder->callee_kinds[first - CPTRACE_OP_CALL] == CALLEE_LEAF;
}

static enum cptrace_status decode_all_events(struct events_decoder *decoder, uint32_t event_count)
{
    const bool is_leaf = event_count > 1 && begins_with_leaf(decoder);
    const uint32_t first_count = is_leaf ? 2 : 1;
    const enum cptrace_status status = cptrace_decoder_take_events(decoder, first_count);
    if (status != CPTRACE_OK)
        return status;
    if ((is_leaf ? decoder->out->events->tick : decoder->at.tick) != decoder->out->first_tick)
        return cptrace_decoder_corrupt(decoder, "delta", "expected 0 for the first event");
    return cptrace_decoder_take_events(decoder, event_count - first_count);
}

static enum cptrace_status decode_columns(struct events_decoder *decoder, struct events_header *header)
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
    struct events_decoder decoder = {
        .block = block,
        .out = events,
        .error = error,
        .start = header.start,
        .resume = header.resume,
        .reopen = header.reopen,
        .annotation = header.annotation,
        .wide = header.wide,
        .context = header.context,
        .has_contexts = header.has_contexts,
        .op_end = header.op.end,
        .at = {.op = header.op.at, .tick = header.first_tick},
        .last_tick = header.last_tick,
        .wide_tick = header.first_tick,
        .reopened_start = header.first_tick,
    };
    status = reserve(&decoder, &header) ? decode_columns(&decoder, &header) : cptrace_decoder_no_memory(&decoder);
    free(decoder.callees);
    free(decoder.callee_kinds);
    free(decoder.columns_v2);
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
    free(events->suspensions);
    *events = (struct cptrace_events){0};
}

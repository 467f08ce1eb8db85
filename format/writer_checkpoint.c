/* The writer's part of a checkpoint: checkpoint.h. */
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "error.h"
#include "frame.h"
#include "writer_state.h"

#define WRITER_FIXED_BYTES (8 + 4 + 8 + 4 + 8 + TABLE_COUNT * 4 + 3 * 8)
#define LANE_FIXED_BYTES (8 + 8 + 8)
#define OPEN_CALL_BYTES (8 + 4 + 4)
#define SUSPENDED_CALL_BYTES (4 + 4 + 8)

/* ---- saving ---- */

static void save_calibration(const struct cptrace_calibration *point, struct byte_buffer *to)
{
    checkpoint_u64(to, point->ticks);
    checkpoint_u64(to, point->monotonic_ns);
    checkpoint_u64(to, point->utc_ns);
}

static bool save_lane(const struct cptrace_lane_writer *lane, struct byte_buffer *to)
{
    if (!cptrace_buffer_reserve(to, LANE_FIXED_BYTES + (size_t)lane->depth * OPEN_CALL_BYTES))
        return false;
    checkpoint_u64(to, lane->last_tick);
    checkpoint_u64(to, lane->call_count);
    checkpoint_u64(to, lane->depth);
    for (uint32_t i = 0; i < lane->depth; i++) {
        checkpoint_u64(to, lane->stack[i].start_tick);
        checkpoint_u32(to, lane->stack[i].function);
        checkpoint_u32(to, lane->stack[i].activation);
    }
    return true;
}

static bool save_suspended(const struct suspended_calls *calls, struct byte_buffer *to)
{
    if (!cptrace_buffer_reserve(to, 8 + calls->count * SUSPENDED_CALL_BYTES))
        return false;
    checkpoint_u64(to, calls->count);
    for (size_t i = 0; i < calls->slot_count; i++) {
        const struct suspended_call *const call = &calls->slots[i];
        if (call->activation == CPTRACE_NO_NUMBER)
            continue;
        checkpoint_u32(to, call->activation);
        checkpoint_u32(to, call->function);
        checkpoint_u64(to, call->start_tick);
    }
    return true;
}

bool cptrace_writer_save(const struct cptrace_writer *writer, struct byte_buffer *to)
{
    if (!cptrace_buffer_reserve(to, WRITER_FIXED_BYTES + 8))
        return false;
    checkpoint_u64(to, writer->blocks.offset); /* first: cptrace_checkpoint_file_bytes */
    checkpoint_u32(to, writer->blocks.sequence);
    checkpoint_u64(to, writer->events_written);
    checkpoint_u32(to, writer->activation_count);
    checkpoint_u64(to, writer->block_stamps);
    for (int table = 0; table < TABLE_COUNT; table++)
        checkpoint_u32(to, cptrace_definitions_count(&writer->definitions, table));
    save_calibration(&writer->calibration, to);
    checkpoint_u64(to, writer->lane_count);
    for (size_t i = 0; i < writer->lane_count; i++)
        if (!save_lane(writer->lanes[i], to))
            return false;
    return save_suspended(&writer->suspended, to);
}

/* ---- restoring ---- */

static bool is_call(const struct cptrace_writer *writer, uint32_t function, uint32_t activation)
{
    return function < cptrace_writer_function_count(writer) && (activation == CPTRACE_NO_NUMBER || activation < writer->activation_count);
}

static bool restore_stack(struct cptrace_lane_writer *lane, struct checkpoint_cursor *from)
{
    const size_t depth = checkpoint_take_count(from, OPEN_CALL_BYTES);
    if (depth > BLOCK_EVENTS_MAX * 4u) {
        from->failed = true;
        return true;
    }
    if (!cptrace_array_reserve(&lane->stack, &lane->stack_capacity, depth, sizeof *lane->stack))
        return false;
    for (; lane->depth < depth; lane->depth++) {
        struct stack_entry *const call = &lane->stack[lane->depth];
        call->start_tick = checkpoint_take_u64(from);
        call->function = checkpoint_take_u32(from);
        call->activation = checkpoint_take_u32(from);
        from->failed |= call->start_tick > lane->last_tick || !is_call(lane->writer, call->function, call->activation);
    }
    return true;
}

static bool restore_lanes(struct cptrace_writer *writer, struct checkpoint_cursor *from)
{
    const size_t count = checkpoint_take_count(from, LANE_FIXED_BYTES);
    from->failed |= count != cptrace_definitions_count(&writer->definitions, TABLE_LANES);
    if (from->failed)
        return true;
    if (!cptrace_array_reserve(&writer->lanes, &writer->lane_capacity, count, sizeof *writer->lanes))
        return false;
    while (writer->lane_count < count) {
        struct cptrace_lane_writer *const lane = cptrace_lane_create(writer, (uint32_t)writer->lane_count);
        if (!lane)
            return false;
        writer->lanes[writer->lane_count++] = lane;
        lane->last_tick = checkpoint_take_u64(from);
        lane->call_count = checkpoint_take_u64(from);
        if (!restore_stack(lane, from))
            return false;
    }
    return true;
}

static bool restore_suspended(struct cptrace_writer *writer, struct checkpoint_cursor *from)
{
    const size_t count = checkpoint_take_count(from, SUSPENDED_CALL_BYTES);
    for (size_t i = 0; i < count; i++) {
        struct suspended_call call = {0}, twin;
        call.activation = checkpoint_take_u32(from);
        call.function = checkpoint_take_u32(from);
        call.start_tick = checkpoint_take_u64(from);
        if (call.activation == CPTRACE_NO_NUMBER || !is_call(writer, call.function, call.activation) ||
            cptrace_suspended_take(&writer->suspended, call.activation, &twin))
            from->failed = true;
        else if (!cptrace_suspended_add(&writer->suspended, &call))
            return false;
    }
    return true;
}

/* false: no memory. */
static bool restore_state(struct cptrace_writer *writer, struct checkpoint_cursor *from)
{
    writer->blocks.offset = checkpoint_take_u64(from);
    writer->blocks.sequence = checkpoint_take_u32(from);
    writer->events_written = checkpoint_take_u64(from);
    writer->activation_count = checkpoint_take_u32(from);
    writer->block_stamps = checkpoint_take_u64(from);
    uint32_t counts[TABLE_COUNT];
    for (int table = 0; table < TABLE_COUNT; table++)
        counts[table] = checkpoint_take_u32(from);
    if (!cptrace_definitions_go_on(&writer->definitions, counts, &from->failed))
        return false;
    writer->calibration.ticks = checkpoint_take_u64(from);
    writer->calibration.monotonic_ns = checkpoint_take_u64(from);
    writer->calibration.utc_ns = checkpoint_take_u64(from);
    return restore_lanes(writer, from) && restore_suspended(writer, from);
}

static bool restore_index(struct cptrace_writer *writer, const struct cptrace_reader *scan)
{
    for (size_t i = 0; i < scan->entry_count; i++) {
        const struct cptrace_block_entry *const entry = &scan->entries[i];
        const uint8_t *const functions = scan->function_runs.bytes;
        const struct index_block block = {
            .offset = entry->offset,
            .compressed_bytes = entry->compressed_bytes,
            .frame_crc32 = entry->frame_crc32,
            .kind = entry->kind,
            .lane = entry->lane,
            .event_count = entry->event_count,
            .first_tick = entry->first_tick,
            .last_tick = entry->last_tick,
            .calibration = entry->calibration,
            .functions = {functions ? functions + entry->functions_at : NULL,
                          functions ? functions + entry->functions_at + entry->functions_bytes : NULL},
        };
        if (!cptrace_index_add(&writer->blocks.index, &block))
            return false;
    }
    return true;
}

struct cptrace_writer *cptrace_writer_restore(const struct writer_base *base, struct checkpoint_cursor *from, uint64_t file_bytes,
                                              struct cptrace_error *error)
{
    const struct cptrace_reader *const scan = base->scan;
    struct cptrace_writer_options options = {
        .file_id = scan->header.file_id, .ns_per_tick_q32 = scan->header.ns_per_tick_q32, .start = scan->header.start};
    memcpy(options.run_id, scan->header.run_id, sizeof options.run_id);
    struct cptrace_writer *const writer = cptrace_writer_allocate(base->sink, &options, error);
    if (!writer)
        return NULL;
    writer->blocks.offset = file_bytes;
    writer->blocks.sequence = scan->next_sequence;
    writer->events_written = scan->event_count;
    writer->calls_before = base->calls_before;
    bool done = cptrace_definitions_remember(&writer->definitions, &scan->definitions) && restore_index(writer, scan);
    if (done && from)
        done = restore_state(writer, from);
    if (done && !(from && from->failed))
        return writer;
    if (done)
        cptrace_error_set(error, CPTRACE_CORRUPT, 0, "checkpoint: its state of the writer contradicts itself");
    else
        cptrace_error_no_memory(error, 0);
    cptrace_writer_free(writer);
    return NULL;
}

struct cptrace_lane_writer *cptrace_writer_lane(const struct cptrace_writer *writer, uint32_t number)
{
    return number < writer->lane_count ? writer->lanes[number] : NULL;
}

uint32_t cptrace_writer_function_count(const struct cptrace_writer *writer)
{
    return cptrace_definitions_count(&writer->definitions, TABLE_FUNCTIONS);
}

uint64_t cptrace_writer_last_tick(const struct cptrace_writer *writer)
{
    uint64_t last = writer->start.ticks;
    for (size_t i = 0; i < writer->lane_count; i++)
        if (writer->lanes[i]->last_tick > last)
            last = writer->lanes[i]->last_tick;
    return last;
}

struct cptrace_calibration cptrace_writer_last_point(const struct cptrace_writer *writer) { return writer->calibration; }

uint32_t cptrace_lane_number(const struct cptrace_lane_writer *lane) { return lane->number; }

/* The transcoder's part of a checkpoint, and the whole of it: checkpoint.h. */
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "crc32.h"
#include "error.h"
#include "transcoder.h"

#define CRC_BYTES 4
#define FUNCTION_NUMBER_MAX (1u << 24) /* of a ring file, which may be hostile: a table of 64 MiB */
#define LANE_FIXED_BYTES (4 + 8 + 4 + 1 + 8)
#define CALL_BYTES (4 + 1 + 1 + 8)
#define SIEVE_FIXED_BYTES (8 + 8 + 8 + 8 + 8)
#define SIEVE_FRAME_BYTES (4 * 8 + 8 + 4 + 1 + 1)
#define CPU_BYTES (4 * 8)
#define FRAME_BYTES (8 + 4 + 4 + 4 + 1 + 8)
#define SPAN_BYTES (4 + 4 + 1)

/* ---- saving ---- */

static bool save_functions(const struct cptrace_transcoder *transcoder, struct byte_buffer *to)
{
    if (!cptrace_buffer_reserve(to, 8 + transcoder->function_capacity * 4))
        return false;
    checkpoint_u64(to, transcoder->function_capacity);
    for (size_t i = 0; i < transcoder->function_capacity; i++)
        checkpoint_u32(to, transcoder->function_numbers[i]);
    return true;
}

static bool save_sieve(const struct sieve *sieve, struct byte_buffer *to)
{
    const size_t cpu_count = sieve->cpu_count - sieve->cpus_written;
    if (!cptrace_buffer_reserve(to, SIEVE_FIXED_BYTES + sieve->count * SIEVE_FRAME_BYTES + cpu_count * CPU_BYTES))
        return false;
    checkpoint_u64(to, sieve->now);
    checkpoint_u64(to, sieve->omitted_count);
    checkpoint_u64(to, sieve->omitted_ticks);
    checkpoint_u64(to, sieve->count);
    for (size_t i = 0; i < sieve->count; i++) {
        const struct sieve_frame *const frame = &sieve->frames[i];
        checkpoint_u64(to, frame->start_tick);
        checkpoint_u64(to, frame->inner_ticks);
        checkpoint_u64(to, frame->omitted_count);
        checkpoint_u64(to, frame->omitted_ticks);
        checkpoint_u64(to, frame->slot);
        checkpoint_u32(to, frame->function);
        checkpoint_u8(to, frame->fate);
        checkpoint_u8(to, frame->counted);
    }
    checkpoint_u64(to, cpu_count);
    for (size_t i = sieve->cpus_written; i < sieve->cpu_count; i++) {
        const struct pending_cpu *const cpu = &sieve->cpus[i];
        checkpoint_u64(to, cpu->slot);
        checkpoint_u64(to, cpu->tick);
        checkpoint_u64(to, cpu->cpu_ns);
        checkpoint_u64(to, cpu->voluntary_switch_count);
    }
    return true;
}

static bool save_lane(const struct lane_stack *lane, struct byte_buffer *to)
{
    if (!cptrace_buffer_reserve(to, LANE_FIXED_BYTES + lane->depth * CALL_BYTES))
        return false;
    checkpoint_u32(to, lane->writer ? cptrace_lane_number(lane->writer) : CPTRACE_NO_NUMBER);
    checkpoint_u64(to, lane->taken);
    checkpoint_u32(to, lane->task_creator);
    checkpoint_u64(to, lane->depth);
    for (size_t i = 0; i < lane->depth; i++) {
        const struct open_call *const call = &lane->calls[i];
        checkpoint_u32(to, call->function);
        checkpoint_u8(to, call->kind);
        checkpoint_u8(to, call->ending);
        checkpoint_u64(to, call->identity);
    }
    checkpoint_u8(to, lane->sieve != NULL);
    return !lane->sieve || save_sieve(lane->sieve, to);
}

/* A frame with the spans that are suspended with it, outermost first. */
static bool save_frame(const struct frame_table *table, const struct frame_entry *frame, struct byte_buffer *to)
{
    size_t span_count = 0;
    for (uint32_t place = frame->first_span; place; place = table->spans[place - 1].next)
        span_count++;
    if (!cptrace_buffer_reserve(to, FRAME_BYTES + span_count * SPAN_BYTES))
        return false;
    checkpoint_u64(to, frame->address);
    checkpoint_u32(to, frame->activation);
    checkpoint_u32(to, frame->function);
    checkpoint_u32(to, frame->task_creator);
    checkpoint_u8(to, frame->left_out);
    checkpoint_u64(to, span_count);
    for (uint32_t place = frame->first_span; place; place = table->spans[place - 1].next) {
        checkpoint_u32(to, table->spans[place - 1].function);
        checkpoint_u32(to, table->spans[place - 1].activation);
        checkpoint_u8(to, table->spans[place - 1].ending);
    }
    return true;
}

static bool save_frames(const struct frame_table *table, struct byte_buffer *to)
{
    if (!cptrace_buffer_reserve(to, 8 + table->count * FRAME_BYTES))
        return false;
    checkpoint_u64(to, table->count);
    for (size_t i = 0; i < table->capacity; i++)
        if (table->entries[i].address && !save_frame(table, &table->entries[i], to))
            return false;
    return true;
}

static bool save(const struct cptrace_transcoder *transcoder, struct byte_buffer *to)
{
    if (!cptrace_writer_save(transcoder->run.writer, to) || !cptrace_buffer_reserve(to, 1 + 8 + 8))
        return false;
    checkpoint_u8(to, transcoder->sieving);
    checkpoint_u64(to, transcoder->run.repaired_count);
    checkpoint_u64(to, transcoder->lane_count);
    for (size_t i = 0; i < transcoder->lane_count; i++)
        if (!save_lane(&transcoder->lanes[i], to))
            return false;
    return save_frames(&transcoder->run.table, to) && save_functions(transcoder, to) && cptrace_buffer_reserve(to, CRC_BYTES);
}

enum cptrace_status cptrace_transcoder_checkpoint(struct cptrace_transcoder *transcoder, const uint8_t **bytes, size_t *length)
{
    struct byte_buffer *const to = &transcoder->checkpoint;
    to->length = 0;
    if (!save(transcoder, to))
        return CPTRACE_NO_MEMORY;
    checkpoint_u32(to, cptrace_crc32(0, to->bytes, to->length));
    *bytes = to->bytes;
    *length = to->length;
    return CPTRACE_OK;
}

bool cptrace_checkpoint_file_bytes(const uint8_t *bytes, size_t length, uint64_t *file_bytes)
{
    if (length < 8 + CRC_BYTES || load_u32(bytes + length - CRC_BYTES) != cptrace_crc32(0, bytes, length - CRC_BYTES))
        return false;
    *file_bytes = load_u64(bytes);
    return true;
}

/* ---- restoring ---- */

/* Of the file, or left out of it. */
static bool is_function(const struct cptrace_transcoder *transcoder, uint32_t function)
{
    return function & FUNCTION_LEFT_OUT ? transcoder->sieving : function < cptrace_writer_function_count(transcoder->run.writer);
}

static bool restore_functions(struct cptrace_transcoder *transcoder, struct checkpoint_cursor *from)
{
    const size_t count = checkpoint_take_count(from, 4);
    if (count == 0)
        return true;
    transcoder->function_numbers = calloc(count, sizeof *transcoder->function_numbers);
    if (!transcoder->function_numbers)
        return false;
    transcoder->function_capacity = count;
    for (size_t i = 0; i < count; i++) {
        const uint32_t number = transcoder->function_numbers[i] = checkpoint_take_u32(from);
        from->failed |= number && !is_function(transcoder, number - 1);
    }
    return true;
}

/* Which frames are recorded below which, and which are pending, follows from their fates. */
static void relink(struct sieve *sieve, uint32_t function_count, struct checkpoint_cursor *from)
{
    for (size_t i = 0; i < sieve->count; i++) {
        struct sieve_frame *const frame = &sieve->frames[i];
        from->failed |= frame->fate > SIEVE_LEFT_OUT || (i == 0 && frame->fate != SIEVE_RECORDED) ||
                        (frame->fate == SIEVE_PENDING && frame->function >= function_count);
        if (from->failed)
            return;
        frame->recorded = frame->fate == SIEVE_LEFT_OUT ? sieve->frames[i - 1].recorded : i;
        sieve->recorded_depth += i > 0 && frame->fate != SIEVE_LEFT_OUT;
        if (frame->fate != SIEVE_PENDING)
            continue;
        if (sieve->last_pending)
            sieve->frames[sieve->last_pending].next_pending = i;
        else
            sieve->first_pending = i;
        sieve->last_pending = i;
    }
}

static bool restore_sieve(const struct cptrace_transcoder *transcoder, struct lane_stack *lane, struct checkpoint_cursor *from)
{
    struct sieve *const sieve = lane->sieve = cptrace_sieve_create(lane->writer, &transcoder->options, 0);
    if (!sieve)
        return false;
    sieve->now = checkpoint_take_u64(from);
    sieve->omitted_count = checkpoint_take_u64(from);
    sieve->omitted_ticks = checkpoint_take_u64(from);
    const size_t count = checkpoint_take_count(from, SIEVE_FRAME_BYTES);
    from->failed |= count != lane->depth + 1;
    if (from->failed)
        return true;
    if (!cptrace_array_reserve(&sieve->frames, &sieve->capacity, count, sizeof *sieve->frames))
        return false;
    for (sieve->count = 0; sieve->count < count; sieve->count++) {
        struct sieve_frame *const frame = &sieve->frames[sieve->count];
        *frame = (struct sieve_frame){.start_tick = checkpoint_take_u64(from)};
        frame->inner_ticks = checkpoint_take_u64(from);
        frame->omitted_count = checkpoint_take_u64(from);
        frame->omitted_ticks = checkpoint_take_u64(from);
        frame->slot = checkpoint_take_u64(from);
        frame->function = checkpoint_take_u32(from);
        frame->fate = checkpoint_take_u8(from);
        frame->counted = checkpoint_take_u8(from) != 0;
    }
    relink(sieve, cptrace_writer_function_count(transcoder->run.writer), from);
    const size_t cpu_count = checkpoint_take_count(from, CPU_BYTES);
    if (!cptrace_array_reserve(&sieve->cpus, &sieve->cpu_capacity, cpu_count, sizeof *sieve->cpus))
        return false;
    for (; sieve->cpu_count < cpu_count; sieve->cpu_count++) {
        struct pending_cpu *const cpu = &sieve->cpus[sieve->cpu_count];
        cpu->slot = checkpoint_take_u64(from);
        cpu->tick = checkpoint_take_u64(from);
        cpu->cpu_ns = checkpoint_take_u64(from);
        cpu->voluntary_switch_count = checkpoint_take_u64(from);
    }
    return true;
}

static bool restore_calls(const struct cptrace_transcoder *transcoder, struct lane_stack *lane, struct checkpoint_cursor *from)
{
    const size_t depth = checkpoint_take_count(from, CALL_BYTES);
    for (size_t i = 0; i < depth; i++) {
        struct open_call call = {.function = checkpoint_take_u32(from)};
        call.kind = checkpoint_take_u8(from);
        call.ending = checkpoint_take_u8(from) != 0;
        call.identity = checkpoint_take_u64(from);
        from->failed |= call.kind > OPEN_SPAN || (call.ending && call.kind != OPEN_SPAN) || !is_function(transcoder, call.function);
        lane->ending_count += call.ending;
        if (!cptrace_lane_stack_push(lane, call))
            return false;
    }
    return true;
}

static bool restore_lane(struct cptrace_transcoder *transcoder, struct lane_stack *lane, struct checkpoint_cursor *from)
{
    const uint32_t number = checkpoint_take_u32(from);
    lane->writer = cptrace_writer_lane(transcoder->run.writer, number);
    lane->taken = checkpoint_take_u64(from);
    lane->task_creator = checkpoint_take_u32(from);
    if (!restore_calls(transcoder, lane, from))
        return false;
    const bool has_sieve = checkpoint_take_u8(from) != 0;
    from->failed |= lane->writer ? has_sieve != transcoder->sieving : number != CPTRACE_NO_NUMBER || has_sieve || lane->depth > 0;
    return from->failed || !has_sieve || restore_sieve(transcoder, lane, from);
}

static bool restore_lanes(struct cptrace_transcoder *transcoder, struct checkpoint_cursor *from)
{
    const size_t count = checkpoint_take_count(from, LANE_FIXED_BYTES);
    if (count == 0)
        return true;
    transcoder->lanes = calloc(count, sizeof *transcoder->lanes);
    if (!transcoder->lanes)
        return false;
    transcoder->lane_count = count;
    for (size_t i = 0; i < count && !from->failed; i++)
        if (!restore_lane(transcoder, &transcoder->lanes[i], from))
            return false;
    return true;
}

/* The innermost span is added first. */
static bool restore_spans(struct cptrace_transcoder *transcoder, uint64_t address, struct checkpoint_cursor *from)
{
    struct frame_table *const table = &transcoder->run.table;
    const size_t count = checkpoint_take_count(from, SPAN_BYTES);
    const uint8_t *const first = from->bytes.at;
    for (size_t i = count; i > 0; i--) {
        const uint8_t *const at = first + (i - 1) * SPAN_BYTES;
        const struct suspended_span span = {.function = load_u32(at), .activation = load_u32(at + 4), .ending = at[8] != 0};
        from->failed |= span.function == CPTRACE_NO_NUMBER || !is_function(transcoder, span.function);
        if (!cptrace_frame_add_span(table, cptrace_frame_find(table, address), span))
            return false;
    }
    from->bytes.at += count * SPAN_BYTES;
    return true;
}

static bool restore_frames(struct cptrace_transcoder *transcoder, struct checkpoint_cursor *from)
{
    const size_t count = checkpoint_take_count(from, FRAME_BYTES);
    for (size_t i = 0; i < count && !from->failed; i++) {
        const uint64_t address = checkpoint_take_u64(from);
        from->failed |= address == 0;
        struct frame_entry *const entry = from->failed ? NULL : cptrace_frame_put(&transcoder->run.table, address);
        if (!entry)
            return from->failed;
        entry->activation = checkpoint_take_u32(from);
        entry->function = checkpoint_take_u32(from);
        entry->task_creator = checkpoint_take_u32(from);
        entry->left_out = checkpoint_take_u8(from) != 0;
        from->failed |= entry->activation != CPTRACE_NO_NUMBER && !is_function(transcoder, entry->function);
        if (!restore_spans(transcoder, address, from))
            return false;
    }
    return true;
}

/* false: no memory. */
static bool restore_state(struct cptrace_transcoder *transcoder, struct checkpoint_cursor *from)
{
    transcoder->sieving = checkpoint_take_u8(from) != 0;
    transcoder->run.repaired_count = checkpoint_take_u64(from);
    return restore_lanes(transcoder, from) && restore_frames(transcoder, from) && restore_functions(transcoder, from);
}

static enum cptrace_status restore(struct cptrace_transcoder *transcoder, struct checkpoint_cursor *from, struct cptrace_error *error)
{
    if (!restore_state(transcoder, from))
        return cptrace_error_no_memory(error, 0);
    if (from->failed || cursor_left(&from->bytes) != 0)
        return cptrace_error_set(error, CPTRACE_CORRUPT, 0, "checkpoint: its state of the rings contradicts itself");
    return CPTRACE_OK;
}

struct cptrace_transcoder *cptrace_transcoder_restore(const struct writer_base *base, const uint8_t *bytes, size_t length,
                                                      uint64_t file_bytes, struct cptrace_writer **writer, struct cptrace_error *error)
{
    struct checkpoint_cursor from = {.bytes = {bytes, bytes ? bytes + length - CRC_BYTES : NULL}};
    *writer = cptrace_writer_restore(base, bytes ? &from : NULL, file_bytes, error);
    if (!*writer)
        return NULL;
    struct cptrace_transcoder *const transcoder = cptrace_transcoder_create(*writer, &base->options);
    if (transcoder)
        transcoder->function_number_max = FUNCTION_NUMBER_MAX;
    else
        cptrace_error_no_memory(error, 0);
    if (transcoder && (!bytes || restore(transcoder, &from, error) == CPTRACE_OK))
        return transcoder;
    cptrace_transcoder_free(transcoder);
    cptrace_writer_free(*writer);
    *writer = NULL;
    return NULL;
}

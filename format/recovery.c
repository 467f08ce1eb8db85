/* Puts together what a run left when its process died: the trace up to the last checkpoint, and after it what the rings still held. */
#include "cptrace/recovery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "error.h"
#include "frame.h"
#include "leftover.h"
#include "os_files.h"
#include "transcoder.h"

/* ---- what was written: the spool of the ring file, or the part ---- */

/* -EIO: somebody made the part shorter meanwhile. */
static int64_t read_written(const struct cptrace_recovery *recovery, uint64_t offset, void *buffer, size_t capacity)
{
    if (offset >= recovery->written_bytes)
        return 0;
    if (capacity > recovery->written_bytes - offset)
        capacity = (size_t)(recovery->written_bytes - offset);
    if (!leftover_is_spooled(recovery)) {
        const int64_t count = cptrace_file_read_at(recovery->part, offset, buffer, capacity);
        return count == 0 && capacity > 0 ? -EIO : count;
    }
    memcpy(buffer, recovery->image.head.spool + offset, capacity);
    return (int64_t)capacity;
}

int64_t cptrace_recovery_read(const struct cptrace_recovery *recovery, uint64_t offset, void *buffer, size_t capacity)
{
    if (offset < recovery->written_bytes)
        return read_written(recovery, offset, buffer, capacity);
    offset -= recovery->written_bytes;
    if (offset >= recovery->rest.length)
        return 0;
    if (capacity > recovery->rest.length - offset)
        capacity = (size_t)(recovery->rest.length - offset);
    memcpy(buffer, recovery->rest.bytes + offset, capacity);
    return (int64_t)capacity;
}

struct scan_source {
    const struct cptrace_recovery *recovery;
    uint64_t offset;
};

static int64_t read_scan(void *context, void *buffer, size_t capacity)
{
    struct scan_source *const source = context;
    const int64_t count = read_written(source->recovery, source->offset, buffer, capacity);
    if (count > 0)
        source->offset += (uint64_t)count;
    return count;
}

/* Adds the calls that begin in a block; one that does not decode is damage. */
static enum cptrace_status count_calls(struct cptrace_reader *scan, const struct cptrace_block *block, uint64_t *call_count,
                                       struct cptrace_error *error)
{
    struct cptrace_events events = {0};
    struct cptrace_error reason;
    const enum cptrace_status status = block->kind == CPTRACE_BLOCK_EVENTS ? cptrace_events_decode(block, &events, &reason) : CPTRACE_OK;
    for (size_t i = 0; status == CPTRACE_OK && i < events.event_count; i++)
        *call_count += events.events[i].op == CPTRACE_OP_CALL || events.events[i].op == CPTRACE_OP_START;
    cptrace_events_free(&events);
    if (status == CPTRACE_CORRUPT)
        cptrace_reader_report_damage(scan, block, &reason);
    else if (status != CPTRACE_OK && error)
        *error = reason;
    return status == CPTRACE_CORRUPT ? CPTRACE_OK : status;
}

/* A reader that has read all that was written. call_count: NULL if nobody wants to know. */
static enum cptrace_status scan_written(struct scan_source *source, struct cptrace_reader **scan, uint64_t *call_count,
                                        struct cptrace_error *error)
{
    enum cptrace_status status = cptrace_reader_open_source((struct cptrace_source){read_scan, source}, scan, error);
    if (status != CPTRACE_OK)
        return status;
    struct cptrace_block block;
    while (status == CPTRACE_OK) {
        status = cptrace_reader_next(*scan, &block, error);
        if (status == CPTRACE_OK && call_count)
            status = count_calls(*scan, &block, call_count, error);
    }
    if (status == CPTRACE_END || status == CPTRACE_TRUNCATED)
        return CPTRACE_OK;
    cptrace_reader_close(*scan);
    *scan = NULL;
    return status;
}

/* Damage is in the trace as it is, but for what stands behind the last whole block. */
static void note_damage(struct cptrace_recovery *recovery, const struct cptrace_reader *scan)
{
    size_t count;
    const struct cptrace_damage *const damage = cptrace_reader_damage(scan, &count);
    if (count)
        snprintf(recovery->trouble, sizeof recovery->trouble, "what was written is damaged, first at offset 0x%llx: %.160s",
                 (unsigned long long)damage->offset, damage->error.message);
}

/* ---- what the rings still hold ---- */

static int append_rest(void *context, const void *bytes, size_t length)
{
    return cptrace_buffer_append(context, bytes, length) ? 0 : ENOMEM;
}

/* Rings that went round without being drained hold nothing that fits: their run had failed, or had reached its limit. */
static void skip_overrun(struct cptrace_recovery *recovery, const struct cptrace_transcoder *transcoder)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < recovery->image.ring_count; i++) {
        struct cptrace_ring *const ring = recovery->image.rings[i];
        const uint64_t taken = ring->lane < transcoder->lane_count ? transcoder->lanes[ring->lane].taken : 0;
        const uint64_t head = atomic_load(&ring->head);
        if (head >= taken && head - taken <= ring->capacity_slots)
            continue;
        lost += head - taken;
        atomic_store(&ring->head, taken);
    }
    if (lost)
        snprintf(recovery->trouble, sizeof recovery->trouble, "the run could write no more: %llu slots of its rings were lost",
                 (unsigned long long)lost);
}

static struct cptrace_string text(const char *string) { return (struct cptrace_string){string, (uint32_t)strlen(string)}; }

/* The clock stood still with the process: its last point, carried on to the last event. */
static struct cptrace_calibration end_point(struct cptrace_calibration point, uint64_t end_tick, const struct cptrace_header *header)
{
    if (end_tick <= point.ticks)
        return point;
    const uint64_t ticks = end_tick - point.ticks;
    const uint64_t ns = (ticks >> 32) * header->ns_per_tick_q32 + ((ticks & UINT32_MAX) * header->ns_per_tick_q32 >> 32);
    return (struct cptrace_calibration){end_tick, point.monotonic_ns + ns, point.utc_ns + ns};
}

/* What the writer writes goes to memory: nothing else can fail there. */
static enum cptrace_status of_writer(enum cptrace_status status, struct cptrace_error *error)
{
    return status == CPTRACE_IO_ERROR ? cptrace_error_no_memory(error, 0) : status;
}

static enum cptrace_status write_end(const struct cptrace_recovery *recovery, struct cptrace_writer *writer, struct cptrace_calibration end,
                                     struct cptrace_error *error)
{
    static const char warning[] = "the process ended before the run did (killed, crashed, or os._exit)";
    const struct cptrace_pair pairs[] = {
        {text("outcome"), text("killed")},
        {text("warning"), text(warning)},
        {text("warning"), text(recovery->trouble)},
    };
    return of_writer(cptrace_writer_finish(writer, end, pairs, recovery->trouble[0] ? 3 : 2, error), error);
}

/* Takes what the rings hold, and ends the trace. */
static enum cptrace_status write_rest(struct cptrace_recovery *recovery, struct cptrace_transcoder *transcoder,
                                      struct cptrace_writer *writer, const struct cptrace_header *header, struct cptrace_error *error)
{
    struct ring_image *const image = &recovery->image;
    skip_overrun(recovery, transcoder);
    uint64_t *const consumed = calloc(image->ring_count + 1, sizeof *consumed);
    if (!consumed)
        return cptrace_error_no_memory(error, 0);
    enum cptrace_status status = cptrace_transcoder_consume_all(transcoder, image->rings, image->ring_count, UINT64_MAX, consumed);
    free(consumed);
    if (status == CPTRACE_CORRUPT)
        snprintf(recovery->trouble, sizeof recovery->trouble, "a ring holds a slot that makes no sense: what comes after it is lost");
    else if (status != CPTRACE_OK)
        return of_writer(cptrace_error_set(error, status, 0, "rings: %s", cptrace_status_name(status)), error);
    cptrace_transcoder_finish(transcoder, cptrace_writer_last_tick(writer));
    return write_end(recovery, writer, end_point(cptrace_writer_last_point(writer), cptrace_writer_last_tick(writer), header), error);
}

/* What makes no sense does not count: the trace is then as far as it was written. IO_ERROR and NO_MEMORY are failures. */
static enum cptrace_status make_rest(struct cptrace_recovery *recovery, struct cptrace_error *error)
{
    struct ring_image *const image = &recovery->image;
    uint64_t file_bytes = image->head.begun_bytes;
    if (image->checkpoint && !cptrace_checkpoint_file_bytes(image->checkpoint, image->checkpoint_bytes, &file_bytes))
        return cptrace_error_set(error, CPTRACE_CORRUPT, 0, "checkpoint: its checksum is wrong");
    if (file_bytes > recovery->written_bytes)
        return cptrace_error_set(error, CPTRACE_CORRUPT, 0, "trace: %llu bytes were written, %llu are there",
                                 (unsigned long long)file_bytes, (unsigned long long)recovery->written_bytes);
    const uint64_t all_written = recovery->written_bytes;
    recovery->written_bytes = file_bytes;
    struct scan_source source = {recovery, 0};
    struct writer_base base = {.sink = {append_rest, &recovery->rest},
                               .options = {.max_depth = image->head.max_depth, .min_call_ticks = image->head.min_call_ticks}};
    struct cptrace_reader *scan;
    enum cptrace_status status = scan_written(&source, &scan, NULL, error);
    struct cptrace_writer *writer = NULL;
    struct cptrace_transcoder *transcoder = NULL;
    if (status == CPTRACE_OK) {
        note_damage(recovery, scan);
        base.scan = scan;
        transcoder = cptrace_transcoder_restore(&base, image->checkpoint, image->checkpoint_bytes, file_bytes, &writer, error);
        status = transcoder ? write_rest(recovery, transcoder, writer, cptrace_reader_header(scan), error) : error->status;
    }
    cptrace_transcoder_free(transcoder);
    cptrace_writer_free(writer);
    cptrace_reader_close(scan);
    if (status == CPTRACE_OK)
        return status;
    recovery->rest.length = 0;
    recovery->written_bytes = all_written;
    return status;
}

static uint64_t end_of_last_block(const struct cptrace_reader *scan)
{
    const struct cptrace_block_entry *const last = scan->entry_count ? &scan->entries[scan->entry_count - 1] : NULL;
    return last ? last->offset + last->compressed_bytes : HEADER_BYTES;
}

static struct cptrace_calibration end_of_scan(const struct cptrace_reader *scan)
{
    struct cptrace_calibration point = scan->header.start;
    uint64_t end_tick = point.ticks;
    for (size_t i = 0; i < scan->entry_count; i++) {
        const struct cptrace_block_entry *const block = &scan->entries[i];
        if (block->kind != CPTRACE_BLOCK_EVENTS)
            continue;
        if (block->calibration.ticks > point.ticks)
            point = block->calibration;
        if (block->last_tick > end_tick)
            end_tick = block->last_tick;
    }
    return end_point(point, end_tick, &scan->header);
}

enum cptrace_status cptrace_recovery_end_cut(struct cptrace_recovery *recovery, struct cptrace_error *error)
{
    if (recovery->rest.length || recovery->is_whole)
        return CPTRACE_OK;
    struct scan_source source = {recovery, 0};
    struct cptrace_reader *scan;
    uint64_t call_count = 0;
    enum cptrace_status status = scan_written(&source, &scan, &call_count, error);
    if (status != CPTRACE_OK)
        return status;
    if (!recovery->trouble[0])
        note_damage(recovery, scan);
    const struct writer_base base = {.scan = scan, .sink = {append_rest, &recovery->rest}, .calls_before = call_count};
    struct cptrace_writer *const writer = cptrace_writer_restore(&base, NULL, end_of_last_block(scan), error);
    if (writer) {
        recovery->written_bytes = end_of_last_block(scan);
        status = write_end(recovery, writer, end_of_scan(scan), error);
    } else {
        status = error->status;
    }
    cptrace_writer_free(writer);
    cptrace_reader_close(scan);
    return status;
}

/* Whether what was written is a whole trace: its process died between the last byte and the new name. */
static enum cptrace_status look_whether_whole(struct cptrace_recovery *recovery, struct cptrace_error *error)
{
    struct scan_source source = {recovery, 0};
    struct cptrace_reader *scan = NULL;
    const enum cptrace_status status = scan_written(&source, &scan, NULL, error);
    recovery->is_whole = status == CPTRACE_OK && cptrace_reader_has_index(scan) && scan->end.present;
    cptrace_reader_close(scan);
    return status == CPTRACE_NO_MEMORY || status == CPTRACE_IO_ERROR ? status : CPTRACE_OK;
}

static enum cptrace_status assemble(struct cptrace_recovery *recovery, struct cptrace_error *error)
{
    if (recovery->kind == CPTRACE_LEFTOVER_IDLE)
        return CPTRACE_OK;
    enum cptrace_status status = look_whether_whole(recovery, error);
    if (status != CPTRACE_OK || recovery->is_whole || recovery->kind != CPTRACE_LEFTOVER_RUN)
        return status;
    struct cptrace_error reason = {0};
    status = cptrace_ring_image_read_regions(recovery->ring, &recovery->image, &reason);
    if (status == CPTRACE_OK)
        status = make_rest(recovery, &reason);
    if (status == CPTRACE_CORRUPT || status == CPTRACE_TRUNCATED) {
        snprintf(recovery->trouble, sizeof recovery->trouble, "what its rings held is lost: %.160s", reason.message);
        return CPTRACE_OK;
    }
    if (error)
        *error = reason;
    return status;
}

enum cptrace_status cptrace_recovery_open(const char *path, struct cptrace_recovery **result, struct cptrace_error *error)
{
    *result = NULL;
    if (!cptrace_may_be_leftover(path))
        return cptrace_error_set(error, CPTRACE_NOT_A_TRACE, 0, "name: neither that of a ring file nor of a part");
    struct cptrace_recovery *const recovery = calloc(1, sizeof *recovery);
    if (!recovery)
        return cptrace_error_no_memory(error, 0);
    enum cptrace_status status = cptrace_leftover_find(recovery, path, error);
    if (status == CPTRACE_OK)
        status = assemble(recovery, error);
    if (status == CPTRACE_OK)
        *result = recovery;
    else
        cptrace_recovery_close(recovery);
    return status;
}

void cptrace_recovery_close(struct cptrace_recovery *recovery)
{
    if (!recovery)
        return;
    cptrace_leftover_close(recovery);
    cptrace_buffer_free(&recovery->rest);
    free(recovery);
}

/* ---- what it is ---- */

enum cptrace_leftover cptrace_recovery_kind(const struct cptrace_recovery *recovery) { return recovery->kind; }

uint64_t cptrace_recovery_process_id(const struct cptrace_recovery *recovery)
{
    return recovery->ring ? recovery->image.head.process_id : 0;
}

const char *cptrace_recovery_trace_path(const struct cptrace_recovery *recovery) { return recovery->trace_path; }

const char *cptrace_recovery_part_path(const struct cptrace_recovery *recovery) { return recovery->part_path; }

const char *cptrace_recovery_ring_path(const struct cptrace_recovery *recovery) { return recovery->ring_path; }

const char *cptrace_recovery_trouble(const struct cptrace_recovery *recovery) { return recovery->trouble[0] ? recovery->trouble : NULL; }

bool cptrace_recovery_claim(struct cptrace_recovery *recovery) { return !recovery->ring || cptrace_file_claim(recovery->ring); }

/* Puts together what a run left when its process died: the trace up to the last checkpoint, and after it what the rings still held. */
#include "cptrace/recovery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "error.h"
#include "frame.h"
#include "os_files.h"
#include "ring_image.h"
#include "transcoder.h"

struct cptrace_recovery {
    char *folder;                /* with its slash, or empty */
    char *ring_path, *part_path; /* NULL: not there */
    char *trace_path;
    struct cptrace_file *ring, *part; /* open while it lives */
    struct ring_image image;
    enum cptrace_leftover kind;
    uint64_t written_bytes;  /* of the spool or part: what counts of them */
    struct byte_buffer rest; /* what comes after them */
    bool is_whole;           /* what was written has its end and index */
    char trouble[240];
};

/* ---- paths ---- */

static char *joined(const char *folder, const char *name, const char *suffix)
{
    const size_t capacity = strlen(folder) + strlen(name) + strlen(suffix) + 1;
    char *const path = malloc(capacity);
    if (path)
        snprintf(path, capacity, "%s%s%s", folder, name, suffix);
    return path;
}

static const char *file_name(const char *path)
{
    const char *name = path;
    for (const char *at = path; *at; at++)
        if (*at == '/' || (CPTRACE_PATHS_HAVE_BACKSLASH && *at == '\\'))
            name = at + 1;
    return name;
}

static char *copy_of(const char *text, size_t length)
{
    char *const copy = malloc(length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = 0;
    }
    return copy;
}

static bool ends_with(const char *text, const char *suffix)
{
    const size_t length = strlen(text), suffix_length = strlen(suffix);
    return length > suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

static bool is_ring_name(const char *name)
{
    return strncmp(name, CPTRACE_RING_FILE_PREFIX, strlen(CPTRACE_RING_FILE_PREFIX)) == 0 && ends_with(name, CPTRACE_RING_FILE_SUFFIX);
}

static bool is_part_name(const char *name) { return ends_with(name, CPTRACE_PART_SUFFIX); }

bool cptrace_may_be_leftover(const char *path)
{
    const char *const name = file_name(path);
    return is_ring_name(name) || is_part_name(name);
}

/* ---- what was written: the spool of the ring file, or the part ---- */

static bool is_spooled(const struct cptrace_recovery *recovery) { return recovery->ring && recovery->image.head.spool_bytes > 0; }

static int64_t read_written(const struct cptrace_recovery *recovery, uint64_t offset, void *buffer, size_t capacity)
{
    if (offset >= recovery->written_bytes)
        return 0;
    if (capacity > recovery->written_bytes - offset)
        capacity = (size_t)(recovery->written_bytes - offset);
    if (!is_spooled(recovery))
        return cptrace_file_read_at(recovery->part, offset, buffer, capacity);
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

static enum cptrace_status write_end(const struct cptrace_recovery *recovery, struct cptrace_writer *writer, struct cptrace_calibration end,
                                     struct cptrace_error *error)
{
    static const char warning[] = "the process ended before the run did (killed, crashed, or os._exit)";
    const struct cptrace_pair pairs[] = {
        {text("outcome"), text("killed")},
        {text("warning"), text(warning)},
        {text("warning"), text(recovery->trouble)},
    };
    return cptrace_writer_finish(writer, end, pairs, recovery->trouble[0] ? 3 : 2, error);
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
    enum cptrace_status status = cptrace_transcoder_consume_all(transcoder, image->rings, image->ring_count, consumed);
    free(consumed);
    if (status == CPTRACE_CORRUPT)
        snprintf(recovery->trouble, sizeof recovery->trouble, "a ring holds a slot that makes no sense: what comes after it is lost");
    else if (status != CPTRACE_OK)
        return cptrace_error_set(error, status, 0, "rings: %s", cptrace_status_name(status));
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

/* ---- finding the files ---- */

static enum cptrace_status no_memory_unless(const void *pointer, struct cptrace_error *error)
{
    return pointer ? CPTRACE_OK : cptrace_error_no_memory(error, 0);
}

/* The file id of a trace; 0: it is none, or cannot be read. */
static uint32_t file_id_of(const struct cptrace_file *file)
{
    uint8_t header[HEADER_BYTES];
    size_t done = 0;
    while (done < sizeof header) {
        const int64_t count = cptrace_file_read_at(file, done, header + done, sizeof header - done);
        if (count <= 0)
            return 0;
        done += (size_t)count;
    }
    return load_u32(header) == MAGIC_HEADER && memcmp(header + 8, SIGNATURE, SIGNATURE_BYTES) == 0 ? load_u32(header + 20) : 0;
}

static bool is_saved(const struct cptrace_recovery *recovery)
{
    int error_number;
    struct cptrace_file *const file = cptrace_file_open(recovery->trace_path, &error_number);
    const bool is = file && file_id_of(file) == recovery->image.head.file_id;
    cptrace_file_close(file);
    return is;
}

/* The part that goes with a ring file: it has its file id; or no header yet, when the spool was just being copied into it. */
static bool is_part_of(const struct cptrace_file *part, const struct cptrace_ring_file *head)
{
    return file_id_of(part) == (cptrace_file_size(part) < HEADER_BYTES && head->spool_bytes > 0 ? 0 : head->file_id);
}

static bool look_at_ring(void *context, const char *name)
{
    struct cptrace_recovery *const recovery = context;
    int error_number;
    if (!is_ring_name(name))
        return true;
    char *const path = joined(recovery->folder, name, "");
    struct cptrace_file *const file = path ? cptrace_file_open(path, &error_number) : NULL;
    struct ring_image image = {0};
    const bool found = file && cptrace_ring_image_read_head(file, &image, NULL) == CPTRACE_OK &&
                       image.head.state == CPTRACE_RING_FILE_RECORDING && is_part_of(recovery->part, &image.head) &&
                       (file_id_of(recovery->part) || strcmp(file_name(recovery->trace_path), image.head.trace_name) == 0);
    if (found) {
        recovery->ring_path = path;
        recovery->ring = file;
        recovery->image = image;
        return false;
    }
    cptrace_file_close(file);
    free(path);
    return true;
}

/* A part: its ring file is the one with its file id. */
static enum cptrace_status open_part(struct cptrace_recovery *recovery, const char *path, struct cptrace_error *error)
{
    int error_number;
    recovery->part = cptrace_file_open(path, &error_number);
    if (!recovery->part)
        return cptrace_error_system(error, 0, "open", error_number);
    recovery->part_path = copy_of(path, strlen(path));
    recovery->trace_path = copy_of(path, strlen(path) - strlen(CPTRACE_PART_SUFFIX));
    if (!recovery->part_path || !recovery->trace_path)
        return cptrace_error_no_memory(error, 0);
    cptrace_folder_visit(recovery->folder[0] ? recovery->folder : ".", look_at_ring, recovery); /* without it: a cut trace */
    return CPTRACE_OK;
}

static enum cptrace_status open_ring(struct cptrace_recovery *recovery, const char *path, struct cptrace_error *error)
{
    int error_number;
    recovery->ring = cptrace_file_open(path, &error_number);
    if (!recovery->ring)
        return cptrace_error_system(error, 0, "open", error_number);
    recovery->ring_path = copy_of(path, strlen(path));
    if (!recovery->ring_path)
        return cptrace_error_no_memory(error, 0);
    const enum cptrace_status status = cptrace_ring_image_read_head(recovery->ring, &recovery->image, error);
    if (status != CPTRACE_OK || recovery->image.head.state != CPTRACE_RING_FILE_RECORDING)
        return status;
    const char *const name = recovery->image.head.trace_name;
    recovery->trace_path = joined(recovery->folder, name, "");
    recovery->part_path = joined(recovery->folder, name, CPTRACE_PART_SUFFIX);
    if (!recovery->trace_path || !recovery->part_path)
        return cptrace_error_no_memory(error, 0);
    int part_error;
    recovery->part = cptrace_file_open(recovery->part_path, &part_error);
    if (recovery->part && is_part_of(recovery->part, &recovery->image.head))
        return CPTRACE_OK;
    cptrace_file_close(recovery->part);
    recovery->part = NULL;
    free(recovery->part_path);
    recovery->part_path = NULL;
    return CPTRACE_OK;
}

static enum cptrace_leftover kind_of(const struct cptrace_recovery *recovery)
{
    if (!recovery->ring)
        return CPTRACE_LEFTOVER_CUT;
    if (cptrace_file_is_owned(recovery->ring, recovery->image.head.process_id))
        return CPTRACE_LEFTOVER_LIVE;
    if (recovery->image.head.state != CPTRACE_RING_FILE_RECORDING)
        return CPTRACE_LEFTOVER_IDLE;
    if (!recovery->part && !is_spooled(recovery) && is_saved(recovery))
        return CPTRACE_LEFTOVER_IDLE;
    return CPTRACE_LEFTOVER_RUN;
}

static enum cptrace_status measure_written(struct cptrace_recovery *recovery, struct cptrace_error *error)
{
    if (is_spooled(recovery)) {
        recovery->written_bytes = recovery->image.head.spool_bytes;
        return CPTRACE_OK;
    }
    if (!recovery->part) {
        if (recovery->kind == CPTRACE_LEFTOVER_RUN)
            return cptrace_error_set(error, CPTRACE_CORRUPT, 0, "ring file: the trace that it belongs to is not there (%s%s)",
                                     recovery->image.head.trace_name, CPTRACE_PART_SUFFIX);
        return CPTRACE_OK;
    }
    const int64_t bytes = cptrace_file_size(recovery->part);
    if (bytes < 0)
        return cptrace_error_system(error, 0, "size", (int)-bytes);
    recovery->written_bytes = (uint64_t)bytes;
    return CPTRACE_OK;
}

/* Whether what was written is a whole trace: its process died between the last byte and the new name. */
static bool is_whole(const struct cptrace_recovery *recovery)
{
    struct scan_source source = {recovery, 0};
    struct cptrace_reader *scan = NULL;
    const bool whole = scan_written(&source, &scan, NULL, NULL) == CPTRACE_OK && cptrace_reader_has_index(scan) && scan->end.present;
    cptrace_reader_close(scan);
    return whole;
}

static enum cptrace_status assemble(struct cptrace_recovery *recovery, struct cptrace_error *error)
{
    recovery->kind = kind_of(recovery);
    enum cptrace_status status = measure_written(recovery, error);
    if (status != CPTRACE_OK || recovery->kind == CPTRACE_LEFTOVER_IDLE)
        return status;
    recovery->is_whole = is_whole(recovery);
    if (recovery->is_whole || recovery->kind != CPTRACE_LEFTOVER_RUN)
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
    const char *const name = file_name(path);
    if (!cptrace_may_be_leftover(path))
        return cptrace_error_set(error, CPTRACE_NOT_A_TRACE, 0, "name: neither that of a ring file nor of a part");
    struct cptrace_recovery *const recovery = calloc(1, sizeof *recovery);
    enum cptrace_status status = no_memory_unless(recovery, error);
    if (status == CPTRACE_OK) {
        recovery->folder = copy_of(path, (size_t)(name - path));
        status = no_memory_unless(recovery->folder, error);
    }
    if (status == CPTRACE_OK)
        status = is_ring_name(name) ? open_ring(recovery, path, error) : open_part(recovery, path, error);
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
    cptrace_ring_image_free(&recovery->image);
    cptrace_buffer_free(&recovery->rest);
    cptrace_file_close(recovery->ring);
    cptrace_file_close(recovery->part);
    free(recovery->folder);
    free(recovery->ring_path);
    free(recovery->part_path);
    free(recovery->trace_path);
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

/* ---- folders ---- */

struct leftovers_walk {
    const char *folder;
    bool (*visit)(void *context, const char *path);
    void *context;
    bool wants_parts;
    bool no_memory;
};

static bool walk_entry(void *context, const char *name)
{
    struct leftovers_walk *const walk = context;
    if (!(walk->wants_parts ? is_part_name(name) : is_ring_name(name)))
        return true;
    const size_t length = strlen(walk->folder);
    char *const path = joined(walk->folder, length && walk->folder[length - 1] != '/' ? "/" : "", name);
    walk->no_memory = !path;
    const bool more = path && walk->visit(walk->context, path);
    free(path);
    return more;
}

enum cptrace_status cptrace_leftovers_visit(const char *folder, bool (*visit)(void *context, const char *path), void *context,
                                            struct cptrace_error *error)
{
    struct leftovers_walk walk = {.folder = folder, .visit = visit, .context = context};
    int error_number = cptrace_folder_visit(folder, walk_entry, &walk);
    walk.wants_parts = true;
    if (error_number == 0 && !walk.no_memory)
        error_number = cptrace_folder_visit(folder, walk_entry, &walk);
    if (walk.no_memory)
        return cptrace_error_no_memory(error, 0);
    return error_number ? cptrace_error_system(error, 0, "read the folder", error_number) : CPTRACE_OK;
}

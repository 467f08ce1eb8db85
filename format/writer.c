#include "cptrace/writer.h"

#include <stdlib.h>
#include <string.h>

#include "cptrace/reader.h"
#include "crc32.h"
#include "error.h"
#include "frame.h"
#include "pairs.h"
#include "pending_event.h"
#include "writer_state.h"

#define DEFAULT_BLOCK_EVENTS 131072u
#define HEAVY_OPEN_CALLS 1024u
#define PENDING_DEFINITIONS_MAX_BYTES (256u << 10)

bool cptrace_writer_live(const struct cptrace_writer *writer) { return writer->blocks.error.status == CPTRACE_OK && !writer->finished; }

/* After an error no lane takes another event. Always false. */
static bool stop_lanes(struct cptrace_writer *writer)
{
    for (size_t i = 0; i < writer->lane_count; i++)
        cptrace_lane_stop(writer->lanes[i]);
    return false;
}

bool cptrace_writer_no_memory(struct cptrace_writer *writer)
{
    cptrace_block_writer_no_memory(&writer->blocks);
    return stop_lanes(writer);
}

static void misuse(struct cptrace_writer *writer, const char *message)
{
    if (writer->blocks.error.status == CPTRACE_OK)
        cptrace_error_set(&writer->blocks.error, CPTRACE_INVALID_ARGUMENT, writer->blocks.offset, "%s", message);
    stop_lanes(writer);
}

static bool write_header(struct cptrace_writer *writer, const struct cptrace_writer_options *options)
{
    uint8_t header[HEADER_BYTES] = {0};
    store_u32(header, MAGIC_HEADER);
    store_u32(header + 4, HEADER_BYTES - SKIPPABLE_HEADER_BYTES);
    memcpy(header + 8, SIGNATURE, SIGNATURE_BYTES);
    store_u16(header + 16, CPTRACE_FORMAT_VERSION);
    store_u32(header + 20, options->file_id);
    memcpy(header + 24, options->run_id, sizeof options->run_id);
    store_u64(header + 40, options->ns_per_tick_q32);
    store_calibration(header + 48, &options->start);
    store_u32(header + 76, cptrace_crc32(0, header + 8, 68));
    return cptrace_block_writer_append(&writer->blocks, header, sizeof header);
}

static void copy_error(const struct cptrace_writer *writer, struct cptrace_error *error)
{
    if (error)
        *error = writer->blocks.error;
}

struct cptrace_writer *cptrace_writer_allocate(struct cptrace_sink sink, const struct cptrace_writer_options *options,
                                               struct cptrace_error *error)
{
    if (!sink.append || options->file_id == 0 || options->ns_per_tick_q32 == 0) {
        cptrace_error_set(error, CPTRACE_INVALID_ARGUMENT, 0, "writer options: file_id and ns_per_tick_q32 must not be zero");
        return NULL;
    }
    struct cptrace_writer *const writer = calloc(1, sizeof *writer);
    if (!writer) {
        cptrace_error_no_memory(error, 0);
        return NULL;
    }
    writer->start = writer->calibration = options->start;
    writer->block_event_count = options->block_event_count ? options->block_event_count : DEFAULT_BLOCK_EVENTS;
    if (writer->block_event_count > BLOCK_EVENTS_MAX)
        writer->block_event_count = BLOCK_EVENTS_MAX;
    const int level = options->compression_level ? options->compression_level : BLOCK_DEFAULT_LEVEL;
    if (!cptrace_definitions_init(&writer->definitions))
        cptrace_block_writer_no_memory(&writer->blocks);
    else
        cptrace_block_writer_init(&writer->blocks, sink, options->file_id, level);
    writer->blocks.index.previous_end = HEADER_BYTES;
    writer->blocks.index.previous_first_tick = options->start.ticks;
    writer->blocks.index.previous_calibration = options->start;
    if (writer->blocks.error.status == CPTRACE_OK)
        return writer;
    copy_error(writer, error);
    cptrace_writer_free(writer);
    return NULL;
}

struct cptrace_writer *cptrace_writer_create(struct cptrace_sink sink, const struct cptrace_writer_options *options,
                                             struct cptrace_error *error)
{
    struct cptrace_writer *const writer = cptrace_writer_allocate(sink, options, error);
    if (!writer || write_header(writer, options))
        return writer;
    copy_error(writer, error);
    cptrace_writer_free(writer);
    return NULL;
}

static bool write_pairs_block(struct cptrace_writer *writer, enum cptrace_block_kind kind, struct byte_buffer *body,
                              const struct cptrace_pair *pairs, size_t count)
{
    if (!cptrace_pairs_encode(body, pairs, count))
        return cptrace_writer_no_memory(writer);
    const struct block_piece piece = {body->bytes, body->length};
    return cptrace_block_write(&writer->blocks, (struct index_block){.kind = (uint8_t)kind}, &piece, 1) || stop_lanes(writer);
}

void cptrace_writer_info(struct cptrace_writer *writer, const struct cptrace_pair *pairs, size_t count)
{
    if (!cptrace_writer_live(writer))
        return;
    if (writer->blocks.sequence != 0) {
        misuse(writer, "info: must be written once, before all else");
        return;
    }
    struct byte_buffer body = {0};
    write_pairs_block(writer, CPTRACE_BLOCK_INFO, &body, pairs, count);
    cptrace_buffer_free(&body);
}

bool cptrace_writer_write_block(struct cptrace_writer *writer, struct index_block block, const struct block_piece *pieces,
                                size_t piece_count)
{
    if (writer->blocks.sequence == 0)
        cptrace_writer_info(writer, NULL, 0);
    return cptrace_block_write(&writer->blocks, block, pieces, piece_count) || stop_lanes(writer);
}

bool cptrace_writer_write_definitions(struct cptrace_writer *writer)
{
    if (cptrace_definitions_pending_bytes(&writer->definitions) == 0)
        return cptrace_writer_live(writer);
    const struct byte_buffer *const body = cptrace_definitions_take(&writer->definitions);
    if (!body)
        return cptrace_writer_no_memory(writer);
    const struct block_piece piece = {body->bytes, body->length};
    return cptrace_writer_write_block(writer, (struct index_block){.kind = CPTRACE_BLOCK_DEFINITIONS}, &piece, 1);
}

/* Turns a missing number into the sticky error, and writes definitions out before they become many. */
static uint32_t defined(struct cptrace_writer *writer, uint32_t number)
{
    if (number == CPTRACE_NO_NUMBER)
        cptrace_writer_no_memory(writer);
    else if (cptrace_definitions_pending_bytes(&writer->definitions) > PENDING_DEFINITIONS_MAX_BYTES)
        cptrace_writer_write_definitions(writer);
    return number;
}

uint32_t cptrace_writer_define_file(struct cptrace_writer *writer, struct cptrace_string path, uint64_t size_bytes, uint64_t mtime_ns)
{
    if (!cptrace_writer_live(writer))
        return CPTRACE_NO_NUMBER;
    return defined(writer, cptrace_definitions_file(&writer->definitions, path, size_bytes, mtime_ns));
}

uint32_t cptrace_writer_define_function(struct cptrace_writer *writer, const struct cptrace_function *function)
{
    if (!cptrace_writer_live(writer))
        return CPTRACE_NO_NUMBER;
    const uint32_t file_count = cptrace_definitions_count(&writer->definitions, TABLE_FILES);
    if (function->category < CPTRACE_CATEGORY_USER || function->category > CPTRACE_CATEGORY_BUILTIN ||
        !function_flags_are_valid(function->flags) || (function->file != CPTRACE_NO_NUMBER && function->file >= file_count)) {
        misuse(writer, "define_function: unknown category, flag or file");
        return CPTRACE_NO_NUMBER;
    }
    if (cptrace_definitions_count(&writer->definitions, TABLE_FUNCTIONS) >= PENDING_NO_FUNCTION) {
        misuse(writer, "define_function: too many functions");
        return CPTRACE_NO_NUMBER;
    }
    return defined(writer, cptrace_definitions_function(&writer->definitions, function));
}

uint32_t cptrace_writer_define_task(struct cptrace_writer *writer, struct cptrace_string name, uint32_t root_activation,
                                    uint32_t creating_activation)
{
    if (!cptrace_writer_live(writer))
        return CPTRACE_NO_NUMBER;
    return defined(writer, cptrace_definitions_task(&writer->definitions, name, root_activation, creating_activation));
}

uint32_t cptrace_writer_define_idle_lane(struct cptrace_writer *writer, uint64_t os_thread_id, struct cptrace_string name)
{
    if (!cptrace_writer_live(writer))
        return CPTRACE_NO_NUMBER;
    return defined(writer, cptrace_definitions_lane(&writer->definitions, os_thread_id, name));
}

struct cptrace_lane_writer *cptrace_writer_begin_lane(struct cptrace_writer *writer, uint32_t number)
{
    if (!cptrace_writer_live(writer) || number == CPTRACE_NO_NUMBER)
        return NULL;
    const bool has_room = cptrace_array_reserve(&writer->lanes, &writer->lane_capacity, writer->lane_count + 1, sizeof *writer->lanes);
    struct cptrace_lane_writer *const lane = has_room ? cptrace_lane_create(writer, number) : NULL;
    if (!lane) {
        cptrace_writer_no_memory(writer);
        return NULL;
    }
    writer->lanes[writer->lane_count++] = lane;
    return lane;
}

struct cptrace_lane_writer *cptrace_writer_define_lane(struct cptrace_writer *writer, uint64_t os_thread_id, struct cptrace_string name)
{
    return cptrace_writer_begin_lane(writer, cptrace_writer_define_idle_lane(writer, os_thread_id, name));
}

uint32_t cptrace_writer_adopt(struct cptrace_writer *writer, uint32_t function)
{
    if (!cptrace_writer_live(writer) || writer->activation_count == CPTRACE_NO_NUMBER || function == CPTRACE_NO_NUMBER)
        return CPTRACE_NO_NUMBER;
    const struct suspended_call call = {.activation = writer->activation_count, .function = function, .start_tick = START_TICK_UNKNOWN};
    if (!cptrace_suspended_add(&writer->suspended, &call)) {
        cptrace_writer_no_memory(writer);
        return CPTRACE_NO_NUMBER;
    }
    return writer->activation_count++;
}

void cptrace_writer_calibrate(struct cptrace_writer *writer, struct cptrace_calibration point)
{
    if (point.ticks >= writer->calibration.ticks)
        writer->calibration = point;
}

void cptrace_writer_await(struct cptrace_writer *writer, struct cptrace_lane_writer *lane)
{
    if (lane->is_listed)
        return;
    lane->is_listed = true;
    lane->next_waiting = NULL;
    if (writer->last_waiting)
        writer->last_waiting->next_waiting = lane;
    else
        writer->first_waiting = lane;
    writer->last_waiting = lane;
}

static struct cptrace_lane_writer *take_waiting(struct cptrace_writer *writer)
{
    struct cptrace_lane_writer *const lane = writer->first_waiting;
    writer->first_waiting = lane->next_waiting;
    if (!writer->first_waiting)
        writer->last_waiting = NULL;
    lane->is_listed = false;
    return lane;
}

/* Lanes without events are not even looked at: there may be many, and many flushes. */
static bool write_all(struct cptrace_writer *writer)
{
    while (writer->first_waiting)
        if (!cptrace_lane_write_block(take_waiting(writer)))
            return false;
    return cptrace_writer_write_definitions(writer);
}

enum cptrace_status cptrace_writer_flush(struct cptrace_writer *writer, struct cptrace_error *error)
{
    if (cptrace_writer_live(writer))
        write_all(writer);
    copy_error(writer, error);
    return writer->blocks.error.status;
}

/* Its block would hold mostly open calls. */
static bool is_heavy(const struct cptrace_lane_writer *lane)
{
    return lane->open_count > HEAVY_OPEN_CALLS && lane->open_count > cptrace_lane_waiting(lane);
}

static bool write_light(struct cptrace_writer *writer, bool *written)
{
    struct cptrace_lane_writer *const last = writer->last_waiting;
    for (bool is_last = !last; !is_last;) { /* heavy ones go to the end of the list */
        struct cptrace_lane_writer *const lane = take_waiting(writer);
        is_last = lane == last;
        if (cptrace_lane_waiting(lane) == 0)
            continue;
        if (is_heavy(lane)) {
            cptrace_writer_await(writer, lane);
            continue;
        }
        if (!cptrace_lane_write_block(lane))
            return false;
        *written = true;
    }
    return true;
}

enum cptrace_status cptrace_writer_flush_light(struct cptrace_writer *writer, bool *only_heavy, struct cptrace_error *error)
{
    bool written = false;
    if (cptrace_writer_live(writer))
        write_light(writer, &written);
    *only_heavy = !written && writer->first_waiting;
    copy_error(writer, error);
    return writer->blocks.error.status;
}

static bool write_end(struct cptrace_writer *writer, struct cptrace_calibration end, const struct cptrace_pair *pairs, size_t pair_count)
{
    if (writer->blocks.sequence == 0)
        cptrace_writer_info(writer, NULL, 0);
    uint8_t fixed[END_FIXED_BYTES - BLOCK_HEADER_BYTES];
    uint8_t *at = store_calibration(fixed, &end);
    at = store_u64(at, end.ticks);
    at = store_u64(at, cptrace_writer_event_count(writer));
    store_u64(at, cptrace_writer_call_count(writer));
    struct byte_buffer body = {0};
    const bool written = cptrace_buffer_append(&body, fixed, sizeof fixed)
                             ? write_pairs_block(writer, CPTRACE_BLOCK_END, &body, pairs, pair_count)
                             : cptrace_writer_no_memory(writer);
    cptrace_buffer_free(&body);
    return written;
}

static bool write_index(struct cptrace_writer *writer)
{
    const struct index_totals totals = {
        .events = cptrace_writer_event_count(writer),
        .calls = cptrace_writer_call_count(writer),
        .functions = cptrace_definitions_count(&writer->definitions, TABLE_FUNCTIONS),
        .files = cptrace_definitions_count(&writer->definitions, TABLE_FILES),
        .lanes = cptrace_definitions_count(&writer->definitions, TABLE_LANES),
    };
    struct byte_buffer frame = {0};
    const bool written = cptrace_index_encode(&writer->blocks.index, &totals, &frame)
                             ? cptrace_block_writer_append(&writer->blocks, frame.bytes, frame.length)
                             : cptrace_writer_no_memory(writer);
    cptrace_buffer_free(&frame);
    return written;
}

enum cptrace_status cptrace_writer_finish(struct cptrace_writer *writer, struct cptrace_calibration end, const struct cptrace_pair *pairs,
                                          size_t pair_count, struct cptrace_error *error)
{
    if (writer->finished)
        misuse(writer, "finish: the file is finished already");
    else if (cptrace_writer_live(writer) && write_all(writer) && write_end(writer, end, pairs, pair_count))
        write_index(writer);
    writer->finished = true;
    stop_lanes(writer);
    copy_error(writer, error);
    return writer->blocks.error.status;
}

enum cptrace_status cptrace_writer_status(const struct cptrace_writer *writer) { return writer->blocks.error.status; }

uint64_t cptrace_writer_event_count(const struct cptrace_writer *writer)
{
    uint64_t count = writer->events_written;
    for (size_t i = 0; i < writer->lane_count; i++)
        count += cptrace_lane_waiting(writer->lanes[i]);
    return count;
}

uint64_t cptrace_writer_call_count(const struct cptrace_writer *writer)
{
    uint64_t count = writer->calls_before;
    for (size_t i = 0; i < writer->lane_count; i++)
        count += writer->lanes[i]->call_count;
    return count;
}

uint64_t cptrace_writer_saved_call_count(const struct cptrace_writer *writer)
{
    uint64_t count = 0;
    for (size_t i = 0; i < writer->lane_count; i++)
        count += writer->lanes[i]->saved_call_count;
    return count;
}

void cptrace_writer_free(struct cptrace_writer *writer)
{
    if (!writer)
        return;
    for (size_t i = 0; i < writer->lane_count; i++)
        cptrace_lane_free(writer->lanes[i]);
    free(writer->lanes);
    cptrace_suspended_free(&writer->suspended);
    cptrace_function_set_free(&writer->mentioned);
    cptrace_definitions_free(&writer->definitions);
    cptrace_block_writer_free(&writer->blocks);
    free(writer);
}

/* Opens a trace: one scan that verifies every block and learns definitions, calibration and damage. */
#include "replay/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "replay/labels.h"
#include "replay/selection.h"

static enum cptrace_status fail(struct cptrace_error *error, enum cptrace_status status, const char *format, ...)
{
    if (error) {
        error->status = status;
        error->offset = 0;
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}

static enum cptrace_status copy_stream(FILE *from, FILE *to, struct cptrace_error *error)
{
    char buffer[1 << 16];
    size_t length;
    while ((length = fread(buffer, 1, sizeof buffer, from)) > 0) {
        if (fwrite(buffer, 1, length, to) != length)
            return fail(error, CPTRACE_IO_ERROR, "cannot write a temporary file: %s", strerror(errno));
    }
    if (ferror(from))
        return fail(error, CPTRACE_IO_ERROR, "cannot read standard input: %s", strerror(errno));
    return CPTRACE_OK;
}

/* Blocks are read again while replaying, and a pipe cannot go back. */
static enum cptrace_status spool_standard_input(struct trace *trace, struct cptrace_error *error)
{
    platform_binary_stream(stdin);
    FILE *spool = platform_temporary_file(NULL, &trace->spool_path);
    if (!spool)
        return fail(error, CPTRACE_IO_ERROR, "cannot make a temporary file: %s", strerror(errno));
    enum cptrace_status status = copy_stream(stdin, spool, error);
    if (fclose(spool) != 0 && status == CPTRACE_OK)
        status = fail(error, CPTRACE_IO_ERROR, "cannot write a temporary file: %s", strerror(errno));
    return status;
}

static enum cptrace_status open_reader(struct trace *trace, const char *path, struct cptrace_error *error)
{
    if (strcmp(path, "-") == 0) {
        const enum cptrace_status status = spool_standard_input(trace, error);
        if (status != CPTRACE_OK)
            return status;
        const enum cptrace_status opened = cptrace_reader_open(trace->spool_path, &trace->reader, error);
        platform_unlink_open_file(trace->spool_path);
        return opened;
    }
    if (platform_file_kind(path) == PLATFORM_FILE_DIRECTORY)
        return fail(error, CPTRACE_IO_ERROR, "is a directory, not a trace");
    return cptrace_reader_open(path, &trace->reader, error);
}

static enum cptrace_status scan(struct trace *trace, struct cptrace_error *error)
{
    struct cptrace_block block;
    enum cptrace_status status;
    while ((status = cptrace_reader_next(trace->reader, &block, error)) == CPTRACE_OK) {
        if (block.kind == CPTRACE_BLOCK_EVENTS && !trace->facts.waiting_known)
            trace->facts.waiting_known = cptrace_events_have(&block, CPTRACE_ANNOTATION_CPU);
    }
    trace->facts.cut = status == CPTRACE_TRUNCATED || !cptrace_reader_end(trace->reader)->present;
    return status == CPTRACE_END || status == CPTRACE_TRUNCATED ? CPTRACE_OK : status;
}

static enum cptrace_status survey(struct trace *trace, struct cptrace_error *error)
{
    const enum cptrace_status status = cptrace_reader_survey(trace->reader, error);
    trace->facts.cut = status == CPTRACE_TRUNCATED || !cptrace_reader_end(trace->reader)->present;
    return status == CPTRACE_END || status == CPTRACE_TRUNCATED ? CPTRACE_OK : status;
}

static enum cptrace_status learn_clock(struct trace *trace, struct cptrace_error *error)
{
    size_t count;
    const struct cptrace_block_entry *blocks = cptrace_reader_blocks(trace->reader, &count);
    const struct cptrace_end *end = cptrace_reader_end(trace->reader);
    trace->clock = cptrace_clock_create(cptrace_reader_header(trace->reader));
    enum cptrace_status status = trace->clock ? CPTRACE_OK : CPTRACE_NO_MEMORY;
    for (size_t i = 0; i < count && status != CPTRACE_NO_MEMORY; ++i) {
        if (blocks[i].kind == CPTRACE_BLOCK_EVENTS)
            status = cptrace_clock_add(trace->clock, blocks[i].calibration);
    }
    if (end->present && status != CPTRACE_NO_MEMORY)
        status = cptrace_clock_add(trace->clock, end->calibration);
    return status == CPTRACE_NO_MEMORY ? fail(error, status, "no memory for the clock") : CPTRACE_OK;
}

/* File order is kept for blocks of one lane and tick: entries stand in one array, in file order. */
static int compare_by_first_tick(const void *left, const void *right)
{
    const struct cptrace_block_entry *a = *(const struct cptrace_block_entry *const *)left;
    const struct cptrace_block_entry *b = *(const struct cptrace_block_entry *const *)right;
    if (a->first_tick != b->first_tick)
        return a->first_tick < b->first_tick ? -1 : 1;
    return a < b ? -1 : a > b;
}

static enum cptrace_status order_event_blocks(struct trace *trace, struct cptrace_error *error)
{
    size_t count;
    const struct cptrace_block_entry *blocks = cptrace_reader_blocks(trace->reader, &count);
    trace->event_blocks = malloc((count ? count : 1) * sizeof *trace->event_blocks);
    if (!trace->event_blocks)
        return fail(error, CPTRACE_NO_MEMORY, "no memory for the table of blocks");
    for (size_t i = 0; i < count; ++i) {
        if (blocks[i].kind == CPTRACE_BLOCK_EVENTS) {
            trace->event_blocks[trace->event_block_count++] = &blocks[i];
            trace->facts.event_count += blocks[i].event_count;
        }
    }
    qsort(trace->event_blocks, trace->event_block_count, sizeof *trace->event_blocks, compare_by_first_tick);
    return CPTRACE_OK;
}

/* A damaged file may have lost definitions that its events still use. Visitors index tables by number without asking: so one function
 * "unknown" stands for all that were lost, and the lanes reach as far as the blocks say. In a whole file such numbers stay errors. */
static enum cptrace_status make_definitions_safe(struct trace *trace, struct cptrace_error *error)
{
    const struct cptrace_definitions *read = cptrace_reader_definitions(trace->reader);
    const bool damaged = trace->facts.damaged_blocks > 0;
    size_t lane_count = read->lane_count;
    for (size_t i = 0; damaged && i < trace->event_block_count; ++i) {
        const uint32_t lane = trace->event_blocks[i]->lane;
        if (lane >= lane_count && lane < read->lane_count + trace->event_block_count)
            lane_count = (size_t)lane + 1;
    }
    trace->functions = calloc(read->function_count + 1, sizeof *trace->functions);
    trace->lanes = calloc(lane_count + 1, sizeof *trace->lanes);
    if (!trace->functions || !trace->lanes)
        return fail(error, CPTRACE_NO_MEMORY, "no memory for the definitions");
    if (read->function_count)
        memcpy(trace->functions, read->functions, read->function_count * sizeof *trace->functions);
    if (read->lane_count)
        memcpy(trace->lanes, read->lanes, read->lane_count * sizeof *trace->lanes);
    for (size_t i = 0; i < read->function_count; ++i) {
        if (!read->functions[i].known || read->functions[i].file >= read->file_count)
            trace->functions[i].file = CPTRACE_NO_NUMBER;
    }
    trace->functions[read->function_count].file = CPTRACE_NO_NUMBER;
    trace->unknown_function = damaged ? (uint32_t)read->function_count : CPTRACE_NO_NUMBER;
    trace->definitions = *read;
    trace->definitions.functions = trace->functions;
    trace->definitions.function_count = read->function_count + damaged;
    trace->definitions.lanes = trace->lanes;
    trace->definitions.lane_count = lane_count;
    return CPTRACE_OK;
}

void trace_refresh_damage(struct trace *trace)
{
    struct trace_facts *facts = &trace->facts;
    facts->damage = cptrace_reader_damage(trace->reader, &facts->damage_count);
    facts->damaged_blocks = 0;
    for (size_t i = 0; i < facts->damage_count; ++i)
        facts->damaged_blocks += facts->damage[i].blocks ? facts->damage[i].blocks : 1;
    facts->complete = !facts->cut && facts->damage_count == 0;
}

static enum cptrace_status gather_facts(struct trace *trace, struct cptrace_error *error)
{
    struct trace_facts *facts = &trace->facts;
    const struct cptrace_end *end = cptrace_reader_end(trace->reader);
    facts->header = cptrace_reader_header(trace->reader);
    facts->format_version = facts->header->format_version;
    facts->start_utc_ns = facts->header->start.utc_ns;
    facts->bytes = cptrace_reader_bytes_read(trace->reader);
    facts->definitions = &trace->definitions;
    facts->info = cptrace_reader_info(trace->reader, &facts->info_count);
    facts->end_info = cptrace_reader_end_info(trace->reader, &facts->end_info_count);
    facts->blocks = cptrace_reader_blocks(trace->reader, &facts->block_count);
    facts->end = end;
    facts->has_index = cptrace_reader_has_index(trace->reader);
    facts->recovery = cptrace_reader_recovery(trace->reader);
    facts->call_count = end->present ? end->call_count : 0;
    uint64_t end_tick = end->present ? end->end_tick : facts->header->start.ticks;
    for (size_t i = 0; i < trace->event_block_count; ++i) {
        if (trace->event_blocks[i]->last_tick > end_tick)
            end_tick = trace->event_blocks[i]->last_tick;
    }
    facts->wall_ns = trace_run_ns(trace, end_tick);
    const bool gathered = labels_gather(facts, &trace->labels, &facts->label_count);
    facts->labels = trace->labels;
    return gathered ? CPTRACE_OK : fail(error, CPTRACE_NO_MEMORY, "no memory for the labels");
}

uint64_t trace_run_ns(const struct trace *trace, uint64_t tick)
{
    const uint64_t monotonic_ns = cptrace_clock_monotonic_ns(trace->clock, tick);
    const uint64_t start_ns = trace->facts.header->start.monotonic_ns;
    return monotonic_ns > start_ns ? monotonic_ns - start_ns : 0;
}

static enum cptrace_status open_with(enum cptrace_status (*learn)(struct trace *trace, struct cptrace_error *error), const char *path,
                                     struct trace **opened, struct cptrace_error *error)
{
    *opened = NULL;
    struct trace *trace = calloc(1, sizeof *trace);
    if (!trace)
        return fail(error, CPTRACE_NO_MEMORY, "no memory");
    enum cptrace_status status = open_reader(trace, path, error);
    if (status == CPTRACE_OK)
        status = learn(trace, error);
    if (status == CPTRACE_OK)
        status = learn_clock(trace, error);
    if (status == CPTRACE_OK)
        status = order_event_blocks(trace, error);
    if (status == CPTRACE_OK) {
        trace_refresh_damage(trace);
        status = make_definitions_safe(trace, error);
    }
    if (status == CPTRACE_OK)
        status = gather_facts(trace, error);
    if (status == CPTRACE_OK)
        *opened = trace;
    else
        trace_close(trace);
    return status;
}

enum cptrace_status trace_open(const char *path, struct trace **opened, struct cptrace_error *error)
{
    return open_with(scan, path, opened, error);
}

enum cptrace_status trace_survey(const char *path, struct trace **opened, struct cptrace_error *error)
{
    return open_with(survey, path, opened, error);
}

struct trace_reading trace_reading(const struct trace *trace)
{
    const struct cptrace_reader_statistics statistics = cptrace_reader_statistics(trace->reader);
    return (struct trace_reading){
        .by_index = statistics.by_index,
        .selected_count = trace->event_block_count,
        .decompressed_count = statistics.decompressed_count + trace->decompressed_count,
    };
}

void trace_close(struct trace *trace)
{
    if (!trace)
        return;
    path_tree_free(&trace->paths);
    function_table_free(&trace->function_sums);
    trace_part_free(&trace->part);
    cptrace_clock_free(trace->clock);
    cptrace_reader_close(trace->reader);
    if (trace->spool_path)
        platform_remove_file(trace->spool_path);
    free(trace->spool_path);
    free(trace->functions);
    free(trace->lanes);
    free(trace->labels);
    free(trace->event_blocks);
    free(trace);
}

const struct trace_facts *trace_facts(const struct trace *trace) { return &trace->facts; }

struct cptrace_string trace_info(const struct trace *trace, const char *key)
{
    const size_t length = strlen(key);
    for (size_t i = 0; i < trace->facts.info_count; ++i) {
        const struct cptrace_info_pair *pair = &trace->facts.info[i];
        if (pair->key.length == length && memcmp(pair->key.bytes, key, length) == 0)
            return pair->value;
    }
    return (struct cptrace_string){.bytes = "", .length = 0};
}

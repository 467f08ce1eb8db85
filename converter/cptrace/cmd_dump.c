/* cptrace dump: every record of the file as one line, with its offset. Parsing alone, no stack machine: what the file says, not what it
 * means. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/trace_argument.h"
#include "commands.h"
#include "dump_line.h"
#include "event_dump.h"
#include "part_dump.h"
#include "platform/platform.h"
#include "vocabulary.h"

enum { DUMP_OPTION_NO_EVENTS = 1, DUMP_OPTION_HELP };

static const struct option_row dump_rows[] = {
    {DUMP_OPTION_NO_EVENTS, 'n', "no-events", NULL, "blocks and definitions only"},
    CALL_FILTER_ROWS,
    {DUMP_OPTION_HELP, 'h', "help", NULL, "this text"},
};

static const struct option_table dump_options = {
    .usage = "cptrace dump [OPTIONS] TRACE",
    .summary = "Prints every record as one line: the offset in the file of its frame (+ the number of the\n"
               "record in its block), what it is, and its fields as name=value. Times are in ticks.",
    .rows = dump_rows,
    .row_count = sizeof dump_rows / sizeof dump_rows[0],
    .notes = "With --range, --lane or --function (as in cptrace calls; together: what fits them all) only\n"
             "the blocks of events are there that the part needs, with what was open before their first\n"
             "event, and the events of the range. With --function those of calls of it: their begin and\n"
             "end, suspensions, and annotations while they are on top.",
};

/* How many definitions, and lost stretches, have been printed: what is new after a block is the block's. */
struct dump {
    struct json_writer *out;
    struct cptrace_reader *reader;
    struct event_dump events;
    bool with_events;
    size_t file_count, function_count, lane_count, task_count, damage_count;
    bool damaged, no_memory;
};

static void dump_header(struct dump *dump)
{
    const struct cptrace_header *header = cptrace_reader_header(dump->reader);
    char hex[sizeof header->run_id * 2 + 1];
    for (size_t i = 0; i < sizeof header->run_id; ++i)
        snprintf(hex + i * 2, 3, "%02x", header->run_id[i]);
    dump_put_offset(dump->out, 0);
    dump_put_word(dump->out, "header");
    dump_put_field(dump->out, "version", header->format_version);
    dump_put_field(dump->out, "file_id", header->file_id);
    dump_put_string(dump->out, "run_id", (struct cptrace_string){.bytes = hex, .length = sizeof hex - 1});
    dump_put_field(dump->out, "ns_per_tick_q32", header->ns_per_tick_q32);
    dump_put_field(dump->out, "start_ticks", header->start.ticks);
    dump_put_field(dump->out, "start_monotonic_ns", header->start.monotonic_ns);
    dump_put_field(dump->out, "start_utc_ns", header->start.utc_ns);
    dump_end_line(dump->out);
}

static void dump_pairs(struct dump *dump, uint64_t offset, const struct cptrace_info_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        dump_begin_record(dump->out, offset, i, "pair");
        dump_put_string(dump->out, "key", pairs[i].key);
        dump_put_string(dump->out, "value", pairs[i].value);
        dump_end_line(dump->out);
    }
}

static void dump_info(struct dump *dump, const struct cptrace_block *block)
{
    size_t count;
    const struct cptrace_info_pair *pairs = cptrace_reader_info(dump->reader, &count);
    dump_begin_block(dump->out, block, "info");
    dump_put_field(dump->out, "pairs", count);
    dump_end_line(dump->out);
    dump_pairs(dump, block->offset, pairs, count);
}

static void dump_file(struct dump *dump, const struct cptrace_file_definition *file, size_t number)
{
    dump_put_field(dump->out, "number", number);
    dump_put_string(dump->out, "path", file->path);
    dump_put_field(dump->out, "size_bytes", file->size_bytes);
    dump_put_field(dump->out, "mtime_ns", file->mtime_ns);
}

static void dump_function(struct dump *dump, const struct cptrace_function_definition *function, size_t number)
{
    dump_put_field(dump->out, "number", number);
    dump_put_string(dump->out, "name", function->qualified_name);
    dump_put_string(dump->out, "module", function->module);
    dump_put_string(dump->out, "library", function->library);
    dump_put_optional(dump->out, "file", function->file);
    dump_put_field(dump->out, "line", function->line);
    dump_put_word(dump->out, "category=");
    json_text(dump->out, vocabulary_category(function->category));
    dump_put_field(dump->out, "flags", function->flags);
}

static void dump_definitions(struct dump *dump, const struct cptrace_block *block)
{
    const struct cptrace_definitions *definitions = cptrace_reader_definitions(dump->reader);
    size_t index = 0;
    dump_begin_block(dump->out, block, "definitions");
    dump_end_line(dump->out);
    for (; dump->file_count < definitions->file_count; ++dump->file_count) {
        dump_begin_record(dump->out, block->offset, index++, "file");
        dump_file(dump, &definitions->files[dump->file_count], dump->file_count);
        dump_end_line(dump->out);
    }
    for (; dump->function_count < definitions->function_count; ++dump->function_count) {
        dump_begin_record(dump->out, block->offset, index++, "function");
        dump_function(dump, &definitions->functions[dump->function_count], dump->function_count);
        dump_end_line(dump->out);
    }
    for (; dump->lane_count < definitions->lane_count; ++dump->lane_count) {
        const struct cptrace_lane_definition *lane = &definitions->lanes[dump->lane_count];
        dump_begin_record(dump->out, block->offset, index++, "lane");
        dump_put_field(dump->out, "number", dump->lane_count);
        dump_put_field(dump->out, "kind", lane->kind);
        dump_put_field(dump->out, "os_thread_id", lane->os_thread_id);
        dump_put_string(dump->out, "name", lane->name);
        dump_end_line(dump->out);
    }
    for (; dump->task_count < definitions->task_count; ++dump->task_count) {
        const struct cptrace_task_definition *task = &definitions->tasks[dump->task_count];
        dump_begin_record(dump->out, block->offset, index++, "task");
        dump_put_field(dump->out, "number", dump->task_count);
        dump_put_string(dump->out, "name", task->name);
        dump_put_optional(dump->out, "root_activation", task->root_activation);
        dump_put_optional(dump->out, "creating_activation", task->creating_activation);
        dump_end_line(dump->out);
    }
}

static void dump_events(struct dump *dump, const struct cptrace_block *block)
{
    struct cptrace_error error = {0};
    dump->events.out = dump->out;
    dump->events.definitions = cptrace_reader_definitions(dump->reader);
    const enum cptrace_status status = event_dump_block(&dump->events, block, dump->with_events, NULL, &error);
    dump->damaged |= status == CPTRACE_CORRUPT;
    dump->no_memory |= status == CPTRACE_NO_MEMORY;
}

static void dump_end(struct dump *dump, const struct cptrace_block *block)
{
    const struct cptrace_end *end = cptrace_reader_end(dump->reader);
    size_t count;
    const struct cptrace_info_pair *pairs = cptrace_reader_end_info(dump->reader, &count);
    dump_begin_block(dump->out, block, "end");
    dump_put_field(dump->out, "end_tick", end->end_tick);
    dump_put_field(dump->out, "events", end->event_count);
    dump_put_field(dump->out, "calls", end->call_count);
    dump_put_calibration(dump->out, &end->calibration);
    dump_put_field(dump->out, "pairs", count);
    dump_end_line(dump->out);
    dump_pairs(dump, block->offset, pairs, count);
}

static void dump_new_damage(struct dump *dump)
{
    size_t count;
    const struct cptrace_damage *damage = cptrace_reader_damage(dump->reader, &count);
    for (; dump->damage_count < count; ++dump->damage_count) {
        const struct cptrace_damage *lost = &damage[dump->damage_count];
        dump_put_offset(dump->out, lost->offset);
        dump_put_word(dump->out, "damage");
        dump_put_field(dump->out, "bytes", lost->bytes);
        dump_put_field(dump->out, "blocks", lost->blocks);
        dump_put_string(dump->out, "message",
                        (struct cptrace_string){.bytes = lost->error.message, .length = (uint32_t)strlen(lost->error.message)});
        dump_end_line(dump->out);
        dump->damaged = true;
    }
}

static void dump_block(struct dump *dump, const struct cptrace_block *block)
{
    switch (block->kind) {
    case CPTRACE_BLOCK_INFO:
        dump_info(dump, block);
        break;
    case CPTRACE_BLOCK_DEFINITIONS:
        dump_definitions(dump, block);
        break;
    case CPTRACE_BLOCK_EVENTS:
        dump_events(dump, block);
        break;
    case CPTRACE_BLOCK_END:
        dump_end(dump, block);
        break;
    default:
        dump_begin_block(dump->out, block, "unknown");
        dump_put_field(dump->out, "kind", block->kind);
        dump_end_line(dump->out);
    }
}

static void dump_close(struct dump *dump, enum cptrace_status status)
{
    dump_put_offset(dump->out, cptrace_reader_bytes_read(dump->reader));
    dump_put_word(dump->out, status == CPTRACE_END && cptrace_reader_end(dump->reader)->present ? "whole" : "cut");
    dump_put_word(dump->out, cptrace_reader_has_index(dump->reader) ? "index=yes" : "index=no");
    dump_end_line(dump->out);
}

static enum exit_code dump_all(struct dump *dump, const char *path)
{
    struct cptrace_block block;
    struct cptrace_error error = {0};
    enum cptrace_status status;
    dump_header(dump);
    while ((status = cptrace_reader_next(dump->reader, &block, &error)) == CPTRACE_OK && !dump->out->failed) {
        dump_new_damage(dump);
        dump_block(dump, &block);
        if (dump->no_memory)
            break;
    }
    dump_new_damage(dump);
    if (status == CPTRACE_END || status == CPTRACE_TRUNCATED)
        dump_close(dump, status);
    json_writer_flush(dump->out);
    if (dump->no_memory) {
        message_error("%s: no memory to decode events", message_file_name(path));
        return EXIT_CODE_FAILED;
    }
    if (status != CPTRACE_OK && status != CPTRACE_END && status != CPTRACE_TRUNCATED) {
        error.status = status;
        message_trace_error(path, &error);
        return exit_code_of(status);
    }
    return dump->damaged || status == CPTRACE_TRUNCATED || !cptrace_reader_end(dump->reader)->present ? EXIT_CODE_PARTIAL : EXIT_CODE_OK;
}

static int64_t read_standard_input(void *context, void *buffer, size_t capacity)
{
    (void)context;
    const size_t length = fread(buffer, 1, capacity, stdin);
    return length == 0 && ferror(stdin) ? -(int64_t)(errno ? errno : EIO) : (int64_t)length;
}

static enum cptrace_status open_reader(const char *path, struct cptrace_reader **reader, struct cptrace_error *error)
{
    if (strcmp(path, "-") == 0) {
        platform_binary_stream(stdin);
        return cptrace_reader_open_source((struct cptrace_source){.read = read_standard_input}, reader, error);
    }
    if (platform_file_kind(path) == PLATFORM_FILE_DIRECTORY) {
        snprintf(error->message, sizeof error->message, "is a directory, not a trace");
        return CPTRACE_IO_ERROR;
    }
    return cptrace_reader_open(path, reader, error);
}

static enum exit_code dump_whole(const char *path, bool with_events)
{
    struct dump dump = {.with_events = with_events};
    struct cptrace_error error = {0};
    const enum cptrace_status status = open_reader(path, &dump.reader, &error);
    if (status != CPTRACE_OK) {
        error.status = status;
        message_trace_error(path, &error);
        return exit_code_of(status);
    }
    enum exit_code code = EXIT_CODE_FAILED;
    dump.out = json_writer_create(stdout);
    if (dump.out)
        code = dump_all(&dump, path);
    else
        message_error("no memory");
    json_writer_free(dump.out);
    event_dump_free(&dump.events);
    cptrace_reader_close(dump.reader);
    return code;
}

enum exit_code cmd_dump(int argument_count, char **arguments)
{
    struct option_walk walk = option_walk_begin(&dump_options, argument_count, arguments);
    struct call_filter_request request = CALL_FILTER_ALL;
    const char *path = NULL, *value;
    bool with_events = true;
    for (int option; (option = option_next(&walk, &value)) != OPTION_END;) {
        if (option == DUMP_OPTION_HELP) {
            option_table_help(&dump_options, stdout);
            return trace_argument_close_output(EXIT_CODE_OK);
        }
        if (option == DUMP_OPTION_NO_EVENTS)
            with_events = false;
        else if (option == OPTION_OPERAND ? !trace_argument_set(&path, value) : !call_filter_take(&request, option, value))
            return EXIT_CODE_USAGE;
    }
    if (!trace_argument_given(path))
        return EXIT_CODE_USAGE;
    platform_binary_stream(stdout);
    const bool is_part = call_filter_wanted(&request);
    return trace_argument_close_output(is_part ? part_dump(path, &request, with_events) : dump_whole(path, with_events));
}

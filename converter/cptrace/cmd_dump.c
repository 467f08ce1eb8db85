/* cptrace dump: every record of the file as one line, with its offset. Parsing alone, no stack machine: what the file says, not what it
 * means. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/trace_argument.h"
#include "commands.h"
#include "json_writer.h"
#include "platform/platform.h"
#include "vocabulary.h"

enum { DUMP_OPTION_NO_EVENTS = 1, DUMP_OPTION_HELP };

static const struct option_row dump_rows[] = {
    {DUMP_OPTION_NO_EVENTS, 'n', "no-events", NULL, "blocks and definitions only"},
    {DUMP_OPTION_HELP, 'h', "help", NULL, "this text"},
};

static const struct option_table dump_options = {
    .usage = "cptrace dump [--no-events] TRACE",
    .summary = "Prints every record as one line: the offset in the file of its frame (+ the number of the\n"
               "record in its block), what it is, and its fields as name=value. Times are in ticks.",
    .rows = dump_rows,
    .row_count = sizeof dump_rows / sizeof dump_rows[0],
};

/* How many definitions, and lost stretches, have been printed: what is new after a block is the block's. */
struct dump {
    struct json_writer *out;
    struct cptrace_reader *reader;
    struct cptrace_events events;
    bool with_events;
    size_t file_count, function_count, lane_count, task_count, damage_count;
    bool damaged;
};

static void put_offset(struct dump *dump, uint64_t offset)
{
    char text[24];
    json_raw(dump->out, text, (size_t)snprintf(text, sizeof text, "%08" PRIx64, offset));
}

static void put_word(struct dump *dump, const char *word)
{
    json_raw(dump->out, " ", 1);
    json_text(dump->out, word);
}

static void put_field(struct dump *dump, const char *name, uint64_t value)
{
    put_word(dump, name);
    json_raw(dump->out, "=", 1);
    json_uint(dump->out, value);
}

static void put_string(struct dump *dump, const char *name, struct cptrace_string value)
{
    put_word(dump, name);
    json_raw(dump->out, "=", 1);
    json_string(dump->out, value);
}

static void put_optional(struct dump *dump, const char *name, uint32_t number)
{
    if (number != CPTRACE_NO_NUMBER)
        put_field(dump, name, number);
}

static void end_line(struct dump *dump) { json_raw(dump->out, "\n", 1); }

/* The number of the record in its block, after the block's offset. */
static void begin_record(struct dump *dump, uint64_t offset, size_t index, const char *kind)
{
    put_offset(dump, offset);
    json_raw(dump->out, "+", 1);
    json_uint(dump->out, index);
    put_word(dump, kind);
}

static void put_function_name(struct dump *dump, uint32_t function)
{
    const struct cptrace_definitions *definitions = cptrace_reader_definitions(dump->reader);
    put_field(dump, "function", function);
    if (function < definitions->function_count)
        put_string(dump, "name", definitions->functions[function].qualified_name);
}

static void put_calibration(struct dump *dump, const struct cptrace_calibration *point)
{
    put_field(dump, "calibration_ticks", point->ticks);
    put_field(dump, "monotonic_ns", point->monotonic_ns);
    put_field(dump, "utc_ns", point->utc_ns);
}

static void dump_header(struct dump *dump)
{
    const struct cptrace_header *header = cptrace_reader_header(dump->reader);
    char hex[sizeof header->run_id * 2 + 1];
    for (size_t i = 0; i < sizeof header->run_id; ++i)
        snprintf(hex + i * 2, 3, "%02x", header->run_id[i]);
    put_offset(dump, 0);
    put_word(dump, "header");
    put_field(dump, "version", header->format_version);
    put_field(dump, "file_id", header->file_id);
    put_string(dump, "run_id", (struct cptrace_string){.bytes = hex, .length = sizeof hex - 1});
    put_field(dump, "ns_per_tick_q32", header->ns_per_tick_q32);
    put_field(dump, "start_ticks", header->start.ticks);
    put_field(dump, "start_monotonic_ns", header->start.monotonic_ns);
    put_field(dump, "start_utc_ns", header->start.utc_ns);
    end_line(dump);
}

static void begin_block(struct dump *dump, const struct cptrace_block *block, const char *kind)
{
    put_offset(dump, block->offset);
    put_word(dump, "block");
    put_field(dump, "sequence", block->sequence);
    put_field(dump, "compressed_bytes", block->compressed_bytes);
    put_field(dump, "content_bytes", block->content_bytes);
    if (block->missing_before)
        put_field(dump, "missing_before", block->missing_before);
    put_word(dump, kind);
}

static void dump_pairs(struct dump *dump, uint64_t offset, const struct cptrace_info_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        begin_record(dump, offset, i, "pair");
        put_string(dump, "key", pairs[i].key);
        put_string(dump, "value", pairs[i].value);
        end_line(dump);
    }
}

static void dump_info(struct dump *dump, const struct cptrace_block *block)
{
    size_t count;
    const struct cptrace_info_pair *pairs = cptrace_reader_info(dump->reader, &count);
    begin_block(dump, block, "info");
    put_field(dump, "pairs", count);
    end_line(dump);
    dump_pairs(dump, block->offset, pairs, count);
}

static void dump_file(struct dump *dump, const struct cptrace_file_definition *file, size_t number)
{
    put_field(dump, "number", number);
    put_string(dump, "path", file->path);
    put_field(dump, "size_bytes", file->size_bytes);
    put_field(dump, "mtime_ns", file->mtime_ns);
}

static void dump_function(struct dump *dump, const struct cptrace_function_definition *function, size_t number)
{
    put_field(dump, "number", number);
    put_string(dump, "name", function->qualified_name);
    put_string(dump, "module", function->module);
    put_string(dump, "library", function->library);
    put_optional(dump, "file", function->file);
    put_field(dump, "line", function->line);
    put_word(dump, "category=");
    json_text(dump->out, vocabulary_category(function->category));
    put_field(dump, "flags", function->flags);
}

static void dump_definitions(struct dump *dump, const struct cptrace_block *block)
{
    const struct cptrace_definitions *definitions = cptrace_reader_definitions(dump->reader);
    size_t index = 0;
    begin_block(dump, block, "definitions");
    end_line(dump);
    for (; dump->file_count < definitions->file_count; ++dump->file_count) {
        begin_record(dump, block->offset, index++, "file");
        dump_file(dump, &definitions->files[dump->file_count], dump->file_count);
        end_line(dump);
    }
    for (; dump->function_count < definitions->function_count; ++dump->function_count) {
        begin_record(dump, block->offset, index++, "function");
        dump_function(dump, &definitions->functions[dump->function_count], dump->function_count);
        end_line(dump);
    }
    for (; dump->lane_count < definitions->lane_count; ++dump->lane_count) {
        const struct cptrace_lane_definition *lane = &definitions->lanes[dump->lane_count];
        begin_record(dump, block->offset, index++, "lane");
        put_field(dump, "number", dump->lane_count);
        put_field(dump, "kind", lane->kind);
        put_field(dump, "os_thread_id", lane->os_thread_id);
        put_string(dump, "name", lane->name);
        end_line(dump);
    }
    for (; dump->task_count < definitions->task_count; ++dump->task_count) {
        const struct cptrace_task_definition *task = &definitions->tasks[dump->task_count];
        begin_record(dump, block->offset, index++, "task");
        put_field(dump, "number", dump->task_count);
        put_string(dump, "name", task->name);
        put_optional(dump, "root_activation", task->root_activation);
        put_optional(dump, "creating_activation", task->creating_activation);
        end_line(dump);
    }
}

static const char *op_name(uint8_t op)
{
    static const char *const names[] = {
        [CPTRACE_OP_RETURN] = "return",
        [CPTRACE_OP_UNWIND] = "unwind",
        [CPTRACE_OP_SUSPEND] = "suspend",
        [CPTRACE_OP_RESUME] = "resume",
        [CPTRACE_OP_REOPEN] = "reopen",
        [CPTRACE_OP_START] = "start",
        [CPTRACE_OP_THROW] = "throw",
        [CPTRACE_OP_CALL] = "call",
        [CPTRACE_ANNOTATION_CPU] = "cpu",
        [CPTRACE_ANNOTATION_MARK] = "mark",
        [CPTRACE_ANNOTATION_COUNTER] = "counter",
        [CPTRACE_ANNOTATION_ARGUMENTS] = "arguments",
        [CPTRACE_ANNOTATION_OMITTED] = "omitted",
        [CPTRACE_ANNOTATION_OMITTED_OUTER] = "omitted_outer",
    };
    return op < sizeof names / sizeof names[0] && names[op] ? names[op] : "unknown";
}

static bool is_annotation(const struct cptrace_event *event)
{
    return event->op >= CPTRACE_OP_ANNOTATION_FIRST && event->op <= CPTRACE_OP_ANNOTATION_LAST;
}

static void dump_annotation(struct dump *dump, uint8_t kind, const struct cptrace_annotation *annotation)
{
    switch (kind) {
    case CPTRACE_ANNOTATION_CPU:
        put_field(dump, "cpu_ns", annotation->cpu_ns);
        put_field(dump, "voluntary_switches", annotation->voluntary_switch_count);
        break;
    case CPTRACE_ANNOTATION_COUNTER:
        put_string(dump, "name", annotation->text);
        put_word(dump, "value=");
        json_double(dump->out, annotation->value);
        break;
    case CPTRACE_ANNOTATION_OMITTED_OUTER:
        put_field(dump, "levels", annotation->levels);
        /* fall through */
    case CPTRACE_ANNOTATION_OMITTED:
        put_field(dump, "count", annotation->omitted_count);
        put_field(dump, "ticks", annotation->omitted_ticks);
        break;
    default:
        put_string(dump, "text", annotation->text);
    }
}

static void dump_event(struct dump *dump, const struct cptrace_event *event, const struct cptrace_activation_start **start)
{
    put_word(dump, op_name(event->op));
    put_field(dump, "tick", event->tick);
    if (is_annotation(event))
        dump_annotation(dump, event->op, &dump->events.annotations[event->value]);
    if (event->op == CPTRACE_OP_CALL)
        put_function_name(dump, event->value);
    if (event->op == CPTRACE_OP_RESUME || event->op == CPTRACE_OP_REOPEN || event->op == CPTRACE_OP_START)
        put_field(dump, "activation", event->value);
    if (event->op == CPTRACE_OP_REOPEN || event->op == CPTRACE_OP_START) {
        put_function_name(dump, (*start)->function);
        if (event->op == CPTRACE_OP_REOPEN)
            put_field(dump, "start_tick", (*start)->start_tick);
        ++*start;
    }
}

static void dump_event_records(struct dump *dump, uint64_t offset)
{
    const struct cptrace_events *events = &dump->events;
    for (size_t i = 0; i < events->open_count; ++i) {
        begin_record(dump, offset, i, "open");
        put_function_name(dump, events->open[i].function);
        put_field(dump, "start_tick", events->open[i].start_tick);
        put_optional(dump, "activation", events->open[i].activation);
        end_line(dump);
    }
    const struct cptrace_activation_start *start = events->starts;
    for (size_t i = 0; i < events->event_count; ++i) {
        put_offset(dump, offset);
        json_raw(dump->out, "+", 1);
        json_uint(dump->out, i);
        dump_event(dump, &events->events[i], &start);
        end_line(dump);
    }
}

static void dump_events(struct dump *dump, const struct cptrace_block *block)
{
    struct cptrace_error error = {0};
    begin_block(dump, block, "events");
    if (cptrace_events_decode(block, &dump->events, &error) != CPTRACE_OK) {
        put_word(dump, "corrupt:");
        put_word(dump, error.message);
        end_line(dump);
        dump->damaged = true;
        return;
    }
    put_field(dump, "lane", dump->events.lane);
    put_field(dump, "events", dump->events.event_count);
    put_field(dump, "open", dump->events.open_count);
    put_field(dump, "first_tick", dump->events.first_tick);
    put_field(dump, "last_tick", dump->events.last_tick);
    put_calibration(dump, &dump->events.calibration);
    end_line(dump);
    if (dump->with_events)
        dump_event_records(dump, block->offset);
}

static void dump_end(struct dump *dump, const struct cptrace_block *block)
{
    const struct cptrace_end *end = cptrace_reader_end(dump->reader);
    size_t count;
    const struct cptrace_info_pair *pairs = cptrace_reader_end_info(dump->reader, &count);
    begin_block(dump, block, "end");
    put_field(dump, "end_tick", end->end_tick);
    put_field(dump, "events", end->event_count);
    put_field(dump, "calls", end->call_count);
    put_calibration(dump, &end->calibration);
    put_field(dump, "pairs", count);
    end_line(dump);
    dump_pairs(dump, block->offset, pairs, count);
}

static void dump_new_damage(struct dump *dump)
{
    size_t count;
    const struct cptrace_damage *damage = cptrace_reader_damage(dump->reader, &count);
    for (; dump->damage_count < count; ++dump->damage_count) {
        const struct cptrace_damage *lost = &damage[dump->damage_count];
        put_offset(dump, lost->offset);
        put_word(dump, "damage");
        put_field(dump, "bytes", lost->bytes);
        put_field(dump, "blocks", lost->blocks);
        put_string(dump, "message", (struct cptrace_string){.bytes = lost->error.message, .length = (uint32_t)strlen(lost->error.message)});
        end_line(dump);
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
        begin_block(dump, block, "unknown");
        put_field(dump, "kind", block->kind);
        end_line(dump);
    }
}

static void dump_close(struct dump *dump, enum cptrace_status status)
{
    put_offset(dump, cptrace_reader_bytes_read(dump->reader));
    put_word(dump, status == CPTRACE_END && cptrace_reader_end(dump->reader)->present ? "whole" : "cut");
    put_word(dump, cptrace_reader_has_index(dump->reader) ? "index=yes" : "index=no");
    end_line(dump);
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
    }
    dump_new_damage(dump);
    if (status == CPTRACE_END || status == CPTRACE_TRUNCATED)
        dump_close(dump, status);
    json_writer_flush(dump->out);
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

static enum exit_code run_dump(const char *path, bool with_events)
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
    cptrace_events_free(&dump.events);
    cptrace_reader_close(dump.reader);
    return code;
}

enum exit_code cmd_dump(int argument_count, char **arguments)
{
    struct option_walk walk = option_walk_begin(&dump_options, argument_count, arguments);
    const char *path = NULL, *value;
    bool with_events = true;
    for (int option; (option = option_next(&walk, &value)) != OPTION_END;) {
        if (option == DUMP_OPTION_HELP) {
            option_table_help(&dump_options, stdout);
            return trace_argument_close_output(EXIT_CODE_OK);
        }
        if (option == DUMP_OPTION_NO_EVENTS)
            with_events = false;
        else if (option != OPTION_OPERAND || !trace_argument_set(&path, value))
            return EXIT_CODE_USAGE;
    }
    if (!trace_argument_given(path))
        return EXIT_CODE_USAGE;
    platform_binary_stream(stdout);
    return trace_argument_close_output(run_dump(path, with_events));
}

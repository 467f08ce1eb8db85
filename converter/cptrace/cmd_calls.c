/* cptrace calls: every call as one JSON object a line. */
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

enum { CALLS_OPTION_HELP = 1 };

static const struct option_row calls_rows[] = {
    {CALLS_OPTION_HELP, 'h', "help", NULL, "this text"},
};

static const struct option_table calls_options = {
    .usage = "cptrace calls TRACE",
    .summary = "Prints every call as one JSON object a line, in the order in which calls end,\n"
               "unfinished ones last. Times are nanoseconds since the start of the run.",
    .rows = calls_rows,
    .row_count = sizeof calls_rows / sizeof calls_rows[0],
    .notes = "Fields: id (in start order), parent (null for a root), lane, function, module,\n"
             "file, line, category (user, stdlib, third-party, builtin), library, start_ns,\n"
             "end_ns (null when unfinished), self_ns, running_ns, suspended_ns,\n"
             "outcome (returned, raised, unfinished).",
};

/* The part of a line that only depends on the function, made once: most of the bytes. */
struct function_text {
    char *text;
    size_t length;
};

struct calls_output {
    struct json_writer *json;
    const struct cptrace_definitions *definitions;
    struct function_text *functions;
};

static size_t append_text(char *to, const char *text)
{
    const size_t length = strlen(text);
    memcpy(to, text, length);
    return length;
}

static struct function_text describe(const struct cptrace_definitions *definitions, uint32_t number)
{
    const struct cptrace_function_definition *function = &definitions->functions[number];
    const struct cptrace_string file = vocabulary_file(definitions, function);
    const size_t name_bytes = (size_t)function->qualified_name.length + function->module.length + function->library.length + file.length;
    char *text = malloc(6 * name_bytes + 200);
    size_t length = 0;
    if (text) {
        length += append_text(text + length, ",\"function\":");
        length += json_escape(text + length, function->qualified_name);
        length += append_text(text + length, ",\"module\":");
        length += json_escape(text + length, function->module);
        length += append_text(text + length, ",\"file\":");
        length += json_escape(text + length, file);
        length += (size_t)snprintf(text + length, 20, ",\"line\":%" PRIu32, function->line);
        length += append_text(text + length, ",\"category\":\"");
        length += append_text(text + length, vocabulary_category(function->category));
        length += append_text(text + length, "\",\"library\":");
        length += json_escape(text + length, function->library);
        length += append_text(text + length, ",\"start_ns\":");
    }
    return (struct function_text){.text = text, .length = length};
}

static void put_field(struct json_writer *json, const char *name, uint64_t value)
{
    json_text(json, name);
    json_uint(json, value);
}

/* Visitor's leave: one line. */
static int print_call(void *context, const struct replay_call *call)
{
    struct calls_output *output = context;
    struct json_writer *json = output->json;
    struct function_text *function = &output->functions[call->function];
    if (!function->text)
        *function = describe(output->definitions, call->function);
    if (!function->text)
        return ENOMEM;
    put_field(json, "{\"id\":", call->id);
    if (call->parent_id == REPLAY_NO_CALL)
        json_text(json, ",\"parent\":null");
    else
        put_field(json, ",\"parent\":", call->parent_id);
    put_field(json, ",\"lane\":", call->lane);
    json_raw(json, function->text, function->length);
    json_uint(json, call->start_ns);
    if (call->outcome == REPLAY_UNFINISHED)
        json_text(json, ",\"end_ns\":null");
    else
        put_field(json, ",\"end_ns\":", call->end_ns);
    put_field(json, ",\"self_ns\":", call->self_ns);
    put_field(json, ",\"running_ns\":", call->running_ns);
    put_field(json, ",\"suspended_ns\":", call->suspended_ns);
    json_text(json, ",\"outcome\":\"");
    json_text(json, vocabulary_outcome(call->outcome));
    json_raw(json, "\"}\n", 3);
    return json->failed ? EIO : 0;
}

static enum exit_code print_calls(const char *path, struct trace *trace, struct calls_output *output)
{
    const struct replay_visitor visitor = {.context = output, .leave = print_call};
    struct replay_result result;
    struct cptrace_error error = {0};
    const int stopped = trace_replay(trace, &visitor, 1, NULL, NULL, &result, &error);
    if (!json_writer_flush(output->json))
        return EXIT_CODE_OK; /* told when the output is closed */
    if (stopped < 0) {
        message_trace_error(path, &error);
        return exit_code_of((enum cptrace_status) - stopped);
    }
    if (stopped > 0) {
        message_error("%s: %s", message_file_name(path), strerror(stopped));
        return EXIT_CODE_FAILED;
    }
    return trace_argument_judge(path, trace);
}

static enum exit_code run_calls(const char *path, struct trace *trace)
{
    const struct cptrace_definitions *definitions = trace_facts(trace)->definitions;
    struct calls_output output = {
        .json = json_writer_create(stdout),
        .definitions = definitions,
        .functions = calloc(definitions->function_count + 1, sizeof *output.functions),
    };
    enum exit_code code = EXIT_CODE_FAILED;
    if (output.json && output.functions)
        code = print_calls(path, trace, &output);
    else
        message_error("no memory");
    for (size_t i = 0; output.functions && i < definitions->function_count; ++i)
        free(output.functions[i].text);
    free(output.functions);
    json_writer_free(output.json);
    return code;
}

enum exit_code cmd_calls(int argument_count, char **arguments)
{
    struct option_walk walk = option_walk_begin(&calls_options, argument_count, arguments);
    const char *path = NULL, *value;
    for (int option; (option = option_next(&walk, &value)) != OPTION_END;) {
        if (option == CALLS_OPTION_HELP) {
            option_table_help(&calls_options, stdout);
            return trace_argument_close_output(EXIT_CODE_OK);
        }
        if (option != OPTION_OPERAND || !trace_argument_set(&path, value))
            return EXIT_CODE_USAGE;
    }
    if (!trace_argument_given(path))
        return EXIT_CODE_USAGE;
    platform_binary_stream(stdout);
    struct trace *trace;
    enum exit_code code = trace_argument_open(path, &trace);
    if (code != EXIT_CODE_OK)
        return code;
    code = run_calls(path, trace);
    trace_close(trace);
    return trace_argument_close_output(code);
}

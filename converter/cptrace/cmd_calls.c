/* cptrace calls: every call as one JSON object a line. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "call_filter.h"
#include "cli/message.h"
#include "cli/trace_argument.h"
#include "commands.h"
#include "json_writer.h"
#include "platform/platform.h"
#include "vocabulary.h"

enum { CALLS_OPTION_HELP = 1 };

#define NOT_THERE REPLAY_NO_CALL

static const struct option_row calls_rows[] = {
    CALL_FILTER_ROWS,
    {CALLS_OPTION_HELP, 'h', "help", NULL, "this text"},
};

static const struct option_table calls_options = {
    .usage = "cptrace calls [OPTIONS] TRACE",
    .summary = "Prints every call as one JSON object a line, in the order in which calls end,\n"
               "unfinished ones last. Times are nanoseconds since the start of the run.",
    .rows = calls_rows,
    .row_count = sizeof calls_rows / sizeof calls_rows[0],
    .notes = "Fields: id (in start order), parent (null for a root), lane, function, module,\n"
             "file, line, category (user, stdlib, third-party, builtin), library, kind (span,\n"
             "for a stretch of code that the program named), start_ns, end_ns (null when\n"
             "unfinished), self_ns, running_ns, suspended_ns, waiting_ns (off the CPU while\n"
             "running; null when not recorded), omitted_calls and omitted_ns (left out by a\n"
             "filter right below it; part of running_ns, not of self_ns), arguments, task (that\n"
             "it is the root of), created_by (id of the call that made the task), outcome\n"
             "(returned, raised, unfinished).\n"
             "Marks and counters stand between the calls: {\"mark\": text or \"counter\": name and\n"
             "\"value\", \"time_ns\", \"lane\", \"call\": the id of the call that it was in, or null}.\n"
             "\n"
             "With --range, --lane or --function (together: what fits them all) only the blocks that are\n"
             "needed are read, which the index at the end of the trace tells; a cut trace is scanned\n"
             "first. Times are like 250ms, 1.5s, 2m30s (units ns us ms s m h), either may be left out:\n"
             "1.2s.. or ..5ms. Listed are the calls that were on their lane's stack at some moment of the\n"
             "range, their callers included: not generators that were suspended all through it. ids\n"
             "count what was met in the blocks read, and parent may be a call that is not listed.\n"
             "start_ns is exact also when it is before the range, and so is an end behind it that lies in\n"
             "the blocks read; otherwise end_ns is null and outcome is open. What was not read is not\n"
             "made up: self_ns, running_ns, suspended_ns and waiting_ns of such calls are null where they\n"
             "cannot be known, and arguments, omitted_calls and the parent of a generator that began\n"
             "before are not there.",
};

/* The part of a line that only depends on the function, made once: most of the bytes. */
struct function_text {
    char *text;
    size_t length;
};

struct calls_output {
    struct json_writer *json;
    const struct cptrace_definitions *definitions;
    struct call_filter filter;
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
    char *text = malloc(6 * name_bytes + 220);
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
        if (function->flags & CPTRACE_FUNCTION_SPAN)
            length += append_text(text + length, ",\"kind\":\"span\"");
        length += append_text(text + length, ",\"start_ns\":");
    }
    return (struct function_text){.text = text, .length = length};
}

static void put_field(struct json_writer *json, const char *name, uint64_t value)
{
    json_text(json, name);
    json_uint(json, value);
}

/* null for NOT_THERE. */
static void put_optional(struct json_writer *json, const char *name, uint64_t value)
{
    json_text(json, name);
    if (value == NOT_THERE)
        json_text(json, "null");
    else
        json_uint(json, value);
}

/* Part of what it did is in blocks that were not read. */
static bool is_incomplete(const struct replay_call *call) { return call->is_partial || call->goes_on; }

static void put_times(struct json_writer *json, const struct replay_call *call)
{
    json_uint(json, call->start_ns);
    put_optional(json, ",\"end_ns\":", call->outcome == REPLAY_UNFINISHED ? NOT_THERE : call->end_ns);
    put_optional(json, ",\"self_ns\":", is_incomplete(call) ? NOT_THERE : call->self_ns);
    const bool running_known = !is_incomplete(call) || (!call->is_activation && !call->goes_on);
    put_optional(json, ",\"running_ns\":", running_known ? call->running_ns : NOT_THERE);
    const bool suspended_known = !is_incomplete(call) || !call->is_activation;
    put_optional(json, ",\"suspended_ns\":", suspended_known ? call->suspended_ns : NOT_THERE);
    put_optional(json, ",\"waiting_ns\":", call->waiting_known && !is_incomplete(call) ? call->waiting_ns : NOT_THERE);
}

/* What only calls with annotations have. */
static void put_notes(const struct calls_output *output, const struct replay_call *call)
{
    struct json_writer *json = output->json;
    if ((call->omitted_call_count || call->omitted_ns) && !is_incomplete(call)) {
        put_field(json, ",\"omitted_calls\":", call->omitted_call_count);
        put_field(json, ",\"omitted_ns\":", call->omitted_ns);
    }
    if (call->has_arguments) {
        json_text(json, ",\"arguments\":");
        json_string(json, call->arguments);
    }
    if (call->task != CPTRACE_NO_NUMBER) {
        json_text(json, ",\"task\":");
        json_string(json, output->definitions->tasks[call->task].name);
        put_optional(json, ",\"created_by\":", call->created_by);
    }
}

static void put_moment(struct json_writer *json, uint64_t time_ns, uint32_t lane, uint64_t call_id)
{
    put_field(json, ",\"time_ns\":", time_ns);
    put_field(json, ",\"lane\":", lane);
    put_optional(json, ",\"call\":", call_id);
    json_raw(json, "}\n", 2);
}

static bool is_wanted_moment(const struct calls_output *output, uint64_t time_ns, uint32_t function)
{
    return call_filter_has_moment(&output->filter, time_ns) && call_filter_has_function(&output->filter, function);
}

static int print_mark(void *context, const struct replay_mark *mark)
{
    const struct calls_output *const output = context;
    struct json_writer *json = output->json;
    if (!is_wanted_moment(output, mark->time_ns, mark->function))
        return 0;
    json_text(json, "{\"mark\":");
    json_string(json, mark->text);
    put_moment(json, mark->time_ns, mark->lane, mark->call_id);
    return json->failed ? EIO : 0;
}

static int print_counter(void *context, const struct replay_counter *counter)
{
    const struct calls_output *const output = context;
    struct json_writer *json = output->json;
    if (!is_wanted_moment(output, counter->time_ns, counter->function))
        return 0;
    json_text(json, "{\"counter\":");
    json_string(json, counter->name);
    json_text(json, ",\"value\":");
    json_double(json, counter->value);
    put_moment(json, counter->time_ns, counter->lane, counter->call_id);
    return json->failed ? EIO : 0;
}

/* Visitor's leave: one line. */
static int print_call(void *context, const struct replay_call *call)
{
    struct calls_output *output = context;
    struct json_writer *json = output->json;
    if (!call->in_range || !call_filter_has_function(&output->filter, call->function))
        return 0;
    struct function_text *function = &output->functions[call->function];
    if (!function->text)
        *function = describe(output->definitions, call->function);
    if (!function->text)
        return ENOMEM;
    put_field(json, "{\"id\":", call->id);
    put_optional(json, ",\"parent\":", call->parent_id);
    put_field(json, ",\"lane\":", call->lane);
    json_raw(json, function->text, function->length);
    put_times(json, call);
    put_notes(output, call);
    json_text(json, ",\"outcome\":\"");
    json_text(json, call->goes_on ? "open" : vocabulary_outcome(call->outcome));
    json_raw(json, "\"}\n", 3);
    return json->failed ? EIO : 0;
}

static enum exit_code print_calls(const char *path, struct trace *trace, struct calls_output *output)
{
    const struct replay_visitor visitor = {.context = output, .leave = print_call, .mark = print_mark, .counter = print_counter};
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

static enum exit_code run_calls(const char *path, struct trace *trace, struct call_filter filter)
{
    const struct cptrace_definitions *definitions = trace_facts(trace)->definitions;
    struct calls_output output = {
        .json = json_writer_create(stdout),
        .definitions = definitions,
        .filter = filter,
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

static enum exit_code open_and_run(const char *path, const struct call_filter_request *request)
{
    struct trace *trace;
    struct call_filter filter;
    enum exit_code code = call_filter_open(path, request, &trace, &filter);
    if (code != EXIT_CODE_OK)
        return code;
    code = run_calls(path, trace, filter);
    call_filter_tell_reading(path, trace, code);
    call_filter_free(&filter);
    trace_close(trace);
    return code;
}

enum exit_code cmd_calls(int argument_count, char **arguments)
{
    struct option_walk walk = option_walk_begin(&calls_options, argument_count, arguments);
    struct call_filter_request request = CALL_FILTER_ALL;
    const char *path = NULL, *value;
    for (int option; (option = option_next(&walk, &value)) != OPTION_END;) {
        if (option == CALLS_OPTION_HELP) {
            option_table_help(&calls_options, stdout);
            return trace_argument_close_output(EXIT_CODE_OK);
        }
        if (option == OPTION_OPERAND ? !trace_argument_set(&path, value) : !call_filter_take(&request, option, value))
            return EXIT_CODE_USAGE;
    }
    if (!trace_argument_given(path))
        return EXIT_CODE_USAGE;
    platform_binary_stream(stdout);
    return trace_argument_close_output(open_and_run(path, &request));
}

/* cptrace info: what was run, when, and how much was recorded. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/message.h"
#include "cli/progress_bar.h"
#include "cli/trace_argument.h"
#include "commands.h"
#include "json_writer.h"
#include "replay/recorder_cost.h"

enum { INFO_OPTION_JSON = 1, INFO_OPTION_HELP };

static const struct option_row info_rows[] = {
    {INFO_OPTION_JSON, 'j', "json", NULL, "one JSON object instead of text"},
    {INFO_OPTION_HELP, 'h', "help", NULL, "this text"},
};

static const struct option_table info_options = {
    .usage = "cptrace info [--json] TRACE",
    .summary = "Prints what was run, when, and how much was recorded.",
    .rows = info_rows,
    .row_count = sizeof info_rows / sizeof info_rows[0],
};

/* Keys of SPEC.md 4.1 that may stand more than once are lists in JSON; others are strings. */
static const char *const info_keys[] = {"name",         "kind",           "function", "pid",   "host",   "os",     "cwd",       "python",
                                        "python_build", "implementation", "backend",  "clock", "writer", "thread", "parent_run"};
enum { INFO_KEY_COUNT = sizeof info_keys / sizeof info_keys[0] };

static bool is_key(const struct cptrace_info_pair *pair, const char *key)
{
    return pair->key.length == strlen(key) && memcmp(pair->key.bytes, key, pair->key.length) == 0;
}

static bool has_prefix(const struct cptrace_info_pair *pair, const char *prefix)
{
    return pair->key.length >= strlen(prefix) && memcmp(pair->key.bytes, prefix, strlen(prefix)) == 0;
}

/* In the largest unit that keeps it above 1: "12.413 s", "83.1 us". */
static void print_duration(uint64_t ns)
{
    if (ns < 1000)
        printf("%" PRIu64 " ns", ns);
    else if (ns < 1000000)
        printf("%.3f us", (double)ns * 1e-3);
    else if (ns < 1000000000)
        printf("%.3f ms", (double)ns * 1e-6);
    else
        printf("%.3f s", (double)ns * 1e-9);
}

/* "2026-11-24T09:12:00.123456789Z" */
static void format_utc(char *text, size_t capacity, uint64_t utc_ns)
{
    const time_t seconds = (time_t)(utc_ns / 1000000000u);
    const struct tm *utc = gmtime(&seconds);
    char date[32] = "?";
    if (utc)
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", utc);
    snprintf(text, capacity, "%s.%09" PRIu64 "Z", date, utc_ns % 1000000000u);
}

static void json_field(struct json_writer *json, const char *name, uint64_t value)
{
    json_text(json, ",\n  \"");
    json_text(json, name);
    json_text(json, "\": ");
    json_uint(json, value);
}

static void json_flag(struct json_writer *json, const char *name, bool value)
{
    json_text(json, ",\n  \"");
    json_text(json, name);
    json_text(json, value ? "\": true" : "\": false");
}

static void json_list(struct json_writer *json, const struct trace_facts *facts, const char *key)
{
    const char *separator = "";
    json_text(json, ",\n  \"");
    json_text(json, key);
    json_text(json, "\": [");
    for (size_t i = 0; i < facts->info_count; ++i) {
        if (!is_key(&facts->info[i], key))
            continue;
        json_text(json, separator);
        json_string(json, facts->info[i].value);
        separator = ", ";
    }
    json_text(json, "]");
}

/* An object of the pairs with a prefix, the prefix left out: "label:route" is "route" of "labels". */
static void json_pairs(struct json_writer *json, const char *name, const struct cptrace_info_pair *pairs, size_t count, const char *prefix)
{
    const char *separator = "";
    const uint32_t prefix_length = (uint32_t)strlen(prefix);
    json_text(json, ",\n  \"");
    json_text(json, name);
    json_text(json, "\": {");
    for (size_t i = 0; i < count; ++i) {
        if (!has_prefix(&pairs[i], prefix))
            continue;
        const struct cptrace_string key = {.bytes = pairs[i].key.bytes + prefix_length, .length = pairs[i].key.length - prefix_length};
        json_text(json, separator);
        json_string(json, key);
        json_text(json, ": ");
        json_string(json, pairs[i].value);
        separator = ", ";
    }
    json_text(json, "}");
}

static void json_labels(struct json_writer *json, const struct trace_facts *facts)
{
    const char *separator = "";
    json_text(json, ",\n  \"labels\": {");
    for (size_t i = 0; i < facts->label_count; ++i) {
        json_text(json, separator);
        json_string(json, facts->labels[i].key);
        json_text(json, ": ");
        json_string(json, facts->labels[i].value);
        separator = ", ";
    }
    json_text(json, "}");
}

static void json_info(struct json_writer *json, const struct trace *trace)
{
    for (size_t i = 0; i < INFO_KEY_COUNT; ++i) {
        json_text(json, ",\n  \"");
        json_text(json, info_keys[i]);
        json_text(json, "\": ");
        json_string(json, trace_info(trace, info_keys[i]));
    }
    const struct trace_facts *facts = trace_facts(trace);
    json_list(json, facts, "argv");
    json_pairs(json, "options", facts->info, facts->info_count, "option:");
    json_labels(json, facts);
    json_pairs(json, "end", facts->end_info, facts->end_info_count, "");
}

static void json_damage(struct json_writer *json, const struct trace_facts *facts)
{
    json_text(json, ",\n  \"damage\": [");
    for (size_t i = 0; i < facts->damage_count; ++i) {
        const struct cptrace_damage *damage = &facts->damage[i];
        json_text(json, i ? ", {\"offset\": " : "{\"offset\": ");
        json_uint(json, damage->offset);
        json_text(json, ", \"bytes\": ");
        json_uint(json, damage->bytes);
        json_text(json, ", \"blocks\": ");
        json_uint(json, damage->blocks);
        json_text(json, ", \"message\": ");
        json_string(json, (struct cptrace_string){.bytes = damage->error.message, .length = (uint32_t)strlen(damage->error.message)});
        json_text(json, "}");
    }
    json_text(json, "]");
}

/* Only what the trace has, so that others look as ever. */
static void json_annotations(struct json_writer *json, const struct trace_facts *facts, const struct replay_result *result)
{
    struct recorder_cost cost;
    if (facts->definitions->task_count)
        json_field(json, "tasks", facts->definitions->task_count);
    if (result->mark_count)
        json_field(json, "marks", result->mark_count);
    if (result->counter_count)
        json_field(json, "counters", result->counter_count);
    if (facts->waiting_known)
        json_field(json, "waiting_ns", result->waiting_ns);
    if (result->omitted_call_count || result->omitted_ns) {
        json_field(json, "omitted_calls", result->omitted_call_count);
        json_field(json, "omitted_ns", result->omitted_ns);
    }
    if (recorder_cost_estimate(facts, result, &cost))
        json_field(json, "recorder_cost_ns", cost.run_ns);
}

static bool print_json(const struct trace *trace, const struct replay_result *result)
{
    struct json_writer *json = json_writer_create(stdout);
    if (!json)
        return false;
    const struct trace_facts *facts = trace_facts(trace);
    char start[64];
    format_utc(start, sizeof start, facts->start_utc_ns);
    json_text(json, "{\n  \"format_version\": ");
    json_uint(json, facts->format_version);
    json_flag(json, "complete", facts->complete);
    json_flag(json, "cut", facts->cut);
    json_field(json, "wall_ns", result->wall_ns);
    json_field(json, "events", result->event_count);
    json_field(json, "calls", result->call_count);
    json_field(json, "functions", result->called_function_count);
    json_field(json, "paths", result->path_count - 1);
    json_field(json, "lanes", facts->definitions->lane_count);
    json_field(json, "files", facts->definitions->file_count);
    json_annotations(json, facts, result);
    json_field(json, "damaged_blocks", facts->damaged_blocks);
    json_field(json, "bytes", facts->bytes);
    json_text(json, ",\n  \"start_utc\": \"");
    json_text(json, start);
    json_text(json, "\"");
    json_field(json, "start_utc_ns", facts->start_utc_ns);
    json_info(json, trace);
    json_damage(json, facts);
    json_text(json, "\n}\n");
    json_writer_flush(json); /* a failure is told when the output is closed */
    json_writer_free(json);
    return true;
}

/* Strings of a trace are hostile: no control characters reach the terminal. */
static void print_safely(struct cptrace_string string)
{
    for (uint32_t i = 0; i < string.length; ++i) {
        const unsigned char c = (unsigned char)string.bytes[i];
        putchar(c < 0x20 || c == 0x7f ? '?' : c);
    }
}

static void print_row(const char *name, struct cptrace_string value)
{
    if (value.length == 0)
        return;
    printf("%-12s ", name);
    print_safely(value);
    putchar('\n');
}

static void print_clock(const struct trace *trace)
{
    const struct cptrace_string name = trace_info(trace, "clock");
    if (name.length == 0)
        return;
    printf("clock        ");
    print_safely(name);
    printf(", %.2f ns a tick\n", (double)trace_facts(trace)->header->ns_per_tick_q32 / 4294967296.0);
}

static void print_pair(const char *name, struct cptrace_info_pair pair)
{
    printf("%-12s ", name);
    print_safely(pair.key);
    printf(" = ");
    print_safely(pair.value);
    putchar('\n');
}

static void print_labels(const struct trace_facts *facts)
{
    for (size_t i = 0; i < facts->label_count; ++i)
        print_pair("label", facts->labels[i]);
}

/* What ended the run, without its labels. */
static void print_end(const struct trace_facts *facts)
{
    for (size_t i = 0; i < facts->end_info_count; ++i)
        if (!has_prefix(&facts->end_info[i], "label:"))
            print_pair("end", facts->end_info[i]);
}

static void print_pairs(const char *name, const struct cptrace_info_pair *pairs, size_t count, const char *prefix)
{
    for (size_t i = 0; i < count; ++i) {
        if (!has_prefix(&pairs[i], prefix))
            continue;
        const uint32_t prefix_length = (uint32_t)strlen(prefix);
        print_pair(name,
                   (struct cptrace_info_pair){{pairs[i].key.bytes + prefix_length, pairs[i].key.length - prefix_length}, pairs[i].value});
    }
}

static void print_command(const struct trace_facts *facts)
{
    const char *separator = "";
    for (size_t i = 0; i < facts->info_count; ++i) {
        if (!is_key(&facts->info[i], "argv"))
            continue;
        printf("%s", *separator ? separator : "command      ");
        print_safely(facts->info[i].value);
        separator = " ";
    }
    if (*separator)
        putchar('\n');
}

static void print_count(const char *name, uint64_t count)
{
    if (count)
        printf("%-12s %" PRIu64 "\n", name, count);
}

static void print_recorder_cost(const struct trace_facts *facts, const struct replay_result *result)
{
    struct recorder_cost cost;
    if (!recorder_cost_estimate(facts, result, &cost))
        return;
    const unsigned percent = recorder_cost_percent(&cost, result->wall_ns);
    if (percent)
        printf("recorder cost  about %u %%", percent);
    else
        printf("recorder cost  under 1 %%");
    const char *separator = " (";
    if (cost.python_call_ns > 0) {
        printf("%s%.0f ns a Python call", separator, cost.python_call_ns);
        separator = ", ";
    }
    if (cost.c_call_ns > 0) {
        printf("%s%.0f ns a C call", separator, cost.c_call_ns);
        separator = ", ";
    }
    if (cost.resume_ns > 0 && cost.python_call_ns <= 0 && cost.c_call_ns <= 0)
        printf("%s%.0f ns a resume", separator, cost.resume_ns);
    printf(")\n");
}

/* Only what the trace has. */
static void print_annotations(const struct trace_facts *facts, const struct replay_result *result)
{
    print_count("tasks", facts->definitions->task_count);
    print_count("marks", result->mark_count);
    print_count("counters", result->counter_count);
    if (facts->waiting_known) {
        printf("waiting      ");
        print_duration(result->waiting_ns);
        putchar('\n');
    }
    if (result->omitted_call_count || result->omitted_ns) {
        printf("left out     %" PRIu64 " call%s, ", result->omitted_call_count, result->omitted_call_count == 1 ? "" : "s");
        print_duration(result->omitted_ns);
        putchar('\n');
    }
    print_recorder_cost(facts, result);
}

static void print_text(const struct trace *trace, const struct replay_result *result)
{
    const struct trace_facts *facts = trace_facts(trace);
    char start[64];
    format_utc(start, sizeof start, facts->start_utc_ns);
    print_row("run", trace_info(trace, "name"));
    print_command(facts);
    printf("start        %s\n", start);
    printf("wall time    ");
    print_duration(result->wall_ns);
    putchar('\n');
    printf("calls        %" PRIu64 " of %" PRIu64 " functions on %zu path%s\n", result->call_count, result->called_function_count,
           result->path_count - 1, result->path_count == 2 ? "" : "s");
    print_annotations(facts, result);
    printf("lanes        %zu\n", facts->definitions->lane_count);
    printf("files        %zu\n", facts->definitions->file_count);
    const double per_call = result->call_count ? (double)facts->bytes / (double)result->call_count : 0;
    printf("events       %" PRIu64 " in %" PRIu64 " bytes, %.2f bytes a call\n", result->event_count, facts->bytes, per_call);
    print_row("python", trace_info(trace, "python"));
    print_row("back end", trace_info(trace, "backend"));
    print_clock(trace);
    print_row("host", trace_info(trace, "host"));
    print_row("system", trace_info(trace, "os"));
    print_row("folder", trace_info(trace, "cwd"));
    print_row("started by", trace_info(trace, "parent_run"));
    print_row("written by", trace_info(trace, "writer"));
    print_labels(facts);
    print_pairs("option", facts->info, facts->info_count, "option:");
    print_pairs("process", facts->info, facts->info_count, "process:");
    print_end(facts);
    printf("complete     %s\n", facts->complete ? "yes" : facts->cut ? "no: the file is cut" : "no: the file is damaged");
    if (facts->damaged_blocks)
        printf("damaged      %" PRIu64 " blocks lost\n", facts->damaged_blocks);
}

static enum exit_code run_info(const char *path, struct trace *trace, bool json)
{
    struct replay_result result;
    struct cptrace_error error = {0};
    struct progress_bar bar;
    progress_bar_begin(&bar, "events", true);
    const int stopped = trace_replay(trace, NULL, 0, progress_bar_update, &bar, &result, &error);
    progress_bar_end(&bar);
    if (stopped != 0) {
        message_trace_error(path, &error);
        return exit_code_of((enum cptrace_status) - stopped);
    }
    if (!json) {
        print_text(trace, &result);
    } else if (!print_json(trace, &result)) {
        message_error("no memory");
        return EXIT_CODE_FAILED;
    }
    return trace_argument_judge(path, trace);
}

enum exit_code cmd_info(int argument_count, char **arguments)
{
    struct option_walk walk = option_walk_begin(&info_options, argument_count, arguments);
    const char *path = NULL, *value;
    bool json = false;
    for (int option; (option = option_next(&walk, &value)) != OPTION_END;) {
        if (option == INFO_OPTION_HELP) {
            option_table_help(&info_options, stdout);
            return trace_argument_close_output(EXIT_CODE_OK);
        }
        if (option == INFO_OPTION_JSON)
            json = true;
        else if (option != OPTION_OPERAND || !trace_argument_set(&path, value))
            return EXIT_CODE_USAGE;
    }
    if (!trace_argument_given(path))
        return EXIT_CODE_USAGE;
    struct trace *trace;
    enum exit_code code = trace_argument_open(path, &trace);
    if (code != EXIT_CODE_OK)
        return code;
    code = run_info(path, trace, json);
    trace_close(trace);
    return trace_argument_close_output(code);
}

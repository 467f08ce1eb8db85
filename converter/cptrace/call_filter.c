#include "call_filter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/trace_argument.h"

static bool is_text(struct cptrace_string string, const char *text, size_t length)
{
    return string.length == length && (length == 0 || memcmp(string.bytes, text, length) == 0);
}

/* "C.f", or with its module before it: "app.C.f". */
static bool is_function(const struct cptrace_function_definition *function, const char *name)
{
    const size_t length = strlen(name), module_length = function->module.length;
    if (is_text(function->qualified_name, name, length))
        return true;
    return module_length < length && name[module_length] == '.' && is_text(function->module, name, module_length) &&
           is_text(function->qualified_name, name + module_length + 1, length - module_length - 1);
}

static enum exit_code resolve_function(struct call_filter *filter, const char *name, const char *path,
                                       const struct cptrace_definitions *definitions)
{
    bool found = false;
    filter->functions = calloc(definitions->function_count + 1, sizeof *filter->functions);
    for (size_t i = 0; filter->functions && i < definitions->function_count; ++i) {
        const struct cptrace_function_definition *const function = &definitions->functions[i];
        filter->functions[i] = function->known && is_function(function, name);
        found |= filter->functions[i];
    }
    if (filter->functions && found)
        return EXIT_CODE_OK;
    if (!filter->functions)
        message_error("no memory");
    else
        message_error("%s: no function is called '%s'", message_file_name(path), name);
    return filter->functions ? EXIT_CODE_USAGE : EXIT_CODE_FAILED;
}

/* A number that there is, else a name. */
static bool choose_lanes(bool *lanes, const char *wanted, const struct cptrace_definitions *definitions)
{
    char *end;
    const unsigned long number = strtoul(wanted, &end, 10);
    if (wanted[0] >= '0' && wanted[0] <= '9' && *end == '\0' && number < definitions->lane_count)
        return lanes[number] = true;
    bool found = false;
    for (size_t i = 0; i < definitions->lane_count; ++i) {
        lanes[i] = is_text(definitions->lanes[i].name, wanted, strlen(wanted));
        found |= lanes[i];
    }
    return found;
}

static enum exit_code resolve_lane(struct call_filter *filter, const char *wanted, const char *path,
                                   const struct cptrace_definitions *definitions)
{
    filter->lanes = calloc(definitions->lane_count + 1, sizeof *filter->lanes);
    if (!filter->lanes) {
        message_error("no memory");
        return EXIT_CODE_FAILED;
    }
    if (choose_lanes(filter->lanes, wanted, definitions))
        return EXIT_CODE_OK;
    message_error("%s: no lane '%s' among %zu", message_file_name(path), wanted, definitions->lane_count);
    return EXIT_CODE_USAGE;
}

enum exit_code call_filter_resolve(struct call_filter *filter, const struct call_filter_request *request, const char *path,
                                   const struct cptrace_definitions *definitions)
{
    enum exit_code code = EXIT_CODE_OK;
    *filter = (struct call_filter){.range = request->range};
    if (request->lane)
        code = resolve_lane(filter, request->lane, path, definitions);
    if (request->function && code == EXIT_CODE_OK)
        code = resolve_function(filter, request->function, path, definitions);
    return code;
}

void call_filter_free(struct call_filter *filter)
{
    free(filter->lanes);
    free(filter->functions);
    *filter = (struct call_filter){0};
}

/* ---- of a command ---- */

bool call_filter_take(struct call_filter_request *request, int option, const char *value)
{
    switch (option) {
    case CALL_FILTER_RANGE:
        if (time_range_parse(value, &request->range))
            return true;
        message_usage("--range: expected FROM..TO such as 1.2s..1.3s, 250ms.. or ..2m, found '%s'", value);
        return false;
    case CALL_FILTER_LANE:
        request->lane = value;
        return true;
    case CALL_FILTER_FUNCTION:
        request->function = value;
        return true;
    case CALL_FILTER_VERBOSE:
        message_level(MESSAGE_VERBOSE);
        return true;
    default:
        return false;
    }
}

static enum exit_code choose_part(const char *path, const struct call_filter_request *request, struct trace *trace,
                                  struct call_filter *filter)
{
    const enum exit_code code = call_filter_resolve(filter, request, path, trace_facts(trace)->definitions);
    if (code != EXIT_CODE_OK || !call_filter_wanted(request))
        return code;
    const struct trace_selection selection = call_filter_selection(filter);
    if (trace_select(trace, &selection) == CPTRACE_OK)
        return EXIT_CODE_OK;
    message_error("no memory");
    return EXIT_CODE_FAILED;
}

enum exit_code call_filter_open(const char *path, const struct call_filter_request *request, struct trace **trace,
                                struct call_filter *filter)
{
    enum exit_code code = call_filter_wanted(request) ? trace_argument_survey(path, trace) : trace_argument_open(path, trace);
    if (code != EXIT_CODE_OK)
        return code;
    code = choose_part(path, request, *trace, filter);
    if (code != EXIT_CODE_OK) {
        call_filter_free(filter);
        trace_close(*trace);
    }
    return code;
}

static size_t count_event_blocks(const struct trace *trace)
{
    const struct trace_facts *const facts = trace_facts(trace);
    size_t count = 0;
    for (size_t i = 0; i < facts->block_count; ++i)
        count += facts->blocks[i].kind == CPTRACE_BLOCK_EVENTS;
    return count;
}

void call_filter_tell_reading(const char *path, const struct trace *trace, enum exit_code code)
{
    if (code != EXIT_CODE_OK && code != EXIT_CODE_PARTIAL)
        return;
    const struct trace_reading reading = trace_reading(trace);
    message_detail("%s: needed %zu of %zu blocks of events, decompressed %" PRIu64 " blocks in all, %s", message_file_name(path),
                   reading.selected_count, count_event_blocks(trace), reading.decompressed_count,
                   reading.by_index ? "found by the index" : "found by a scan of the whole file");
}

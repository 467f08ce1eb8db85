/* cptrace strip: a copy of a trace without what is private. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/message.h"
#include "cli/progress_bar.h"
#include "cli/trace_argument.h"
#include "commands.h"
#include "rewrite/process_pairs.h"
#include "rewrite/rewrite.h"
#include "trace_output.h"

enum {
    STRIP_OPTION_OUTPUT = 1,
    STRIP_OPTION_ARGUMENTS,
    STRIP_OPTION_PATHS,
    STRIP_OPTION_HOST,
    STRIP_OPTION_ARGV,
    STRIP_OPTION_LABELS,
    STRIP_OPTION_MARKS,
    STRIP_OPTION_ALL,
    STRIP_OPTION_FORCE,
    STRIP_OPTION_QUIET,
    STRIP_OPTION_VERBOSE,
    STRIP_OPTION_HELP,
};

static const struct option_row strip_rows[] = {
    {STRIP_OPTION_OUTPUT, 'o', "output", "OUT.cptrace", "where the copy goes; - is standard output"},
    {STRIP_OPTION_ARGUMENTS, 0, "arguments", NULL, "remove the argument values of calls"},
    {STRIP_OPTION_PATHS, 0, "paths", NULL, "shorten files; remove the working folder, warnings, include and exclude patterns"},
    {STRIP_OPTION_HOST, 0, "host", NULL, "remove the name of the machine"},
    {STRIP_OPTION_ARGV, 0, "argv", NULL, "remove the command line"},
    {STRIP_OPTION_LABELS, 0, "labels", NULL, "remove the labels of the run"},
    {STRIP_OPTION_MARKS, 0, "marks", NULL, "remove marks and counters, and the names of spans, tasks and threads"},
    {STRIP_OPTION_ALL, 0, "all", NULL, "remove all of these"},
    {STRIP_OPTION_FORCE, 'f', "force", NULL, "replace OUT.cptrace when it is there"},
    {STRIP_OPTION_QUIET, 'q', "quiet", NULL, "no warnings, no progress bar"},
    {STRIP_OPTION_VERBOSE, 'v', "verbose", NULL, "say what was written"},
    {STRIP_OPTION_HELP, 'h', "help", NULL, "this text"},
};

static const struct option_table strip_options = {
    .usage = "cptrace strip [OPTIONS] TRACE -o OUT.cptrace",
    .summary = "Writes a copy of a trace that can be shared. Without an option that says what to remove, it\n"
               "is all of them but --marks.",
    .rows = strip_rows,
    .row_count = sizeof strip_rows / sizeof strip_rows[0],
    .notes = "The copy is written anew: nothing that is removed is anywhere in it. The path of a file becomes\n"
             "what stands below the folder that its module was imported from (requests/api.py), or its\n"
             "name; two files that are then called the same become one. Without options, and with --all,\n"
             "info that this version does not know goes, too.\n"
             "\n"
             "What remains: every call with its exact times and how it ended; names of functions, modules\n"
             "and libraries, lines, sizes and times of their files; threads and process by their numbers;\n"
             "CPU times; when it was recorded; run id, name and kind of the run, its options; versions of\n"
             "Python, of the operating system and of the recorder. Without --marks also the texts of marks\n"
             "and counters, and the names that the program gave to spans, tasks and threads.\n"
             "\n"
             "Exit codes: as of cptrace. A trace with lost blocks is refused (3), a cut one is not (4).",
};

struct request {
    const char *path;
    struct trace_output_request output;
    struct redaction redaction;
    enum message_level level;
};

static const struct redaction everything = {true, true, true, true, true, true, true};

/* What nothing more is said about. */
static struct redaction default_redaction(void)
{
    struct redaction redaction = everything;
    redaction.texts = false;
    return redaction;
}

static bool removes_nothing(const struct redaction *redaction)
{
    return !(redaction->arguments || redaction->paths || redaction->host || redaction->argv || redaction->labels || redaction->texts);
}

static bool apply_what(struct redaction *redaction, int option)
{
    switch (option) {
    case STRIP_OPTION_ARGUMENTS:
        return redaction->arguments = true;
    case STRIP_OPTION_PATHS:
        return redaction->paths = true;
    case STRIP_OPTION_HOST:
        return redaction->host = true;
    case STRIP_OPTION_ARGV:
        return redaction->argv = true;
    case STRIP_OPTION_LABELS:
        return redaction->labels = true;
    case STRIP_OPTION_MARKS:
        return redaction->texts = true;
    case STRIP_OPTION_ALL:
        *redaction = everything;
        return true;
    default:
        return false;
    }
}

static bool apply_option(struct request *request, int option, const char *value)
{
    switch (option) {
    case STRIP_OPTION_OUTPUT:
        request->output.path = value;
        return true;
    case STRIP_OPTION_FORCE:
        return request->output.force = true;
    case STRIP_OPTION_QUIET:
        request->level = MESSAGE_QUIET;
        return true;
    case STRIP_OPTION_VERBOSE:
        request->level = MESSAGE_VERBOSE;
        return true;
    case OPTION_OPERAND:
        return trace_argument_set(&request->path, value);
    default:
        return apply_what(&request->redaction, option);
    }
}

/* Those that stay. */
static bool choose_pairs(struct process_pairs *list, const struct redaction *redaction, const struct cptrace_info_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        if (redaction_keeps(redaction, pairs[i].key) && !process_pairs_keep(list, &pairs[i]))
            return false;
    }
    return true;
}

struct stripping {
    struct trace *trace;
    struct timeline timeline;
    struct process_pairs info, end_info;
    struct rewrite *rewrite;
};

static enum cptrace_status no_memory(struct cptrace_error *error)
{
    *error = (struct cptrace_error){.status = CPTRACE_NO_MEMORY, .message = "no memory"};
    return CPTRACE_NO_MEMORY;
}

static enum cptrace_status prepare(struct stripping *stripping, const struct request *request, struct cptrace_error *error)
{
    const struct trace_facts *const facts = trace_facts(stripping->trace);
    return timeline_init(&stripping->timeline, stripping->trace) &&
                   choose_pairs(&stripping->info, &request->redaction, facts->info, facts->info_count) &&
                   choose_pairs(&stripping->end_info, &request->redaction, facts->end_info, facts->end_info_count)
               ? CPTRACE_OK
               : no_memory(error);
}

static enum cptrace_status write_copy(struct stripping *stripping, const struct request *request, struct trace_output *output,
                                      struct cptrace_error *error)
{
    const struct trace_facts *const facts = trace_facts(stripping->trace);
    const uint64_t start_ns = facts->header->start.monotonic_ns;
    struct progress_bar bar;
    const struct rewrite_options options = {
        .sink = trace_output_sink(output),
        .run_id = facts->header->run_id,
        .start_ns = start_ns,
        .timeline = &stripping->timeline,
        .redaction = &request->redaction,
    };
    const struct rewrite_input input = {
        .trace = stripping->trace, .owns_timeline = true, .progress = progress_bar_update, .progress_context = &bar};
    enum cptrace_status status = prepare(stripping, request, error);
    if (status == CPTRACE_OK)
        status = rewrite_create(&options, &stripping->rewrite, error);
    if (status != CPTRACE_OK)
        return status;
    rewrite_info(stripping->rewrite, stripping->info.pairs, stripping->info.count);
    progress_bar_begin(&bar, "events", request->level != MESSAGE_QUIET);
    status = rewrite_add(stripping->rewrite, &input, error);
    progress_bar_end(&bar);
    if (status == CPTRACE_OK)
        status = rewrite_finish(stripping->rewrite, start_ns + facts->wall_ns, stripping->end_info.pairs, stripping->end_info.count, error);
    return status;
}

static void stripping_free(struct stripping *stripping)
{
    rewrite_free(stripping->rewrite);
    process_pairs_free(&stripping->info);
    process_pairs_free(&stripping->end_info);
    timeline_free(&stripping->timeline);
}

static enum exit_code strip_into(const struct request *request, struct trace *trace, struct trace_output *output)
{
    struct stripping stripping = {.trace = trace};
    struct cptrace_error error = {0};
    const enum cptrace_status status = write_copy(&stripping, request, output, &error);
    enum exit_code code;
    if (status == CPTRACE_OK) {
        message_detail("%s: %" PRIu64 " calls, %" PRIu64 " events, %" PRIu64 " bytes", request->output.path,
                       rewrite_call_count(stripping.rewrite), rewrite_event_count(stripping.rewrite), output->bytes);
        code = trace_argument_judge(request->path, trace);
    } else {
        error.status = status;
        code = trace_output_failed(output, request->path, &error);
    }
    stripping_free(&stripping);
    return code;
}

static enum exit_code strip(const struct request *request)
{
    char *const inputs[] = {(char *)request->path};
    if (!trace_argument_given(request->path) || !trace_output_may_write(&request->output, inputs, 1))
        return EXIT_CODE_USAGE;
    struct trace *trace;
    enum exit_code code = trace_argument_open(request->path, &trace);
    if (code != EXIT_CODE_OK)
        return code;
    struct trace_output output;
    if (!trace_argument_refuse_damaged(request->path, trace))
        code = EXIT_CODE_INVALID;
    else if (!trace_output_open(&output, &request->output))
        code = EXIT_CODE_FAILED;
    else
        code = trace_output_close(&output, strip_into(request, trace, &output));
    trace_close(trace);
    return code;
}

enum exit_code cmd_strip(int argument_count, char **arguments)
{
    struct option_walk walk = option_walk_begin(&strip_options, argument_count, arguments);
    struct request request = {.level = MESSAGE_NORMAL};
    const char *value;
    for (int option; (option = option_next(&walk, &value)) != OPTION_END;) {
        if (option == STRIP_OPTION_HELP) {
            option_table_help(&strip_options, stdout);
            return trace_argument_close_output(EXIT_CODE_OK);
        }
        if (!apply_option(&request, option, value))
            return EXIT_CODE_USAGE;
    }
    message_level(request.level);
    if (removes_nothing(&request.redaction))
        request.redaction = default_redaction();
    return strip(&request);
}

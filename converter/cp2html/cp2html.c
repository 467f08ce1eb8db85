/* cp2html: renders a trace as one self-contained HTML page. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/option_table.h"
#include "cli/output_file.h"
#include "cli/progress_bar.h"
#include "cli/trace_argument.h"
#include "page/html_page.h"
#include "platform/platform.h"

enum { HTML_OPTION_OUTPUT = 1, HTML_OPTION_MAX_SIZE, HTML_OPTION_QUIET, HTML_OPTION_VERBOSE, HTML_OPTION_HELP, HTML_OPTION_VERSION };

static const struct option_row html_rows[] = {
    {HTML_OPTION_OUTPUT, 'o', "output", "OUT.html", "where the page goes; - is standard output"},
    {HTML_OPTION_MAX_SIZE, 0, "max-size", "SIZE", "how large the page may become: 500k, 20M (the default), 1G"},
    {HTML_OPTION_QUIET, 'q', "quiet", NULL, "no warnings, no progress bar"},
    {HTML_OPTION_VERBOSE, 'v', "verbose", NULL, "say what was read and written"},
    {HTML_OPTION_HELP, 'h', "help", NULL, "this text"},
    {HTML_OPTION_VERSION, 0, "version", NULL, "the version"},
};

static const struct option_table html_options = {
    .usage = "cp2html [OPTIONS] TRACE [-o OUT.html]",
    .summary = "Renders a .cptrace file as one self-contained HTML page, beside the trace when nothing else\n"
               "is said: run.cptrace becomes run.html. TRACE may be - for standard input.",
    .rows = html_rows,
    .row_count = sizeof html_rows / sizeof html_rows[0],
    .notes = "Exit codes: 0 ok, 1 reading, writing or memory failed, 2 wrong usage, 3 not a trace, a newer\n"
             "version or corrupt, 4 written, but the trace was damaged or cut (the page says so).",
};

struct request {
    const char *trace_path;
    const char *output_path; /* NULL: beside the trace */
    uint64_t max_bytes;      /* 0: the page's default */
    enum message_level level;
};

/* "20M" → bytes; k, M and G are powers of 1000, as the sizes of files are shown. */
static bool parse_size(const char *text, uint64_t *bytes)
{
    static const struct {
        char suffix;
        uint64_t factor;
    } units[] = {{'k', 1000}, {'K', 1000}, {'m', 1000000}, {'M', 1000000}, {'g', 1000000000}, {'G', 1000000000}};
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    if (errno || end == text || text[0] < '0' || text[0] > '9')
        return false;
    uint64_t factor = 1;
    for (size_t i = 0; i < sizeof units / sizeof units[0] && *end; ++i) {
        if (*end == units[i].suffix) {
            factor = units[i].factor;
            ++end;
            break;
        }
    }
    if ((*end == 'B' || *end == 'b') && factor > 1)
        ++end;
    if (*end || number == 0 || number > UINT64_MAX / factor)
        return false;
    *bytes = number * factor;
    return true;
}

static bool set_trace(struct request *request, const char *operand)
{
    if (request->trace_path) {
        message_usage("one trace makes one page, found '%s' and '%s': run cp2html once for each", request->trace_path, operand);
        return false;
    }
    request->trace_path = operand;
    return true;
}

static bool apply_option(struct request *request, int option, const char *value)
{
    switch (option) {
    case HTML_OPTION_OUTPUT:
        request->output_path = value;
        return true;
    case HTML_OPTION_MAX_SIZE:
        if (parse_size(value, &request->max_bytes))
            return true;
        message_usage("--max-size: expected a size such as 500k, 20M or 1G, found '%s'", value);
        return false;
    case HTML_OPTION_QUIET:
        request->level = MESSAGE_QUIET;
        return true;
    case HTML_OPTION_VERBOSE:
        request->level = MESSAGE_VERBOSE;
        return true;
    case OPTION_OPERAND:
        return set_trace(request, value);
    default:
        return false;
    }
}

/* "run.cptrace" → "run.html"; what has another ending gets one more. */
static char *default_output(const char *trace_path)
{
    static const char ending[] = ".cptrace";
    if (strcmp(trace_path, "-") == 0)
        return strdup("-");
    size_t stem = strlen(trace_path);
    if (stem > sizeof ending - 1 && strcmp(trace_path + stem - (sizeof ending - 1), ending) == 0)
        stem -= sizeof ending - 1;
    char *path = malloc(stem + sizeof ".html");
    if (path) {
        memcpy(path, trace_path, stem);
        memcpy(path + stem, ".html", sizeof ".html");
    }
    return path;
}

static bool may_write_to(const char *output_path, const char *trace_path)
{
    if (strcmp(output_path, "-") == 0 && platform_is_terminal(stdout)) {
        message_usage("a page is not for a terminal: give -o OUT.html, or send standard output to a file");
        return false;
    }
    if (strcmp(output_path, "-") != 0 && strcmp(trace_path, "-") != 0 && platform_same_file(output_path, trace_path)) {
        message_usage("'%s' is the trace itself", output_path);
        return false;
    }
    return true;
}

struct page_output {
    FILE *stream;
    int problem; /* errno of the first failed write */
    uint64_t bytes;
};

static int write_page_bytes(void *context, const void *bytes, size_t length)
{
    struct page_output *output = context;
    errno = 0;
    if (fwrite(bytes, 1, length, output->stream) != length)
        output->problem = errno ? errno : EIO;
    output->bytes += length;
    return output->problem;
}

/* Tells the user, unless the output is to blame: closing it tells that. */
static enum exit_code render_failed(const struct request *request, enum cptrace_status status, struct cptrace_error *error,
                                    const struct page_output *output)
{
    if (output->problem) {
        message_error("%s: cannot write: %s", strcmp(request->output_path, "-") == 0 ? "<stdout>" : request->output_path,
                      strerror(output->problem));
        return EXIT_CODE_FAILED;
    }
    error->status = status;
    message_trace_error(request->trace_path, error);
    return exit_code_of(status);
}

static enum exit_code render(const struct request *request, struct trace *trace, FILE *stream)
{
    struct page_output output = {.stream = stream};
    struct progress_bar bar;
    const struct html_page_options options = {
        .max_bytes = request->max_bytes,
        .generator = "callprofiler " CALLPROFILER_VERSION,
        .progress = progress_bar_update,
        .progress_context = &bar,
    };
    const struct html_page_sink sink = {.write = write_page_bytes, .context = &output};
    struct cptrace_error error = {0};
    const uint64_t begin_ns = platform_clock_ns();
    progress_bar_begin(&bar, "events", request->level != MESSAGE_QUIET);
    const enum cptrace_status status = html_page_render(trace, &options, sink, &error);
    progress_bar_end(&bar);
    if (status != CPTRACE_OK)
        return render_failed(request, status, &error, &output);
    const struct trace_facts *facts = trace_facts(trace);
    message_detail("%s: %" PRIu64 " calls, %" PRIu64 " events, %" PRIu64 " bytes", message_file_name(request->trace_path),
                   facts->call_count, facts->event_count, facts->bytes);
    message_detail("%s: %" PRIu64 " bytes, in %.2f s", request->output_path, output.bytes, (double)(platform_clock_ns() - begin_ns) * 1e-9);
    return trace_argument_judge(request->trace_path, trace);
}

/* The output is opened after the trace: a wrong input leaves nothing behind, not even for a moment. */
static enum exit_code convert(const struct request *request)
{
    struct trace *trace;
    enum exit_code code = trace_argument_open(request->trace_path, &trace);
    if (code != EXIT_CODE_OK)
        return code;
    struct output_file output;
    if (output_file_open(&output, request->output_path)) {
        code = render(request, trace, output.stream);
        const bool wanted = code == EXIT_CODE_OK || code == EXIT_CODE_PARTIAL;
        if (!output_file_close(&output, wanted))
            code = EXIT_CODE_FAILED;
    } else {
        code = EXIT_CODE_FAILED;
    }
    trace_close(trace);
    return code;
}

static enum exit_code run(struct request *request)
{
    if (!trace_argument_given(request->trace_path))
        return EXIT_CODE_USAGE;
    char *beside = request->output_path ? NULL : default_output(request->trace_path);
    if (!request->output_path)
        request->output_path = beside;
    enum exit_code code = EXIT_CODE_USAGE;
    if (!request->output_path) {
        message_error("no memory");
        code = EXIT_CODE_FAILED;
    } else if (may_write_to(request->output_path, request->trace_path)) {
        code = convert(request);
    }
    free(beside);
    return code;
}

int main(int argument_count, char **arguments)
{
    struct request request = {.level = MESSAGE_NORMAL};
    struct option_walk walk = option_walk_begin(&html_options, argument_count - 1, arguments + 1);
    const char *value;
    message_program("cp2html");
    platform_guard_files();
    for (int option; (option = option_next(&walk, &value)) != OPTION_END;) {
        if (option == HTML_OPTION_HELP) {
            option_table_help(&html_options, stdout);
            return trace_argument_close_output(EXIT_CODE_OK);
        }
        if (option == HTML_OPTION_VERSION) {
            printf("cp2html %s (format version %d)\n", CALLPROFILER_VERSION, CPTRACE_FORMAT_VERSION);
            return trace_argument_close_output(EXIT_CODE_OK);
        }
        if (!apply_option(&request, option, value))
            return EXIT_CODE_USAGE;
    }
    message_level(request.level);
    return run(&request);
}

#include "trace_output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/message.h"
#include "platform/platform.h"

static bool is_stream(const char *path) { return strcmp(path, "-") == 0; }

bool trace_output_may_write(const struct trace_output_request *request, char *const *inputs, size_t input_count)
{
    if (!request->path) {
        message_usage("no output given: -o OUT.cptrace");
        return false;
    }
    if (is_stream(request->path)) {
        if (platform_is_terminal(stdout))
            message_usage("a trace is not for a terminal: give -o OUT.cptrace, or send standard output to a file");
        return !platform_is_terminal(stdout);
    }
    for (size_t i = 0; i < input_count; ++i) {
        if (!is_stream(inputs[i]) && platform_same_file(request->path, inputs[i])) {
            message_usage("'%s' is the trace itself", request->path);
            return false;
        }
    }
    if (!request->force && platform_file_kind(request->path) == PLATFORM_FILE_REGULAR) {
        message_usage("'%s' is there already: --force replaces it", request->path);
        return false;
    }
    return true;
}

bool trace_output_open(struct trace_output *output, const struct trace_output_request *request)
{
    *output = (struct trace_output){.problem = 0};
    return output_file_open(&output->file, request->path);
}

static int append(void *context, const void *bytes, size_t length)
{
    struct trace_output *const output = context;
    errno = 0;
    if (fwrite(bytes, 1, length, output->file.stream) != length)
        output->problem = errno ? errno : EIO;
    output->bytes += length;
    return output->problem;
}

struct cptrace_sink trace_output_sink(struct trace_output *output) { return (struct cptrace_sink){append, output}; }

enum exit_code trace_output_close(struct trace_output *output, enum exit_code code)
{
    const bool wanted = code == EXIT_CODE_OK || code == EXIT_CODE_PARTIAL;
    return output_file_close(&output->file, wanted) ? code : EXIT_CODE_FAILED;
}

enum exit_code trace_output_failed(const struct trace_output *output, const char *input, struct cptrace_error *error)
{
    if (output->problem)
        message_error("%s: cannot write: %s", is_stream(output->file.path) ? "<stdout>" : output->file.path, strerror(output->problem));
    else
        message_trace_error(input, error);
    return output->problem ? EXIT_CODE_FAILED : exit_code_of(error->status);
}

/* The trace that a command writes: under its name only when it is whole, and never over one of its inputs. */
#ifndef CPTRACE_TOOL_TRACE_OUTPUT_H
#define CPTRACE_TOOL_TRACE_OUTPUT_H

#include "cli/exit_code.h"
#include "cli/output_file.h"
#include "cptrace/writer.h"

struct trace_output_request {
    const char *path; /* "-" is standard output */
    bool force;       /* replace what is there */
};

/* False: wrong usage, told. */
bool trace_output_may_write(const struct trace_output_request *request, char *const *inputs, size_t input_count);

struct trace_output {
    struct output_file file;
    int problem; /* errno of the first failed write */
    uint64_t bytes;
};

/* On failure the user has been told. */
bool trace_output_open(struct trace_output *output, const struct trace_output_request *request);
struct cptrace_sink trace_output_sink(struct trace_output *output);

/* The first failure wins: pass the code so far. A file that is not wanted (the code tells) is removed. */
enum exit_code trace_output_close(struct trace_output *output, enum exit_code code);

/* Tells what went wrong with an input, unless writing the output is to blame, which is told instead. */
enum exit_code trace_output_failed(const struct trace_output *output, const char *input, struct cptrace_error *error);

#endif

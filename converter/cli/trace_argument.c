#include "cli/trace_argument.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/message.h"
#include "cptrace/recovery.h"

bool trace_argument_set(const char **path, const char *operand)
{
    if (*path) {
        message_usage("one trace at a time, found '%s' and '%s'", *path, operand);
        return false;
    }
    *path = operand;
    return true;
}

bool trace_argument_given(const char *path)
{
    if (!path)
        message_usage("no trace given");
    return path != NULL;
}

static enum exit_code tell_opened(const char *path, enum cptrace_status status, struct cptrace_error *error)
{
    if (status != CPTRACE_OK) {
        error->status = status;
        message_trace_error(path, error);
    }
    return exit_code_of(status);
}

enum exit_code trace_argument_open(const char *path, struct trace **trace)
{
    struct cptrace_error error = {0};
    return tell_opened(path, trace_open(path, trace, &error), &error);
}

enum exit_code trace_argument_survey(const char *path, struct trace **trace)
{
    struct cptrace_error error = {0};
    return tell_opened(path, trace_survey(path, trace, &error), &error);
}

enum exit_code trace_argument_judge(const char *path, const struct trace *trace)
{
    const struct trace_facts *facts = trace_facts(trace);
    const char *name = message_file_name(path);
    if (facts->damage_count > 0) {
        const struct cptrace_error *first = &facts->damage[0].error;
        message_warning("%s: damaged: %" PRIu64 " block%s lost, the first at offset 0x%" PRIx64 ": %s", name, facts->damaged_blocks,
                        facts->damaged_blocks == 1 ? "" : "s", facts->damage[0].offset, first->message);
    }
    const struct cptrace_recovery *recovery = facts->recovery;
    const char *trouble = recovery ? cptrace_recovery_trouble(recovery) : NULL;
    if (trouble)
        message_warning("%s: %s", name, trouble);
    if (recovery && cptrace_recovery_kind(recovery) == CPTRACE_LEFTOVER_LIVE)
        message_warning("%s: process %" PRIu64 " is still recording: this is what it has written so far", name,
                        cptrace_recovery_process_id(recovery));
    else if (facts->cut)
        message_warning("%s: cut: it stops after %" PRIu64 " bytes without its end; calls that were open then are unfinished", name,
                        facts->bytes);
    return facts->complete && !trouble ? EXIT_CODE_OK : EXIT_CODE_PARTIAL;
}

bool trace_argument_refuse_damaged(const char *path, const struct trace *trace)
{
    const struct trace_facts *const facts = trace_facts(trace);
    if (facts->damage_count == 0)
        return true;
    message_error("%s: damaged at offset 0x%" PRIx64 " (%s): how calls around that ended is unknown, and cannot be written",
                  message_file_name(path), facts->damage[0].offset, facts->damage[0].error.message);
    return false;
}

enum exit_code trace_argument_close_output(enum exit_code code)
{
    const bool failed = ferror(stdout) != 0;
    if (fclose(stdout) == 0 && !failed)
        return code;
    if (code == EXIT_CODE_OK || code == EXIT_CODE_PARTIAL)
        message_error("cannot write to standard output: %s", errno ? strerror(errno) : "write error");
    return code == EXIT_CODE_OK || code == EXIT_CODE_PARTIAL ? EXIT_CODE_FAILED : code;
}

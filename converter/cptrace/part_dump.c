#include "part_dump.h"

#include <errno.h>
#include <string.h>

#include "cli/message.h"
#include "cli/trace_argument.h"
#include "event_dump.h"

struct part {
    struct event_dump events;
    struct event_choice choice;
    bool with_events, damaged;
};

static enum cptrace_status visit_block(void *context, const struct cptrace_block *block, struct cptrace_error *error)
{
    struct part *const part = context;
    const enum cptrace_status status = event_dump_block(&part->events, block, part->with_events, &part->choice, error);
    part->damaged |= status == CPTRACE_CORRUPT;
    return status == CPTRACE_CORRUPT ? CPTRACE_OK : status;
}

static enum exit_code dump_blocks(struct part *part, const char *path, struct trace *trace)
{
    struct cptrace_error error = {0};
    const enum cptrace_status status = trace_visit_blocks(trace, visit_block, part, &error);
    json_writer_flush(part->events.out);
    if (status != CPTRACE_OK) {
        error.status = status;
        message_trace_error(path, &error);
        return exit_code_of(status);
    }
    const enum exit_code code = trace_argument_judge(path, trace);
    return code == EXIT_CODE_OK && part->damaged ? EXIT_CODE_PARTIAL : code;
}

enum exit_code part_dump(const char *path, const struct call_filter_request *request, bool with_events)
{
    struct trace *trace;
    struct call_filter filter;
    enum exit_code code = call_filter_open(path, request, &trace, &filter);
    if (code != EXIT_CODE_OK)
        return code;
    struct part part = {
        .events = {.out = json_writer_create(stdout), .definitions = trace_facts(trace)->definitions},
        .choice = {.trace = trace, .filter = &filter},
        .with_events = with_events,
    };
    if (part.events.out) {
        code = dump_blocks(&part, path, trace);
        call_filter_tell_reading(path, trace, code);
    } else {
        message_error("no memory");
        code = EXIT_CODE_FAILED;
    }
    json_writer_free(part.events.out);
    event_dump_free(&part.events);
    event_choice_free(&part.choice);
    call_filter_free(&filter);
    trace_close(trace);
    return code;
}

/* Blocks of events as lines of cptrace dump: the block, what was open before it, and its events. */
#ifndef CPTRACE_TOOL_EVENT_DUMP_H
#define CPTRACE_TOOL_EVENT_DUMP_H

#include "cptrace/reader.h"
#include "event_choice.h"
#include "json_writer.h"

struct event_dump {
    struct json_writer *out;
    const struct cptrace_definitions *definitions;
    struct cptrace_events decoded;
};

/* choice: which of its records; NULL: all. CORRUPT is told in the line of the block. NO_MEMORY: nothing was written. */
enum cptrace_status event_dump_block(struct event_dump *dump, const struct cptrace_block *block, bool with_events,
                                     struct event_choice *choice, struct cptrace_error *error);
void event_dump_free(struct event_dump *dump);

#endif

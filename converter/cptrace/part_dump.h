/* cptrace dump of a part of a trace: the blocks of events that it needs, and their records that it is about. */
#ifndef CPTRACE_TOOL_PART_DUMP_H
#define CPTRACE_TOOL_PART_DUMP_H

#include "call_filter.h"

enum exit_code part_dump(const char *path, const struct call_filter_request *request, bool with_events);

#endif

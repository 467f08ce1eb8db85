/* The tables of SPEC.md 4.2 as they fill up while a file is read. */
#ifndef CPTRACE_DEFINITIONS_READER_H
#define CPTRACE_DEFINITIONS_READER_H

#include "bytes.h"
#include "cptrace/reader.h"

struct definitions_reader {
    struct cptrace_string *strings;
    struct cptrace_file_definition *files;
    struct cptrace_function_definition *functions;
    struct cptrace_lane_definition *lanes;
    struct cptrace_task_definition *tasks;
    size_t string_count, file_count, function_count, lane_count, task_count;
    size_t string_capacity, file_capacity, function_capacity, lane_capacity, task_capacity;
    size_t lost_count; /* numbers of all tables that nothing defines */
    char **chunks;     /* the string bytes of each block; they never move */
    size_t chunk_count, chunk_capacity;
    struct cptrace_definitions published;
};

/* Takes in the body of one definitions block, wholly or not at all. lossy: blocks before are missing, so numbers may be, too. */
enum cptrace_status cptrace_definitions_read(struct definitions_reader *definitions, const struct cptrace_block *block, bool lossy,
                                             struct cptrace_error *error);
void cptrace_definitions_reader_free(struct definitions_reader *definitions);

#endif

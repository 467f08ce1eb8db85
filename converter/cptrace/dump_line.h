/* The lines of cptrace dump: an offset, what it is, and fields as name=value. */
#ifndef CPTRACE_TOOL_DUMP_LINE_H
#define CPTRACE_TOOL_DUMP_LINE_H

#include "cptrace/reader.h"
#include "json_writer.h"

void dump_begin_block(struct json_writer *out, const struct cptrace_block *block, const char *kind);
/* The number of the record in its block, after the block's offset. */
void dump_begin_record(struct json_writer *out, uint64_t offset, size_t index, const char *kind);
void dump_end_line(struct json_writer *out);

void dump_put_offset(struct json_writer *out, uint64_t offset);
void dump_put_word(struct json_writer *out, const char *word);
void dump_put_field(struct json_writer *out, const char *name, uint64_t value);
void dump_put_string(struct json_writer *out, const char *name, struct cptrace_string value);
void dump_put_optional(struct json_writer *out, const char *name, uint32_t number); /* nothing for CPTRACE_NO_NUMBER */
void dump_put_calibration(struct json_writer *out, const struct cptrace_calibration *point);

#endif

#include "dump_line.h"

#include <inttypes.h>

void dump_put_offset(struct json_writer *out, uint64_t offset)
{
    char text[24];
    json_raw(out, text, (size_t)snprintf(text, sizeof text, "%08" PRIx64, offset));
}

void dump_put_word(struct json_writer *out, const char *word)
{
    json_raw(out, " ", 1);
    json_text(out, word);
}

void dump_put_field(struct json_writer *out, const char *name, uint64_t value)
{
    dump_put_word(out, name);
    json_raw(out, "=", 1);
    json_uint(out, value);
}

void dump_put_string(struct json_writer *out, const char *name, struct cptrace_string value)
{
    dump_put_word(out, name);
    json_raw(out, "=", 1);
    json_string(out, value);
}

void dump_put_optional(struct json_writer *out, const char *name, uint32_t number)
{
    if (number != CPTRACE_NO_NUMBER)
        dump_put_field(out, name, number);
}

void dump_end_line(struct json_writer *out) { json_raw(out, "\n", 1); }

/* The number of the record in its block, after the block's offset. */
void dump_begin_record(struct json_writer *out, uint64_t offset, size_t index, const char *kind)
{
    dump_put_offset(out, offset);
    json_raw(out, "+", 1);
    json_uint(out, index);
    dump_put_word(out, kind);
}

void dump_put_calibration(struct json_writer *out, const struct cptrace_calibration *point)
{
    dump_put_field(out, "calibration_ticks", point->ticks);
    dump_put_field(out, "monotonic_ns", point->monotonic_ns);
    dump_put_field(out, "utc_ns", point->utc_ns);
}

void dump_begin_block(struct json_writer *out, const struct cptrace_block *block, const char *kind)
{
    dump_put_offset(out, block->offset);
    dump_put_word(out, "block");
    dump_put_field(out, "sequence", block->sequence);
    dump_put_field(out, "compressed_bytes", block->compressed_bytes);
    dump_put_field(out, "content_bytes", block->content_bytes);
    if (block->missing_before)
        dump_put_field(out, "missing_before", block->missing_before);
    dump_put_word(out, kind);
}

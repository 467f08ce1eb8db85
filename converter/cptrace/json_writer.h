/* Writes JSON text to a stream through one large buffer. Syntax is the caller's business: this writes values, and escapes strings. */
#ifndef CPTRACE_TOOL_JSON_WRITER_H
#define CPTRACE_TOOL_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cptrace/cptrace.h"

#define JSON_WRITER_CAPACITY (1u << 16)

struct json_writer {
    FILE *stream;
    size_t length;
    bool failed; /* sticky; errno was left by the stream */
    char buffer[JSON_WRITER_CAPACITY];
};

struct json_writer *json_writer_create(FILE *stream); /* NULL: no memory */
bool json_writer_flush(struct json_writer *writer);   /* false after any failure */
void json_writer_free(struct json_writer *writer);    /* NULL is fine; does not flush */

void json_raw(struct json_writer *writer, const char *bytes, size_t length);
void json_text(struct json_writer *writer, const char *text); /* raw, NUL-terminated */
void json_uint(struct json_writer *writer, uint64_t value);
void json_double(struct json_writer *writer, double value); /* null when it is no finite number */
/* Quoted and escaped. Bytes that are not UTF-8 become U+FFFD; an encoded surrogate becomes its \u escape, as Python's json reads it. */
void json_string(struct json_writer *writer, struct cptrace_string string);

/* The same into memory of the caller's: how many bytes it takes (at most 6 for each of the string's, and 2). */
size_t json_escape(char *to, struct cptrace_string string);

#endif

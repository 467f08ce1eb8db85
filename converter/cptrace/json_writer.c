#include "json_writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct json_writer *json_writer_create(FILE *stream)
{
    struct json_writer *writer = malloc(sizeof *writer);
    if (!writer)
        return NULL;
    writer->stream = stream;
    writer->length = 0;
    writer->failed = false;
    return writer;
}

bool json_writer_flush(struct json_writer *writer)
{
    if (writer->length > 0 && fwrite(writer->buffer, 1, writer->length, writer->stream) != writer->length)
        writer->failed = true;
    writer->length = 0;
    if (fflush(writer->stream) != 0)
        writer->failed = true;
    return !writer->failed;
}

void json_writer_free(struct json_writer *writer) { free(writer); }

void json_raw(struct json_writer *writer, const char *bytes, size_t length)
{
    while (length > JSON_WRITER_CAPACITY - writer->length) {
        const size_t part = JSON_WRITER_CAPACITY - writer->length;
        memcpy(writer->buffer + writer->length, bytes, part);
        if (fwrite(writer->buffer, 1, JSON_WRITER_CAPACITY, writer->stream) != JSON_WRITER_CAPACITY)
            writer->failed = true;
        writer->length = 0;
        bytes += part;
        length -= part;
    }
    memcpy(writer->buffer + writer->length, bytes, length);
    writer->length += length;
}

void json_text(struct json_writer *writer, const char *text) { json_raw(writer, text, strlen(text)); }

void json_uint(struct json_writer *writer, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    json_raw(writer, digits + at, sizeof digits - at);
}

/* As few digits as bring the same number back. */
void json_double(struct json_writer *writer, double value)
{
    char text[40] = "null";
    for (int digits = 15; isfinite(value) && digits <= 17; ++digits) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    json_text(writer, text);
}

static bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

/* The length of the well-formed sequence at s (RFC 3629, and surrogates besides), or 0. */
static size_t sequence_length(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        return left >= 2 && is_continuation(s[1]) ? 2 : 0;
    if (s[0] >= 0xE0 && s[0] <= 0xEF)
        return left >= 3 && is_continuation(s[1]) && is_continuation(s[2]) && (s[0] != 0xE0 || s[1] >= 0xA0) ? 3 : 0;
    if (s[0] >= 0xF0 && s[0] <= 0xF4 && left >= 4 && is_continuation(s[1]) && is_continuation(s[2]) && is_continuation(s[3]))
        return (s[0] != 0xF0 || s[1] >= 0x90) && (s[0] != 0xF4 || s[1] < 0x90) ? 4 : 0;
    return 0;
}

static size_t escape_unit(char *to, unsigned unit)
{
    static const char hex[] = "0123456789abcdef";
    const char escaped[] = {'\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};
    memcpy(to, escaped, sizeof escaped);
    return sizeof escaped;
}

static size_t escape_ascii(char *to, unsigned char c)
{
    static const char names[] = "\"\"\\\\b\bf\fn\nr\rt\t";
    if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
        to[0] = (char)c;
        return 1;
    }
    for (size_t i = 0; i + 1 < sizeof names; i += 2) {
        if ((unsigned char)names[i + 1] == c) {
            to[0] = '\\';
            to[1] = names[i];
            return 2;
        }
    }
    return escape_unit(to, c);
}

static size_t escape_sequence(char *to, const unsigned char *s, size_t length)
{
    if (length == 0)
        return escape_unit(to, 0xFFFD);
    if (length == 1)
        return escape_ascii(to, s[0]);
    if (length == 3 && s[0] == 0xED && s[1] >= 0xA0)
        return escape_unit(to, 0xD000u | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu));
    /* NEL, LS and PS end a line for some readers (Python's splitlines), which would cut NDJSON. */
    if (length == 2 && s[0] == 0xC2 && s[1] == 0x85)
        return escape_unit(to, 0x85);
    if (length == 3 && s[0] == 0xE2 && s[1] == 0x80 && (s[2] == 0xA8 || s[2] == 0xA9))
        return escape_unit(to, 0x2000u | (s[2] & 0x3Fu));
    memcpy(to, s, length);
    return length;
}

size_t json_escape(char *to, struct cptrace_string string)
{
    const unsigned char *s = (const unsigned char *)string.bytes;
    size_t length = 0;
    to[length++] = '"';
    for (size_t i = 0; i < string.length;) {
        const size_t sequence = sequence_length(s + i, string.length - i);
        length += escape_sequence(to + length, s + i, sequence);
        i += sequence ? sequence : 1;
    }
    to[length++] = '"';
    return length;
}

void json_string(struct json_writer *writer, struct cptrace_string string)
{
    char piece[6 * 256 + 2];
    json_raw(writer, "\"", 1);
    const unsigned char *s = (const unsigned char *)string.bytes;
    size_t length = 0;
    for (size_t i = 0; i < string.length;) {
        const size_t sequence = sequence_length(s + i, string.length - i);
        length += escape_sequence(piece + length, s + i, sequence);
        i += sequence ? sequence : 1;
        if (length > sizeof piece - 8) {
            json_raw(writer, piece, length);
            length = 0;
        }
    }
    json_raw(writer, piece, length);
    json_raw(writer, "\"", 1);
}

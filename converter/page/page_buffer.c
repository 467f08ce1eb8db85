#include "page/page_buffer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_FIRST_CAPACITY = 4096, REPLACEMENT = 0xFFFD };

void page_buffer_free(struct page_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct page_buffer){0};
}

bool page_buffer_reserve(struct page_buffer *buffer, size_t more)
{
    if (buffer->failed)
        return false;
    if (more <= buffer->capacity - buffer->length)
        return true;
    size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_FIRST_CAPACITY;
    while (capacity < SIZE_MAX / 2 && capacity - buffer->length < more)
        capacity *= 2;
    uint8_t *bytes = capacity - buffer->length < more ? NULL : realloc(buffer->bytes, capacity);
    if (!bytes) {
        buffer->failed = true;
        return false;
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

void page_buffer_append(struct page_buffer *buffer, const void *bytes, size_t length)
{
    if (length == 0 || !page_buffer_reserve(buffer, length))
        return;
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

void page_buffer_text(struct page_buffer *buffer, const char *text) { page_buffer_append(buffer, text, strlen(text)); }

void page_buffer_number(struct page_buffer *buffer, uint64_t number)
{
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%" PRIu64, number);
    page_buffer_append(buffer, digits, (size_t)length);
}

void page_buffer_varint_slow(struct page_buffer *buffer, uint64_t value)
{
    uint8_t bytes[10];
    size_t length = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[length++] = (uint8_t)(value | 0x80);
    bytes[length++] = (uint8_t)value;
    page_buffer_append(buffer, bytes, length);
}

/* One code point of UTF-8, by RFC 3629 (no overlong forms, no surrogates). Returns its length; 0 when the bytes are not UTF-8. */
static size_t decode_utf8(const uint8_t *bytes, size_t length, uint32_t *code)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t first = bytes[0];
    const size_t size = first < 0x80 ? 1 : first < 0xC0 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF8 ? 4 : 0;
    if (size == 0 || size > length)
        return 0;
    *code = size == 1 ? first : first & (0x7Fu >> size);
    for (size_t i = 1; i < size; ++i) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        *code = *code << 6 | (bytes[i] & 0x3Fu);
    }
    if (size > 1 && (*code < lowest[size] || *code > 0x10FFFF || (*code >= 0xD800 && *code <= 0xDFFF)))
        return 0;
    return size;
}

/* Characters that draw nothing or change the direction of what follows: a name could pass for another one. */
static bool is_invisible(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x061C || (code >= 0x200B && code <= 0x200F) ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x2069) || code == 0xFEFF;
}

static void append_format(struct page_buffer *buffer, const char *format, uint32_t code)
{
    char text[24];
    const int length = snprintf(text, sizeof text, format, code);
    page_buffer_append(buffer, text, (size_t)length);
}

static void append_json_code(struct page_buffer *buffer, uint32_t code, const uint8_t *bytes, size_t size)
{
    if (code == '"' || code == '\\')
        page_buffer_append(buffer, (const char[]){'\\', (char)code}, 2);
    else if (code < 0x20 || code == '<' || code == '>' || code == '&' || code == 0x7F || code == 0x2028 || code == 0x2029 ||
             code == REPLACEMENT)
        append_format(buffer, "\\u%04x", code);
    else
        page_buffer_append(buffer, bytes, size);
}

static void append_html_code(struct page_buffer *buffer, uint32_t code, const uint8_t *bytes, size_t size)
{
    if (code == '<' || code == '>' || code == '&' || code == '"' || code == '\'' || code == '`' || code == REPLACEMENT)
        append_format(buffer, "&#x%x;", code);
    else if (is_invisible(code))
        append_format(buffer, "&#x2039;U+%04X&#x203a;", code);
    else
        page_buffer_append(buffer, bytes, size);
}

static void append_escaped(struct page_buffer *buffer, struct cptrace_string text,
                           void (*append)(struct page_buffer *, uint32_t, const uint8_t *, size_t))
{
    const uint8_t *at = (const uint8_t *)text.bytes;
    for (size_t left = text.length; left > 0;) {
        uint32_t code;
        const size_t size = decode_utf8(at, left, &code);
        append(buffer, size ? code : REPLACEMENT, at, size);
        at += size ? size : 1;
        left -= size ? size : 1;
    }
}

void page_buffer_json(struct page_buffer *buffer, struct cptrace_string text)
{
    page_buffer_text(buffer, "\"");
    append_escaped(buffer, text, append_json_code);
    page_buffer_text(buffer, "\"");
}

void page_buffer_html(struct page_buffer *buffer, struct cptrace_string text) { append_escaped(buffer, text, append_html_code); }

struct cptrace_string page_string(const char *text) { return (struct cptrace_string){.bytes = text, .length = (uint32_t)strlen(text)}; }

/* Growing bytes: columns, JSON and HTML are built in these. Running out of memory is sticky: later writes do nothing, and the owner asks
 * `failed` once at the end. */
#ifndef PAGE_PAGE_BUFFER_H
#define PAGE_PAGE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cptrace/cptrace.h"

struct page_buffer {
    uint8_t *bytes;
    size_t length, capacity;
    bool failed;
};

void page_buffer_free(struct page_buffer *buffer);
bool page_buffer_reserve(struct page_buffer *buffer, size_t more);
void page_buffer_append(struct page_buffer *buffer, const void *bytes, size_t length);
void page_buffer_text(struct page_buffer *buffer, const char *text);
void page_buffer_number(struct page_buffer *buffer, uint64_t number); /* decimal */

void page_buffer_varint_slow(struct page_buffer *buffer, uint64_t value);

static inline void page_buffer_varint(struct page_buffer *buffer, uint64_t value)
{
    if (value < 0x80 && buffer->length < buffer->capacity)
        buffer->bytes[buffer->length++] = (uint8_t)value;
    else
        page_buffer_varint_slow(buffer, value);
}

static inline void page_buffer_zigzag(struct page_buffer *buffer, int64_t value)
{
    page_buffer_varint(buffer, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

/* Hostile text as a JSON string, quotes included. Safe inside <script>: <, >, &, U+2028 and U+2029 are escaped. Bytes that are not UTF-8
 * become U+FFFD. */
void page_buffer_json(struct page_buffer *buffer, struct cptrace_string text);

/* Hostile text as HTML text or quoted attribute value. Control and direction characters are shown as their code point. */
void page_buffer_html(struct page_buffer *buffer, struct cptrace_string text);

struct cptrace_string page_string(const char *text);

#endif

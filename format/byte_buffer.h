/* Bytes that grow at the end. Zero it first. */
#ifndef CPTRACE_BYTE_BUFFER_H
#define CPTRACE_BYTE_BUFFER_H

#include "bytes.h"

struct byte_buffer {
    uint8_t *bytes;
    size_t length, capacity;
};

/* Room for extra more bytes behind length; false when there is no memory (what it holds is unchanged). */
bool cptrace_buffer_reserve(struct byte_buffer *buffer, size_t extra);
bool cptrace_buffer_append(struct byte_buffer *buffer, const void *bytes, size_t length);
bool cptrace_buffer_varint(struct byte_buffer *buffer, uint64_t value);
/* How many of its bytes are kept: all, or those before a final "…" that keeps it under 64 KiB (SPEC.md 7). */
uint32_t cptrace_string_kept_bytes(struct cptrace_string string);
#define STRING_MAX_BYTES 65535u
#define ELLIPSIS "\xE2\x80\xA6"
#define ELLIPSIS_BYTES 3
/* The string as SPEC.md 1 has it; cut to under 64 KiB with a final "…" (SPEC.md 7). */
bool cptrace_buffer_string(struct byte_buffer *buffer, struct cptrace_string string);
void cptrace_buffer_free(struct byte_buffer *buffer);

/* Grows an array of element_bytes each to hold count elements; false when there is no memory. */
bool cptrace_array_reserve(void *array_pointer, size_t *capacity, size_t count, size_t element_bytes);

/* The same for an array that nothing is in: nothing is copied. When there is no memory, capacity is 0 and the array NULL. */
bool cptrace_array_renew(void *array_pointer, size_t *capacity, size_t count, size_t element_bytes);

#endif

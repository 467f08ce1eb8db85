#include "byte_buffer.h"

#include <stdlib.h>
#include <string.h>

static size_t grown_to(size_t capacity, size_t count)
{
    const size_t grown = capacity + capacity / 2 < 16 ? 16 : capacity + capacity / 2;
    return grown < count ? count : grown;
}

bool cptrace_array_reserve(void *array_pointer, size_t *capacity, size_t count, size_t element_bytes)
{
    if (count <= *capacity)
        return true;
    const size_t grown = grown_to(*capacity, count);
    if (grown > SIZE_MAX / element_bytes)
        return false;
    void *old;
    memcpy(&old, array_pointer, sizeof old);
    void *const moved = realloc(old, grown * element_bytes);
    if (!moved)
        return false;
    memcpy(array_pointer, &moved, sizeof moved);
    *capacity = grown;
    return true;
}

bool cptrace_array_renew(void *array_pointer, size_t *capacity, size_t count, size_t element_bytes)
{
    if (count <= *capacity)
        return true;
    const size_t grown = grown_to(*capacity, count);
    void *array;
    memcpy(&array, array_pointer, sizeof array);
    free(array);
    array = grown > SIZE_MAX / element_bytes ? NULL : malloc(grown * element_bytes);
    memcpy(array_pointer, &array, sizeof array);
    *capacity = array ? grown : 0;
    return array != NULL;
}

bool cptrace_buffer_reserve(struct byte_buffer *buffer, size_t extra)
{
    if (extra > SIZE_MAX - buffer->length)
        return false;
    if (buffer->length == 0)
        return cptrace_array_renew(&buffer->bytes, &buffer->capacity, extra, 1);
    return cptrace_array_reserve(&buffer->bytes, &buffer->capacity, buffer->length + extra, 1);
}

bool cptrace_buffer_append(struct byte_buffer *buffer, const void *bytes, size_t length)
{
    if (!cptrace_buffer_reserve(buffer, length))
        return false;
    if (length)
        memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
    return true;
}

bool cptrace_buffer_varint(struct byte_buffer *buffer, uint64_t value)
{
    if (!cptrace_buffer_reserve(buffer, VARINT_MAX_BYTES))
        return false;
    buffer->length = (size_t)(store_varint(buffer->bytes + buffer->length, value) - buffer->bytes);
    return true;
}

uint32_t cptrace_string_kept_bytes(struct cptrace_string string)
{
    if (string.length <= STRING_MAX_BYTES)
        return string.length;
    uint32_t kept = STRING_MAX_BYTES - ELLIPSIS_BYTES;
    while (kept > STRING_MAX_BYTES - ELLIPSIS_BYTES - 4 && ((uint8_t)string.bytes[kept] & 0xC0) == 0x80)
        kept--; /* not inside a UTF-8 sequence */
    return kept;
}

bool cptrace_buffer_string(struct byte_buffer *buffer, struct cptrace_string string)
{
    const uint32_t kept = cptrace_string_kept_bytes(string);
    if (kept == string.length)
        return cptrace_buffer_varint(buffer, kept) && cptrace_buffer_append(buffer, string.bytes, kept);
    return cptrace_buffer_varint(buffer, kept + ELLIPSIS_BYTES) && cptrace_buffer_append(buffer, string.bytes, kept) &&
           cptrace_buffer_append(buffer, ELLIPSIS, ELLIPSIS_BYTES);
}

void cptrace_buffer_free(struct byte_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct byte_buffer){0};
}

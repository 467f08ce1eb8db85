#include "pairs.h"

#include <stdlib.h>
#include <string.h>

/* A command line of more than this is cut rather than lost with the block. */
#define PAIRS_MAX_BYTES (32u << 20)

bool cptrace_pairs_encode(struct byte_buffer *out, const struct cptrace_pair *pairs, size_t count)
{
    size_t kept = 0;
    for (size_t bytes = 0; kept < count; kept++) {
        bytes += (size_t)pairs[kept].key.length + pairs[kept].value.length + 6;
        if (bytes > PAIRS_MAX_BYTES)
            break;
    }
    if (!cptrace_buffer_varint(out, kept))
        return false;
    for (size_t i = 0; i < kept; i++)
        if (!cptrace_buffer_string(out, pairs[i].key) || !cptrace_buffer_string(out, pairs[i].value))
            return false;
    return true;
}

enum pairs_result cptrace_pairs_decode(struct cursor *cursor, struct pair_list *list)
{
    const size_t total = cursor_left(cursor);
    char *const bytes = malloc(total ? total : 1);
    if (!bytes)
        return PAIRS_NO_MEMORY;
    memcpy(bytes, cursor->at, total);
    list->bytes = bytes;
    struct cursor copy = {(const uint8_t *)bytes, (const uint8_t *)bytes + total};

    uint64_t count;
    if (!cursor_varint(&copy, &count) || count > cursor_left(&copy) / 2)
        return PAIRS_CORRUPT;
    if (!cptrace_array_reserve(&list->pairs, &list->capacity, (size_t)count, sizeof *list->pairs))
        return PAIRS_NO_MEMORY;
    for (; list->count < count; list->count++) {
        struct cptrace_info_pair *const pair = &list->pairs[list->count];
        if (!cursor_string(&copy, &pair->key) || !cursor_string(&copy, &pair->value))
            return PAIRS_CORRUPT;
    }
    return cursor_left(&copy) == 0 ? PAIRS_OK : PAIRS_CORRUPT;
}

void cptrace_pairs_free(struct pair_list *list)
{
    free(list->pairs);
    free(list->bytes);
    *list = (struct pair_list){0};
}

/* Lists of key-value pairs, as in the info and end blocks; SPEC.md 4.1. */
#ifndef CPTRACE_PAIRS_H
#define CPTRACE_PAIRS_H

#include "byte_buffer.h"
#include "cptrace/reader.h"
#include "cptrace/writer.h"

/* Appends count and pairs. Pairs that no block could hold are left out. */
bool cptrace_pairs_encode(struct byte_buffer *out, const struct cptrace_pair *pairs, size_t count);

struct pair_list {
    struct cptrace_info_pair *pairs;
    size_t count, capacity;
    char *bytes; /* of all keys and values */
};

enum pairs_result { PAIRS_OK, PAIRS_CORRUPT, PAIRS_NO_MEMORY };

/* Reads up to the cursor's end into an empty list, copying the strings. */
enum pairs_result cptrace_pairs_decode(struct cursor *cursor, struct pair_list *list);
void cptrace_pairs_free(struct pair_list *list);

#endif

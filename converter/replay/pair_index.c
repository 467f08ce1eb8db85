#include "replay/pair_index.h"

#include <stdlib.h>
#include <string.h>

/* Any order does: by length first, so that few bytes are compared. */
static int compare_keys(struct cptrace_string a, struct cptrace_string b)
{
    if (a.length != b.length)
        return a.length < b.length ? -1 : 1;
    return a.length ? memcmp(a.bytes, b.bytes, a.length) : 0;
}

static int compare_pairs(const void *left, const void *right)
{
    const struct cptrace_info_pair *const a = *(const struct cptrace_info_pair *const *)left;
    const struct cptrace_info_pair *const b = *(const struct cptrace_info_pair *const *)right;
    const int order = compare_keys(a->key, b->key);
    return order ? order : (a > b) - (a < b);
}

bool pair_index_init(struct pair_index *index, const struct cptrace_info_pair *pairs, size_t count)
{
    *index = (struct pair_index){.pairs = malloc((count ? count : 1) * sizeof *index->pairs), .count = count};
    if (!index->pairs)
        return false;
    for (size_t i = 0; i < count; ++i)
        index->pairs[i] = &pairs[i];
    qsort(index->pairs, count, sizeof *index->pairs, compare_pairs);
    return true;
}

void pair_index_free(struct pair_index *index)
{
    free(index->pairs);
    *index = (struct pair_index){0};
}

/* The first pair whose key is not before the key (or, with after_equal, is behind it). */
static size_t find_bound(const struct pair_index *index, struct cptrace_string key, bool after_equal)
{
    size_t low = 0, high = index->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare_keys(index->pairs[middle]->key, key) < after_equal)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct cptrace_info_pair *const *pair_index_find(const struct pair_index *index, struct cptrace_string key, size_t *count)
{
    const size_t first = find_bound(index, key, false);
    *count = find_bound(index, key, true) - first;
    return index->count ? index->pairs + first : NULL;
}

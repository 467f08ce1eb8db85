#include "rewrite/process_pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROCESS_MAX 1000000000u

static bool reserve(void **array, size_t *capacity, size_t count, size_t element_bytes)
{
    if (count < *capacity)
        return true;
    const size_t grown = *capacity ? *capacity * 2 : 32;
    void *const moved = realloc(*array, grown * element_bytes);
    if (!moved)
        return false;
    *array = moved;
    *capacity = grown;
    return true;
}

static bool same_string(struct cptrace_string a, struct cptrace_string b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

/* A list, such as argv, is repeated as a whole: it means nothing in part. */
static bool first_says_it(const struct process_pairs *list, const struct cptrace_info_pair *pair, const struct pair_index *own)
{
    size_t first_count, own_count;
    const struct cptrace_info_pair *const *const said = pair_index_find(&list->first, pair->key, &first_count);
    pair_index_find(own, pair->key, &own_count);
    return first_count == 1 && own_count == 1 && same_string(said[0]->value, pair->value);
}

static bool own_key(struct process_pairs *list, size_t process, struct cptrace_string *key)
{
    void *keys = list->keys;
    if (!reserve(&keys, &list->key_capacity, list->key_count, sizeof *list->keys))
        return false;
    list->keys = keys;
    char *const text = malloc(key->length + 40);
    if (!text)
        return false;
    const int prefix_bytes = snprintf(text, 40, "process:%zu:", process);
    memcpy(text + prefix_bytes, key->bytes, key->length);
    list->keys[list->key_count++] = text;
    *key = (struct cptrace_string){text, key->length + (uint32_t)prefix_bytes};
    return true;
}

static bool append(struct process_pairs *list, struct cptrace_pair pair)
{
    void *pairs = list->pairs;
    if (!reserve(&pairs, &list->capacity, list->count, sizeof *list->pairs))
        return false;
    list->pairs = pairs;
    list->pairs[list->count++] = pair;
    return true;
}

bool process_pairs_keep(struct process_pairs *list, const struct cptrace_info_pair *pair)
{
    return append(list, (struct cptrace_pair){pair->key, pair->value});
}

bool process_pairs_begin(struct process_pairs *list, const struct cptrace_info_pair *pairs, size_t count)
{
    if (!pair_index_init(&list->first, pairs, count))
        return false;
    for (size_t i = 0; i < count; ++i) {
        if (!process_pairs_keep(list, &pairs[i]))
            return false;
    }
    return true;
}

static bool add_own(struct process_pairs *list, size_t process, const struct cptrace_info_pair *pairs, size_t count,
                    const struct pair_index *own)
{
    for (size_t i = 0; i < count; ++i) {
        struct cptrace_pair pair = {pairs[i].key, pairs[i].value};
        if (first_says_it(list, &pairs[i], own))
            continue;
        if (!own_key(list, process, &pair.key) || !append(list, pair))
            return false;
    }
    return true;
}

bool process_pairs_add(struct process_pairs *list, size_t process, const struct cptrace_info_pair *pairs, size_t count)
{
    struct pair_index own;
    if (!pair_index_init(&own, pairs, count))
        return false;
    const bool added = add_own(list, process, pairs, count, &own);
    pair_index_free(&own);
    return added;
}

/* 0 when the key is of no other process. */
static size_t process_of(struct cptrace_string key)
{
    static const char prefix[] = "process:";
    const size_t prefix_length = sizeof prefix - 1;
    size_t number = 0;
    if (key.length <= prefix_length || memcmp(key.bytes, prefix, prefix_length) != 0)
        return 0;
    for (size_t i = prefix_length; i < key.length && key.bytes[i] >= '0' && key.bytes[i] <= '9' && number < PROCESS_MAX; ++i)
        number = number * 10 + (size_t)(key.bytes[i] - '0');
    return number;
}

size_t process_pairs_next(const struct cptrace_info_pair *pairs, size_t count)
{
    size_t highest = 0;
    for (size_t i = 0; i < count; ++i) {
        const size_t number = process_of(pairs[i].key);
        highest = number > highest ? number : highest;
    }
    return highest + 1;
}

void process_pairs_free(struct process_pairs *list)
{
    for (size_t i = 0; i < list->key_count; ++i)
        free(list->keys[i]);
    free(list->keys);
    free(list->pairs);
    pair_index_free(&list->first);
    *list = (struct process_pairs){0};
}

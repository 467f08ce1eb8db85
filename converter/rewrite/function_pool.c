#include "rewrite/function_pool.h"

#include <stdlib.h>
#include <string.h>

struct pooled_function {
    struct cptrace_function function;
    uint64_t hash;
};

/* FNV-1a */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const uint8_t *const at = bytes;
    for (size_t i = 0; i < length; ++i)
        hash = (hash ^ at[i]) * 0x100000001B3u;
    return hash;
}

static uint64_t hash_string(uint64_t hash, struct cptrace_string string)
{
    return hash_bytes(hash_bytes(hash, &string.length, sizeof string.length), string.bytes, string.length);
}

static uint64_t hash_function(const struct cptrace_function *function)
{
    uint64_t hash = hash_string(0xCBF29CE484222325u, function->qualified_name);
    hash = hash_string(hash, function->module);
    hash = hash_bytes(hash, &function->file, sizeof function->file);
    hash = hash_bytes(hash, &function->line, sizeof function->line);
    return hash ^ hash >> 32;
}

static bool same_string(struct cptrace_string a, struct cptrace_string b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

static bool same_function(const struct cptrace_function *a, const struct cptrace_function *b)
{
    return a->file == b->file && a->line == b->line && a->category == b->category && a->flags == b->flags &&
           same_string(a->qualified_name, b->qualified_name) && same_string(a->module, b->module) && same_string(a->library, b->library);
}

/* The slot of the function, or the free one where it belongs. */
static uint32_t *find_slot(const struct function_pool *pool, const struct cptrace_function *function, uint64_t hash)
{
    size_t at = (size_t)hash & (pool->slot_count - 1);
    for (; pool->slots[at]; at = (at + 1) & (pool->slot_count - 1)) {
        const struct pooled_function *const there = &pool->functions[pool->slots[at] - 1];
        if (there->hash == hash && same_function(&there->function, function))
            break;
    }
    return &pool->slots[at];
}

static bool grow(struct function_pool *pool)
{
    const size_t capacity = pool->capacity ? pool->capacity * 2 : 256;
    struct pooled_function *const functions = realloc(pool->functions, capacity * sizeof *functions);
    if (!functions)
        return false;
    pool->functions = functions;
    uint32_t *const slots = calloc(capacity * 2, sizeof *slots);
    if (!slots)
        return false;
    free(pool->slots);
    pool->slots = slots;
    pool->slot_count = capacity * 2;
    pool->capacity = capacity;
    for (size_t i = 0; i < pool->count; ++i)
        *find_slot(pool, &functions[i].function, functions[i].hash) = (uint32_t)i + 1;
    return true;
}

uint32_t function_pool_number(struct function_pool *pool, struct cptrace_writer *writer, const struct cptrace_function *function)
{
    if (pool->count == pool->capacity && !grow(pool))
        return CPTRACE_NO_NUMBER;
    const uint64_t hash = hash_function(function);
    uint32_t *const slot = find_slot(pool, function, hash);
    if (*slot)
        return *slot - 1;
    const uint32_t number = cptrace_writer_define_function(writer, function);
    if (number == CPTRACE_NO_NUMBER)
        return CPTRACE_NO_NUMBER;
    pool->functions[pool->count++] = (struct pooled_function){*function, hash};
    *slot = number + 1;
    return number;
}

void function_pool_free(struct function_pool *pool)
{
    free(pool->functions);
    free(pool->slots);
    *pool = (struct function_pool){0};
}

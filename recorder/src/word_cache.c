#include "word_cache.h"

#include <errno.h>
#include <stdlib.h>

#include "platform.h"

struct rec_word_cache rec_no_words;

/* Of all threads; guarded by the mutex. */
static struct rec_word_cache *caches;
static struct rec_mutex *mutex;

int rec_word_caches_start(void)
{
    mutex = rec_mutex_create();
    return mutex ? 0 : ENOMEM;
}

struct rec_word_cache *rec_word_cache_new(void)
{
    struct rec_word_cache *const cache = calloc(1, sizeof *cache);
    if (!cache)
        return &rec_no_words;
    rec_mutex_lock(mutex);
    cache->next = caches;
    caches = cache;
    rec_mutex_unlock(mutex);
    return cache;
}

void rec_word_cache_free(struct rec_word_cache *cache)
{
    rec_mutex_lock(mutex);
    struct rec_word_cache **link = &caches;
    while (*link && *link != cache)
        link = &(*link)->next;
    const bool is_listed = *link != NULL;
    if (is_listed)
        *link = cache->next;
    rec_mutex_unlock(mutex);
    if (is_listed)
        free(cache);
}

void rec_word_cache_clear(struct rec_word_cache *cache)
{
    for (size_t i = 0; i < sizeof cache->words / sizeof *cache->words; i++)
        atomic_store_explicit(&cache->words[i].key, 0, memory_order_relaxed);
}

void rec_words_forget(const void *address)
{
    rec_mutex_lock(mutex);
    for (struct rec_word_cache *cache = caches; cache; cache = cache->next)
        atomic_store_explicit(&rec_word_place(cache, address)->key, 0, memory_order_relaxed);
    rec_mutex_unlock(mutex);
}

void rec_word_caches_forget_after_fork(struct rec_word_cache *own)
{
    mutex = rec_mutex_create();                 /* the old one may have been held */
    caches = own == &rec_no_words ? NULL : own; /* or none yet */
    if (caches)
        caches->next = NULL;
}

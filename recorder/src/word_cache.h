/* The words of what a thread records again and again, by the address of what is called: a code object, or what rec_callable_address
 * finds. From a word
 * that is found here the fast path knows what the event is of, that it is plain, and that the lane's ring explains it.
 *
 * An entry is that of one lane: the lanes of a thread differ in the upper 16 bits of the key, where addresses have none (other pointers to
 * the same place may, but not two places). Only the thread itself puts entries in; whoever frees what an address stands for takes them
 * out, on any thread. */
#ifndef REC_WORD_CACHE_H
#define REC_WORD_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define REC_WORD_LANE_SHIFT 48
#define REC_WORD_LANES_MAX UINT16_MAX
#define REC_WORD_CACHE_BITS 11

struct rec_known_word {
    _Atomic uint64_t key; /* rec_word_key; 0: none */
    uint64_t word;        /* rec_function_word, but for the op */
};

struct rec_word_cache {
    struct rec_known_word words[1 << REC_WORD_CACHE_BITS];
    struct rec_word_cache *next;
};

extern struct rec_word_cache rec_no_words; /* for whom there was no memory: nothing is ever put in */

int rec_word_caches_start(void);                 /* once per process: 0 or an errno value */
struct rec_word_cache *rec_word_cache_new(void); /* of the calling thread; rec_no_words when there is no memory */
void rec_word_cache_free(struct rec_word_cache *cache);
void rec_word_cache_clear(struct rec_word_cache *cache);
void rec_word_caches_forget_after_fork(struct rec_word_cache *own); /* those of the parent's other threads */

/* What stood at this address is no more. */
void rec_words_forget(const void *address);

/* So that a code object is never taken for a callable that was where it is now. */
enum rec_word_kind { REC_WORD_OF_CODE = 0, REC_WORD_OF_CALLABLE = 1 };

static inline struct rec_known_word *rec_word_place(struct rec_word_cache *cache, const void *address)
{
    return &cache->words[(uintptr_t)address * UINT64_C(0x9E3779B97F4A7C15) >> (64 - REC_WORD_CACHE_BITS)];
}

/* lane_key: of a lane of this thread. Addresses are even. */
static inline uint64_t rec_word_key(uint64_t lane_key, const void *address, enum rec_word_kind kind)
{
    return lane_key + (uintptr_t)address + kind;
}

static inline void rec_word_remember(struct rec_word_cache *cache, uint64_t key, const void *address, uint64_t word)
{
    struct rec_known_word *const place = rec_word_place(cache, address);
    if (cache == &rec_no_words)
        return;
    place->word = word;
    atomic_store_explicit(&place->key, key, memory_order_relaxed);
}

/* False: it is not known. */
static inline bool rec_word_find(struct rec_word_cache *cache, uint64_t key, const void *address, uint64_t *word)
{
    const struct rec_known_word *const place = rec_word_place(cache, address);
    *word = place->word;
    return atomic_load_explicit(&place->key, memory_order_relaxed) == key;
}

#endif

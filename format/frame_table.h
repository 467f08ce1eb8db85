/* What is known of generator and coroutine frames, by address: the activation of each, and the spans that are suspended with it. */
#ifndef CPTRACE_FRAME_TABLE_H
#define CPTRACE_FRAME_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a frame that has not ended. A later frame may reuse the address. */
struct frame_entry {
    uint64_t address; /* 0: free */
    uint32_t activation;
    uint32_t function;     /* of the file */
    uint32_t first_span;   /* place + 1 of the outermost span that is suspended with it; 0: none */
    uint32_t task_creator; /* activation + 1 that made the task which the frame, yet to be started, will run; 0: none */
    bool left_out;
};

struct suspended_span {
    uint32_t function;   /* of the file; CPTRACE_NO_NUMBER: a free place */
    uint32_t activation; /* CPTRACE_NO_NUMBER: left out */
    uint32_t next;       /* place + 1 of the next inner one, or of the next free place; 0: none */
    bool ending;         /* its end came; it only waits to be on top */
};

struct frame_table {
    struct frame_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    struct suspended_span *spans;
    size_t span_count, span_capacity;
    uint32_t free_span; /* place + 1 */
};

static inline size_t cptrace_frame_hash(uint64_t address) { return (size_t)((address >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20); }

static inline struct frame_entry *cptrace_frame_find(const struct frame_table *table, uint64_t address)
{
    if (table->capacity == 0)
        return NULL;
    const size_t mask = table->capacity - 1;
    for (size_t i = cptrace_frame_hash(address) & mask;; i = (i + 1) & mask) {
        struct frame_entry *const entry = &table->entries[i];
        if (entry->address == address)
            return entry;
        if (entry->address == 0)
            return NULL;
    }
}

/* Makes the entry for an address that has none. NULL: no memory. */
struct frame_entry *cptrace_frame_add(struct frame_table *table, uint64_t address);

/* The entry for an address, made if it is new; valid until the next put. NULL: no memory. */
static inline struct frame_entry *cptrace_frame_put(struct frame_table *table, uint64_t address)
{
    struct frame_entry *const found = cptrace_frame_find(table, address);
    return found ? found : cptrace_frame_add(table, address);
}

/* The frame has ended; entries move. */
void cptrace_frame_remove(struct frame_table *table, struct frame_entry *entry);
void cptrace_frame_table_free(struct frame_table *table);

/* Adds a span around those that the frame has already. false: no memory. */
bool cptrace_frame_add_span(struct frame_table *table, struct frame_entry *entry, struct suspended_span span);
/* Takes the outermost one; false when there is none. */
bool cptrace_frame_take_span(struct frame_table *table, struct frame_entry *entry, struct suspended_span *span);
/* The only suspended span of this function; NULL when there are several or none. */
struct suspended_span *cptrace_frame_only_span(const struct frame_table *table, uint32_t function);

#endif

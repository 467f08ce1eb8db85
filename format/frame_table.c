#include "frame_table.h"

#include <stdlib.h>

#include "byte_buffer.h"

static struct frame_entry *find_free(const struct frame_table *table, uint64_t address)
{
    size_t mask = table->capacity - 1;
    size_t i = cptrace_frame_hash(address) & mask;
    while (table->entries[i].address)
        i = (i + 1) & mask;
    return &table->entries[i];
}

static bool grow(struct frame_table *table)
{
    struct frame_table larger = *table;
    larger.capacity = table->capacity ? table->capacity * 2 : 256;
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (!larger.entries)
        return false;
    for (size_t old = 0; old < table->capacity; old++)
        if (table->entries[old].address)
            *find_free(&larger, table->entries[old].address) = table->entries[old];
    free(table->entries);
    *table = larger;
    return true;
}

struct frame_entry *cptrace_frame_add(struct frame_table *table, uint64_t address)
{
    if (table->count * 2 >= table->capacity && !grow(table))
        return NULL;
    struct frame_entry *entry = find_free(table, address);
    *entry = (struct frame_entry){.address = address, .activation = CPTRACE_NO_NUMBER};
    table->count++;
    return entry;
}

/* Moves back whatever a probe would not find past the hole. */
void cptrace_frame_remove(struct frame_table *table, struct frame_entry *entry)
{
    const size_t mask = table->capacity - 1;
    size_t hole = (size_t)(entry - table->entries);
    for (size_t i = (hole + 1) & mask; table->entries[i].address; i = (i + 1) & mask) {
        const size_t home = cptrace_frame_hash(table->entries[i].address) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->entries[hole] = table->entries[i];
            hole = i;
        }
    }
    table->entries[hole] = (struct frame_entry){0};
    table->count--;
}

void cptrace_frame_table_free(struct frame_table *table)
{
    free(table->entries);
    free(table->spans);
    *table = (struct frame_table){0};
}

/* Place + 1, or 0: no memory. */
static uint32_t take_place(struct frame_table *table)
{
    const uint32_t free_place = table->free_span;
    if (free_place) {
        table->free_span = table->spans[free_place - 1].next;
        return free_place;
    }
    if (table->span_count >= CPTRACE_NO_NUMBER - 1 ||
        !cptrace_array_reserve(&table->spans, &table->span_capacity, table->span_count + 1, sizeof *table->spans))
        return 0;
    return (uint32_t)++table->span_count;
}

bool cptrace_frame_add_span(struct frame_table *table, struct frame_entry *entry, struct suspended_span span)
{
    const uint32_t place = take_place(table);
    if (!place)
        return false;
    span.next = entry->first_span;
    table->spans[place - 1] = span;
    entry->first_span = place;
    return true;
}

bool cptrace_frame_take_span(struct frame_table *table, struct frame_entry *entry, struct suspended_span *span)
{
    const uint32_t place = entry->first_span;
    if (!place)
        return false;
    struct suspended_span *const taken = &table->spans[place - 1];
    *span = *taken;
    entry->first_span = taken->next;
    *taken = (struct suspended_span){.function = CPTRACE_NO_NUMBER, .next = table->free_span};
    table->free_span = place;
    return true;
}

struct suspended_span *cptrace_frame_only_span(const struct frame_table *table, uint32_t function)
{
    struct suspended_span *only = NULL;
    for (size_t i = 0; i < table->span_count; i++) {
        if (table->spans[i].function != function || table->spans[i].ending)
            continue;
        if (only)
            return NULL;
        only = &table->spans[i];
    }
    return only;
}

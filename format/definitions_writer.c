#include "definitions_writer.h"

#include <stdlib.h>
#include <string.h>

#include "definitions_reader.h"

#define FIRST_SLOT_COUNT 64
#define STRING_COMPARED_BYTES 65535u /* longer strings are cut when written; SPEC.md 7 */

bool cptrace_definitions_init(struct definitions_writer *definitions)
{
    *definitions = (struct definitions_writer){0};
    definitions->tables[TABLE_STRINGS].first = 1; /* number 0 is the empty string and is never written */
    definitions->slots = calloc(FIRST_SLOT_COUNT, sizeof *definitions->slots);
    if (!definitions->slots ||
        !cptrace_array_reserve(&definitions->strings, &definitions->string_capacity, 16, sizeof *definitions->strings))
        return false;
    definitions->slot_count = FIRST_SLOT_COUNT;
    definitions->strings[0] = (struct interned_string){0, 0, CPTRACE_NO_NUMBER};
    return true;
}

void cptrace_definitions_free(struct definitions_writer *definitions)
{
    for (int i = 0; i < TABLE_COUNT; i++)
        cptrace_buffer_free(&definitions->tables[i].entries);
    cptrace_buffer_free(&definitions->arena);
    cptrace_buffer_free(&definitions->body);
    free(definitions->strings);
    free(definitions->slots);
}

uint32_t cptrace_definitions_count(const struct definitions_writer *definitions, int table)
{
    return definitions->tables[table].first + definitions->tables[table].count;
}

size_t cptrace_definitions_pending_bytes(const struct definitions_writer *definitions)
{
    size_t bytes = 0;
    for (int i = 0; i < TABLE_COUNT; i++)
        bytes += definitions->tables[i].entries.length;
    return bytes;
}

/* FNV-1a: short keys, and nobody gains by collisions in the names of his own program. */
static uint64_t hash_string(struct cptrace_string string)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (uint32_t i = 0; i < string.length; i++)
        hash = (hash ^ (uint8_t)string.bytes[i]) * 0x100000001B3u;
    return hash ^ hash >> 32;
}

static struct cptrace_string interned(const struct definitions_writer *definitions, uint32_t number)
{
    const struct interned_string *const entry = &definitions->strings[number];
    return (struct cptrace_string){(const char *)definitions->arena.bytes + entry->offset, entry->length};
}

/* The slot of string, or the free one where it belongs. */
static uint32_t *find_slot(const struct definitions_writer *definitions, struct cptrace_string string)
{
    const size_t mask = definitions->slot_count - 1;
    for (size_t i = (size_t)hash_string(string) & mask;; i = (i + 1) & mask) {
        uint32_t *const slot = &definitions->slots[i];
        if (*slot == 0)
            return slot;
        const struct cptrace_string there = interned(definitions, *slot - 1);
        if (there.length == string.length && memcmp(there.bytes, string.bytes, string.length) == 0)
            return slot;
    }
}

static bool grow_slots(struct definitions_writer *definitions)
{
    const uint32_t string_count = cptrace_definitions_count(definitions, TABLE_STRINGS);
    if (string_count < definitions->slot_count / 2)
        return true;
    uint32_t *const slots = calloc(definitions->slot_count * 2, sizeof *slots);
    if (!slots)
        return false;
    free(definitions->slots);
    definitions->slots = slots;
    definitions->slot_count *= 2;
    for (uint32_t number = 1; number < string_count; number++)
        if (definitions->strings[number].length) /* what was lost has none */
            *find_slot(definitions, interned(definitions, number)) = number + 1;
    return true;
}

uint32_t cptrace_definitions_string(struct definitions_writer *definitions, struct cptrace_string string)
{
    if (string.length == 0)
        return 0;
    struct cptrace_string key = string;
    if (key.length > STRING_COMPARED_BYTES)
        key.length = STRING_COMPARED_BYTES + 1; /* so that the buffer cuts it */
    if (!grow_slots(definitions))
        return CPTRACE_NO_NUMBER;
    uint32_t *const slot = find_slot(definitions, key);
    if (*slot)
        return *slot - 1;

    struct pending_table *const table = &definitions->tables[TABLE_STRINGS];
    const uint32_t number = table->first + table->count;
    const size_t offset = definitions->arena.length, pending = table->entries.length;
    if (!cptrace_array_reserve(&definitions->strings, &definitions->string_capacity, number + 1, sizeof *definitions->strings) ||
        !cptrace_buffer_append(&definitions->arena, key.bytes, key.length) || !cptrace_buffer_string(&table->entries, key)) {
        definitions->arena.length = offset;
        table->entries.length = pending;
        return CPTRACE_NO_NUMBER;
    }
    definitions->strings[number] = (struct interned_string){offset, key.length, CPTRACE_NO_NUMBER};
    table->count++;
    *slot = number + 1;
    return number;
}

/* Room for one entry of at most five varints and two bytes; every field is stored without further checks. */
static uint8_t *entry_begin(struct pending_table *table)
{
    if (!cptrace_buffer_reserve(&table->entries, 6 * VARINT_MAX_BYTES + 2))
        return NULL;
    return table->entries.bytes + table->entries.length;
}

static uint32_t entry_end(struct pending_table *table, const uint8_t *at)
{
    table->entries.length = (size_t)(at - table->entries.bytes);
    return table->first + table->count++;
}

uint32_t cptrace_definitions_file(struct definitions_writer *definitions, struct cptrace_string path, uint64_t size_bytes,
                                  uint64_t mtime_ns)
{
    struct pending_table *const table = &definitions->tables[TABLE_FILES];
    const uint32_t name = cptrace_definitions_string(definitions, path);
    if (name == CPTRACE_NO_NUMBER)
        return CPTRACE_NO_NUMBER;
    if (definitions->strings[name].file != CPTRACE_NO_NUMBER)
        return definitions->strings[name].file;
    uint8_t *at = entry_begin(table);
    if (!at)
        return CPTRACE_NO_NUMBER;
    at = store_varint(at, name);
    at = store_varint(at, size_bytes);
    at = store_varint(at, mtime_ns);
    *at++ = 0; /* no hash taken */
    return definitions->strings[name].file = entry_end(table, at);
}

uint32_t cptrace_definitions_function(struct definitions_writer *definitions, const struct cptrace_function *function)
{
    struct pending_table *const table = &definitions->tables[TABLE_FUNCTIONS];
    const uint32_t name = cptrace_definitions_string(definitions, function->qualified_name);
    const uint32_t module = cptrace_definitions_string(definitions, function->module);
    const uint32_t library = cptrace_definitions_string(definitions, function->library);
    uint8_t *at = entry_begin(table);
    if (!at || name == CPTRACE_NO_NUMBER || module == CPTRACE_NO_NUMBER || library == CPTRACE_NO_NUMBER)
        return CPTRACE_NO_NUMBER;
    at = store_varint(at, name);
    at = store_varint(at, module);
    at = store_varint(at, library);
    at = store_varint(at, function->file == CPTRACE_NO_NUMBER ? 0 : function->file + UINT64_C(1));
    at = store_varint(at, function->line);
    *at++ = function->category;
    *at++ = function->flags;
    return entry_end(table, at);
}

uint32_t cptrace_definitions_lane(struct definitions_writer *definitions, uint64_t os_thread_id, struct cptrace_string name)
{
    struct pending_table *const table = &definitions->tables[TABLE_LANES];
    const uint32_t name_number = cptrace_definitions_string(definitions, name);
    uint8_t *at = entry_begin(table);
    if (!at || name_number == CPTRACE_NO_NUMBER)
        return CPTRACE_NO_NUMBER;
    *at++ = 1; /* an OS thread */
    at = store_varint(at, os_thread_id);
    at = store_varint(at, name_number);
    return entry_end(table, at);
}

uint32_t cptrace_definitions_task(struct definitions_writer *definitions, struct cptrace_string name, uint32_t root_activation,
                                  uint32_t creating_activation)
{
    struct pending_table *const table = &definitions->tables[TABLE_TASKS];
    const uint32_t name_number = cptrace_definitions_string(definitions, name);
    uint8_t *at = entry_begin(table);
    if (!at || name_number == CPTRACE_NO_NUMBER)
        return CPTRACE_NO_NUMBER;
    at = store_varint(at, name_number);
    at = store_varint(at, root_activation);
    at = store_varint(at, creating_activation == CPTRACE_NO_NUMBER ? 0 : creating_activation + UINT64_C(1));
    return entry_end(table, at);
}

const struct byte_buffer *cptrace_definitions_take(struct definitions_writer *definitions)
{
    struct byte_buffer *const body = &definitions->body;
    body->length = 0;
    for (int i = 0; i < TABLE_COUNT; i++) {
        const struct pending_table *const table = &definitions->tables[i];
        if (!cptrace_buffer_varint(body, table->first) || !cptrace_buffer_varint(body, table->count) ||
            !cptrace_buffer_append(body, table->entries.bytes, table->entries.length))
            return NULL;
    }
    for (int i = 0; i < TABLE_COUNT; i++) {
        struct pending_table *const table = &definitions->tables[i];
        table->first += table->count;
        table->count = 0;
        table->entries.length = 0;
    }
    return body;
}

/* ---- going on where another writer stopped ---- */

#define LOST_NUMBERS_MAX (1u << 20) /* SPEC.md 7 */

/* A string that the file has, as the next number. */
static bool remember_string(struct definitions_writer *definitions, struct cptrace_string string)
{
    struct pending_table *const table = &definitions->tables[TABLE_STRINGS];
    const uint32_t number = table->first;
    const size_t offset = definitions->arena.length;
    if (!grow_slots(definitions) ||
        !cptrace_array_reserve(&definitions->strings, &definitions->string_capacity, (size_t)number + 1, sizeof *definitions->strings) ||
        !cptrace_buffer_append(&definitions->arena, string.bytes, string.length))
        return false;
    definitions->strings[number] = (struct interned_string){offset, string.length, CPTRACE_NO_NUMBER};
    if (string.length)
        *find_slot(definitions, string) = number + 1;
    table->first++;
    return true;
}

bool cptrace_definitions_remember(struct definitions_writer *definitions, const struct definitions_reader *read)
{
    for (size_t i = 1; i < read->string_count; i++)
        if (!remember_string(definitions, read->strings[i]))
            return false;
    for (size_t i = 0; i < read->file_count; i++) {
        const uint32_t *const slot = read->files[i].path.length ? find_slot(definitions, read->files[i].path) : NULL;
        if (slot && *slot)
            definitions->strings[*slot - 1].file = (uint32_t)i;
    }
    definitions->tables[TABLE_FILES].first = (uint32_t)read->file_count;
    definitions->tables[TABLE_FUNCTIONS].first = (uint32_t)read->function_count;
    definitions->tables[TABLE_LANES].first = (uint32_t)read->lane_count;
    definitions->tables[TABLE_TASKS].first = (uint32_t)read->task_count;
    return true;
}

bool cptrace_definitions_go_on(struct definitions_writer *definitions, const uint32_t counts[TABLE_COUNT], bool *failed)
{
    for (int i = 0; i < TABLE_COUNT; i++) {
        const uint32_t known = definitions->tables[i].first;
        if (counts[i] < known || counts[i] - known > LOST_NUMBERS_MAX) {
            *failed = true;
            return true;
        }
    }
    while (definitions->tables[TABLE_STRINGS].first < counts[TABLE_STRINGS])
        if (!remember_string(definitions, (struct cptrace_string){"", 0}))
            return false;
    for (int i = TABLE_FILES; i < TABLE_COUNT; i++)
        definitions->tables[i].first = counts[i];
    return true;
}

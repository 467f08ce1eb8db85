/* Interns strings and files and collects the definitions of SPEC.md 4.2 until the next definitions block. */
#ifndef CPTRACE_DEFINITIONS_WRITER_H
#define CPTRACE_DEFINITIONS_WRITER_H

#include "byte_buffer.h"
#include "cptrace/writer.h"

/* The entries of one table that no block has yet. */
struct pending_table {
    struct byte_buffer entries;
    uint32_t first, count;
};

enum { TABLE_STRINGS, TABLE_FILES, TABLE_FUNCTIONS, TABLE_LANES, TABLE_TASKS, TABLE_COUNT };

struct interned_string {
    size_t offset; /* in the arena */
    uint32_t length;
    uint32_t file; /* the file of this path, or CPTRACE_NO_NUMBER */
};

struct definitions_writer {
    struct pending_table tables[TABLE_COUNT];
    struct byte_buffer arena;        /* bytes of all strings */
    struct interned_string *strings; /* by number; 0 is the empty string */
    size_t string_capacity;
    uint32_t *slots; /* open addressing: string number + 1, or 0 */
    size_t slot_count;
    struct byte_buffer body; /* scratch of take */
};

bool cptrace_definitions_init(struct definitions_writer *definitions);
void cptrace_definitions_free(struct definitions_writer *definitions);

/* Each returns the number, or CPTRACE_NO_NUMBER when there is no memory. */
uint32_t cptrace_definitions_string(struct definitions_writer *definitions, struct cptrace_string string);
uint32_t cptrace_definitions_file(struct definitions_writer *definitions, struct cptrace_string path, uint64_t size_bytes,
                                  uint64_t mtime_ns);
uint32_t cptrace_definitions_function(struct definitions_writer *definitions, const struct cptrace_function *function);
uint32_t cptrace_definitions_lane(struct definitions_writer *definitions, uint64_t os_thread_id, struct cptrace_string name);
uint32_t cptrace_definitions_task(struct definitions_writer *definitions, struct cptrace_string name, uint32_t root_activation,
                                  uint32_t creating_activation);

/* For a writer that goes on where another one stopped: what the file defines so far; and how many numbers of each table it has given out,
 * which are more when some of it was lost (*failed: that cannot be). false: no memory. */
struct definitions_reader;
bool cptrace_definitions_remember(struct definitions_writer *definitions, const struct definitions_reader *read);
bool cptrace_definitions_go_on(struct definitions_writer *definitions, const uint32_t counts[TABLE_COUNT], bool *failed);

/* How many there are of a table, pending or written. */
uint32_t cptrace_definitions_count(const struct definitions_writer *definitions, int table);
size_t cptrace_definitions_pending_bytes(const struct definitions_writer *definitions);

/* The body of a definitions block with all that is pending, which is then no longer so; NULL when there is no memory. */
const struct byte_buffer *cptrace_definitions_take(struct definitions_writer *definitions);

#endif

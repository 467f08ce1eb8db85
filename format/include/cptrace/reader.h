/* Reads .cptrace files: whole, cut, damaged or hostile. Nothing is trusted: every length is checked before use and no call needs more
 * than CPTRACE_CONTENT_MAX bytes per block beyond the definitions.
 *
 * Protocol: open → { next → (decode) }* until END or TRUNCATED → close. A damaged stretch is skipped and counted; next goes on
 * with the next valid block. */
#ifndef CPTRACE_READER_H
#define CPTRACE_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "cptrace/cptrace.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CPTRACE_CONTENT_MAX (64u << 20)

struct cptrace_reader;
struct cptrace_recovery;

/* A source of bytes: returns how many were read into buffer (0 at the end), or -errno. */
struct cptrace_source {
    int64_t (*read)(void *context, void *buffer, size_t capacity);
    void *context;
};

struct cptrace_header {
    uint16_t format_version;
    uint32_t file_id;
    uint8_t run_id[16];
    uint64_t ns_per_tick_q32;
    struct cptrace_calibration start;
};

enum cptrace_block_kind {
    CPTRACE_BLOCK_INFO = 1,
    CPTRACE_BLOCK_DEFINITIONS = 2,
    CPTRACE_BLOCK_EVENTS = 3,
    CPTRACE_BLOCK_END = 4,
};

/* One verified block; valid until the next call of next or close. */
struct cptrace_block {
    uint8_t kind;
    uint32_t sequence;
    uint64_t offset; /* of its frame in the file */
    uint64_t compressed_bytes;
    const uint8_t *content; /* decompressed, from its kind byte on */
    size_t content_bytes;
    uint32_t missing_before; /* blocks lost since the block before, by sequence */
    uint16_t format_version; /* of the file */
};

/* A decoded event: 16 bytes. value is the function for CALL, the activation for START, RESUME, REOPEN, the place in `annotations` for an
 * annotation; else 0. */
struct cptrace_event {
    uint64_t tick;
    uint32_t value;
    uint8_t op; /* enum cptrace_op or cptrace_annotation_kind; reserved annotations are skipped when decoding */
    uint8_t reserved[3];
};

/* What START and REOPEN say besides, in event order. */
struct cptrace_activation_start {
    uint32_t activation, function;
    uint64_t start_tick;
};

/* What an annotation says; which fields count depends on its kind. */
struct cptrace_annotation {
    union {
        uint64_t cpu_ns;        /* CPU */
        uint64_t omitted_count; /* OMITTED, OMITTED_OUTER */
        double value;           /* COUNTER */
    };
    union {
        uint64_t voluntary_switch_count; /* CPU */
        uint64_t omitted_ticks;          /* OMITTED, OMITTED_OUTER */
    };
    struct cptrace_string text; /* MARK, ARGUMENTS, COUNTER (its name); points into the block's content. Else empty */
    uint32_t levels;            /* OMITTED_OUTER: how far below the top call; at most as many as are open. Else 0 */
};

struct cptrace_open_call {
    uint32_t function;
    uint32_t activation; /* CPTRACE_NO_NUMBER: a plain call */
    uint64_t start_tick;
};

/* A decoded events block. The arrays are owned by the struct and reused by the next decode into it; zero it first. */
struct cptrace_events {
    uint32_t lane;
    uint64_t first_tick, last_tick;
    struct cptrace_calibration calibration;
    struct cptrace_open_call *open;
    size_t open_count, open_capacity;
    struct cptrace_event *events;
    size_t event_count, event_capacity;
    struct cptrace_activation_start *starts;
    size_t start_count, start_capacity;
    struct cptrace_annotation *annotations;
    size_t annotation_count, annotation_capacity;
    uint64_t *stack; /* of the decoder, while it works */
    size_t stack_capacity;
    struct cptrace_suspension *suspensions; /* the same */
    size_t suspension_capacity;
    uint8_t *deltas; /* the same: those that are coded in the block */
    size_t deltas_capacity;
    uint32_t function_limit; /* every function number in the block is smaller: compare once with function_count */
};

/* Definitions seen so far; indexes are file-wide numbers. A number lost by damage reads as a zeroed entry with empty strings. */
struct cptrace_file_definition {
    struct cptrace_string path;
    uint64_t size_bytes, mtime_ns;
};
struct cptrace_function_definition {
    struct cptrace_string qualified_name, module, library;
    uint32_t file; /* or CPTRACE_NO_NUMBER */
    uint32_t line;
    uint8_t category, flags;
    bool known;
};
struct cptrace_lane_definition {
    uint8_t kind;
    uint64_t os_thread_id;
    struct cptrace_string name;
};
struct cptrace_task_definition {
    struct cptrace_string name;
    uint32_t root_activation, creating_activation; /* CPTRACE_NO_NUMBER: none */
};
struct cptrace_definitions {
    const struct cptrace_file_definition *files;
    size_t file_count;
    const struct cptrace_function_definition *functions;
    size_t function_count;
    const struct cptrace_lane_definition *lanes;
    size_t lane_count;
    const struct cptrace_task_definition *tasks;
    size_t task_count;
};

/* A key-value pair of the info or end block. */
struct cptrace_info_pair {
    struct cptrace_string key, value;
};

/* One damaged stretch of the file. */
struct cptrace_damage {
    uint64_t offset, bytes;
    uint32_t blocks; /* lost, by sequence; 0 when unknown */
    struct cptrace_error error;
};

struct cptrace_end {
    bool present;
    struct cptrace_calibration calibration;
    uint64_t end_tick, event_count, call_count;
};

/* Opens path ("-" is not special here; of ring files and parts, see cptrace/recovery.h) or a source. The header is read and checked. On
 * failure returns a status, *reader is NULL. */
enum cptrace_status cptrace_reader_open(const char *path, struct cptrace_reader **reader, struct cptrace_error *error);
enum cptrace_status cptrace_reader_open_source(struct cptrace_source source, struct cptrace_reader **reader, struct cptrace_error *error);

/* What was opened, when it was not a trace but what a run left (cptrace/recovery.h), or NULL. Owned by the reader. */
const struct cptrace_recovery *cptrace_reader_recovery(const struct cptrace_reader *reader);

const struct cptrace_header *cptrace_reader_header(const struct cptrace_reader *reader);

/* OK with *block filled; END; TRUNCATED; IO_ERROR or NO_MEMORY. Info, definitions and end blocks are taken in by the reader on the way.
 * A block that does not parse (its checksum is right, but its body contradicts SPEC.md) is damage too. */
enum cptrace_status cptrace_reader_next(struct cptrace_reader *reader, struct cptrace_block *block, struct cptrace_error *error);

/* Decodes an events block: independent of the reader and of other blocks, safe to call from several threads on their own events.
 * CORRUPT with field and offset when the content contradicts SPEC.md 4.3; stack rules (empty pops) are checked. */
enum cptrace_status cptrace_events_decode(const struct cptrace_block *block, struct cptrace_events *events, struct cptrace_error *error);
void cptrace_events_free(struct cptrace_events *events);
/* Whether an events block holds an annotation of a kind: much faster than decoding it. */
bool cptrace_events_have(const struct cptrace_block *block, enum cptrace_annotation_kind kind);
/* How many calls it says were open before its first event: decoding takes 24 bytes for each. 0: none, or it is no valid block. */
uint32_t cptrace_events_open_count(const struct cptrace_block *block);

/* All that was read up to now; pointers are valid until the next call of next. */
const struct cptrace_definitions *cptrace_reader_definitions(const struct cptrace_reader *reader);
const struct cptrace_info_pair *cptrace_reader_info(const struct cptrace_reader *reader, size_t *count);
const struct cptrace_info_pair *cptrace_reader_end_info(const struct cptrace_reader *reader, size_t *count);
const struct cptrace_end *cptrace_reader_end(const struct cptrace_reader *reader);
const struct cptrace_damage *cptrace_reader_damage(const struct cptrace_reader *reader, size_t *count);
uint64_t cptrace_reader_bytes_read(const struct cptrace_reader *reader); /* how far it came: all of the file, after END */
bool cptrace_reader_has_index(const struct cptrace_reader *reader);      /* after END */

/* Random access, for files (not for sources that cannot seek): the table of every valid block that next has passed, in file order.
 * After END or TRUNCATED it is the whole file: a scan by next verified every byte once; survey may have verified only what it read. */
struct cptrace_block_entry {
    uint64_t offset, compressed_bytes;
    uint32_t sequence;
    uint32_t frame_crc32; /* of the compressed bytes */
    uint8_t kind;
    uint32_t lane; /* kind 3 only, like the rest */
    uint32_t event_count;
    uint64_t first_tick, last_tick;
    struct cptrace_calibration calibration;
    size_t functions_at, functions_bytes; /* the reader's; see cptrace_reader_block_mentions */
};
const struct cptrace_block_entry *cptrace_reader_blocks(const struct cptrace_reader *reader, size_t *count);

/* Learns all of that with as little reading as possible: call it right after opening, instead of next. From the index, when the file ends
 * with a valid one: then only the info, definitions and end blocks are read (each verified by its crc32 in the index and its checksum), and
 * events blocks wait for read_block, which verifies them. Else, or when the index and one of those blocks disagree, by next up to the end,
 * which decompresses every block. END or TRUNCATED as next has it in the end, or a failure. */
enum cptrace_status cptrace_reader_survey(struct cptrace_reader *reader, struct cptrace_error *error);

struct cptrace_reader_statistics {
    bool by_index;               /* survey found all in the index */
    uint64_t decompressed_count; /* blocks that next and survey decompressed; those of read_block are counted in its buffer */
};
struct cptrace_reader_statistics cptrace_reader_statistics(const struct cptrace_reader *reader);

/* Whether an events block mentions a function (as a call, a start, a reopen or an open call): so it does while such a call is on its lane's
 * stack. wanted: by function number, up to count. */
bool cptrace_reader_block_mentions(const struct cptrace_reader *reader, const struct cptrace_block_entry *entry, const bool *wanted,
                                   size_t count);

/* Whether a block that read_block returned is what its entry says: OK, or CORRUPT when the index told something else (SPEC.md 5: the block
 * is right), or NO_MEMORY. Of interest after a survey by index; safe to call from several threads. */
enum cptrace_status cptrace_reader_check_entry(const struct cptrace_reader *reader, const struct cptrace_block_entry *entry,
                                               const struct cptrace_block *block, struct cptrace_error *error);

/* Reads and verifies one block by its entry into a buffer of the caller's (zero it first, free it last), so that several threads may
 * read at once. *block points into the buffer. */
struct cptrace_block_buffer {
    uint8_t *compressed, *content;
    size_t compressed_capacity, content_capacity;
    void *decompressor;
    uint64_t decompressed_count; /* blocks that were read into it */
};
enum cptrace_status cptrace_reader_read_block(const struct cptrace_reader *reader, const struct cptrace_block_entry *entry,
                                              struct cptrace_block_buffer *buffer, struct cptrace_block *block,
                                              struct cptrace_error *error);
void cptrace_block_buffer_free(struct cptrace_block_buffer *buffer);

/* Records that a block which next returned did not decode, so that it counts as damage. */
void cptrace_reader_report_damage(struct cptrace_reader *reader, const struct cptrace_block *block, const struct cptrace_error *error);

/* Frees all; NULL is fine. */
void cptrace_reader_close(struct cptrace_reader *reader);

/* Ticks to time, SPEC.md 8: add points in any order (the header's first), then convert; monotonic, O(1) for rising ticks. */
struct cptrace_clock;
struct cptrace_clock *cptrace_clock_create(const struct cptrace_header *header);
enum cptrace_status cptrace_clock_add(struct cptrace_clock *clock, struct cptrace_calibration point);
uint64_t cptrace_clock_monotonic_ns(const struct cptrace_clock *clock, uint64_t tick);
uint64_t cptrace_clock_utc_ns(const struct cptrace_clock *clock, uint64_t tick);
void cptrace_clock_free(struct cptrace_clock *clock);

#ifdef __cplusplus
}
#endif
#endif

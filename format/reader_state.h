/* What reader.c, resync.c and index_reader.c share. */
#ifndef CPTRACE_READER_STATE_H
#define CPTRACE_READER_STATE_H

#include "block_reader.h"
#include "cptrace/reader.h"
#include "cptrace/recovery.h"
#include "definitions_reader.h"
#include "file.h"
#include "frame.h"
#include "function_set.h"
#include "input.h"
#include "pairs.h"

struct cptrace_reader {
    struct input input;
    struct cptrace_file *file; /* NULL for a source, or a leftover */
    struct cptrace_recovery *recovery;
    uint64_t recovery_offset; /* of the next sequential read */
    struct cptrace_header header;
    struct block_reader blocks;
    uint32_t next_sequence;
    struct definitions_reader definitions;
    uint64_t *lane_last_ticks; /* of the blocks so far, by lane */
    size_t lane_last_count, lane_last_capacity;
    struct pair_list info, end_info;
    struct cptrace_end end;
    bool has_index;
    int index_attempts;
    bool surveyed_by_index;
    struct function_set mentioned;    /* by the block that next is at */
    struct byte_buffer function_runs; /* of all entries */
    uint64_t event_count;

    struct cptrace_block_entry *entries;
    size_t entry_count, entry_capacity;
    struct cptrace_damage *damage;
    size_t damage_count, damage_capacity;
    bool lossy;              /* blocks before are missing */
    uint32_t missing_before; /* of them since the last block that next returned */

    enum cptrace_status final; /* END, TRUNCATED or a failure, once reached */
    struct cptrace_error final_error;
};

/* Notes a damaged stretch; a failure to do so is the reader's final status. */
void cptrace_reader_add_damage(struct cptrace_reader *reader, uint64_t offset, uint64_t bytes, uint32_t blocks,
                               const struct cptrace_error *error);

/* header_reader.c: reads and checks the header, and puts back one flipped bit. */
enum cptrace_status cptrace_reader_read_header(struct cptrace_reader *reader, struct cptrace_error *error);

/* resync.c: from bytes that are no valid block, moves on to the next frame that is one, to the index, or to the end. The stretch passed
 * is damage, for the reason given. TRUNCATED when reason is that the file ends inside a frame and nothing valid follows. */
enum cptrace_status cptrace_reader_resync(struct cptrace_reader *reader, const struct cptrace_error *reason, struct cptrace_error *error);

/* index_reader.c: reads the frame at the input's position. CORRUPT when it is no valid index; OK otherwise, with a disagreement as damage.
 */
enum cptrace_status cptrace_reader_read_index(struct cptrace_reader *reader, struct cptrace_error *error);
/* True when the window starts like an index frame; looks no further than its signature. */
bool cptrace_input_at_index(struct input *input);

/* The index frame, checked: signatures, sizes, crc32. */
enum cptrace_status cptrace_index_check_frame(const uint8_t *frame, size_t frame_bytes, uint64_t offset, struct cptrace_error *error);
#define INDEX_MIN_BYTES (SKIPPABLE_HEADER_BYTES + SIGNATURE_BYTES + INDEX_TRAILER_BYTES)
#define INDEX_MAX_BYTES (256u << 20)

/* Walks over the entries of an index. */
struct index_walk {
    struct cursor cursor;
    uint64_t previous_end, previous_first_tick;
    struct cptrace_calibration previous_calibration;
};
struct index_walk cptrace_index_walk(const uint8_t *frame, size_t frame_bytes, const struct cptrace_header *header);
/* False when it does not parse. functions: the runs of an events block. */
bool cptrace_index_next_entry(struct index_walk *walk, struct cptrace_block_entry *entry, struct cursor *functions);

/* reader.c: takes in the body of a verified block; cptrace_reader_add_functions puts the runs of an entry to those of all. */
enum cptrace_status cptrace_reader_take_body(struct cptrace_reader *reader, const struct cptrace_block *block,
                                             struct cptrace_block_entry *entry, struct cptrace_error *error);
bool cptrace_reader_add_functions(struct cptrace_reader *reader, struct cptrace_block_entry *entry, struct cursor functions);
/* The blocks of a lane follow each other in time: notes the last tick of one. CORRUPT when it begins before that of the block before. */
enum cptrace_status cptrace_reader_check_lane(struct cptrace_reader *reader, uint32_t lane, uint64_t first_tick, uint64_t last_tick,
                                              uint64_t offset, struct cptrace_error *error);

#endif

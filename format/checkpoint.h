/* Checkpoints: what writer and transcoder know between two rounds of draining, as bytes. With the file up to there, and the rings from
 * there on, they are all that a run has recorded, whenever its process dies (SPEC.md 10). For this version of the library only.
 *
 * Who owns a struct saves and restores it: writer_checkpoint.c, transcoder_checkpoint.c. Restoring trusts nothing. */
#ifndef CPTRACE_CHECKPOINT_H
#define CPTRACE_CHECKPOINT_H

#include "byte_buffer.h"
#include "cptrace/ring.h"
#include "reader_state.h"

/* Saving: room first, then stores without checks. */
static inline void checkpoint_u8(struct byte_buffer *to, uint8_t value) { to->bytes[to->length++] = value; }

static inline void checkpoint_u32(struct byte_buffer *to, uint32_t value)
{
    store_u32(to->bytes + to->length, value);
    to->length += 4;
}

static inline void checkpoint_u64(struct byte_buffer *to, uint64_t value)
{
    store_u64(to->bytes + to->length, value);
    to->length += 8;
}

/* Restoring: 0 once the bytes are used up, which `failed` remembers. */
struct checkpoint_cursor {
    struct cursor bytes;
    bool failed;
};

static inline uint64_t checkpoint_take(struct checkpoint_cursor *from, size_t width)
{
    if (cursor_left(&from->bytes) < width) {
        from->failed = true;
        return 0;
    }
    const uint8_t *const at = from->bytes.at;
    from->bytes.at += width;
    return width == 1 ? *at : width == 4 ? load_u32(at) : load_u64(at);
}

static inline uint8_t checkpoint_take_u8(struct checkpoint_cursor *from) { return (uint8_t)checkpoint_take(from, 1); }
static inline uint32_t checkpoint_take_u32(struct checkpoint_cursor *from) { return (uint32_t)checkpoint_take(from, 4); }
static inline uint64_t checkpoint_take_u64(struct checkpoint_cursor *from) { return checkpoint_take(from, 8); }

/* A number of entries that the bytes left can hold; 0 and failed otherwise. */
static inline size_t checkpoint_take_count(struct checkpoint_cursor *from, size_t entry_bytes)
{
    const uint64_t count = checkpoint_take_u64(from);
    if (count <= cursor_left(&from->bytes) / entry_bytes)
        return (size_t)count;
    from->failed = true;
    return 0;
}

/* Appends the state of a writer that was just flushed. false: no memory. */
bool cptrace_writer_save(const struct cptrace_writer *writer, struct byte_buffer *to);

/* Where a run was when it began, or at a checkpoint. */
struct writer_base {
    const struct cptrace_reader *scan;         /* of the file up to there: it has been read to its end */
    struct cptrace_sink sink;                  /* takes what comes after */
    struct cptrace_transcoder_options options; /* of the run */
    uint64_t calls_before;                     /* in the file, when there is no checkpoint that counts them */
};

/* A writer that goes on behind the base; a NULL cursor: without a checkpoint, as if nothing that is open in the base will ever go on. NULL
 * on failure: CORRUPT or NO_MEMORY in error. */
struct cptrace_writer *cptrace_writer_restore(const struct writer_base *base, struct checkpoint_cursor *from, uint64_t file_bytes,
                                              struct cptrace_error *error);

uint32_t cptrace_writer_function_count(const struct cptrace_writer *writer);
/* The latest event of all lanes, and the latest calibration point. */
uint64_t cptrace_writer_last_tick(const struct cptrace_writer *writer);
struct cptrace_calibration cptrace_writer_last_point(const struct cptrace_writer *writer);
/* The writer's lane of this number in the file, or NULL. */
struct cptrace_lane_writer *cptrace_writer_lane(const struct cptrace_writer *writer, uint32_t number);
uint32_t cptrace_lane_number(const struct cptrace_lane_writer *lane);

/* How many bytes of the file count at a checkpoint; false: it is none, or damaged. */
bool cptrace_checkpoint_file_bytes(const uint8_t *bytes, size_t length, uint64_t *file_bytes);

/* The transcoder and its writer as they were; in *writer the latter, which outlives the transcoder. NULL on failure. bytes NULL: as above.
 */
struct cptrace_transcoder *cptrace_transcoder_restore(const struct writer_base *base, const uint8_t *bytes, size_t length,
                                                      uint64_t file_bytes, struct cptrace_writer **writer, struct cptrace_error *error);

#endif

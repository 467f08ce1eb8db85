/* Damage and how to get past it; SPEC.md 6. */
#include <string.h>

#include "byte_buffer.h"
#include "error.h"
#include "frame.h"
#include "reader_state.h"

/* A hostile file could have a stretch every few bytes. */
#define DAMAGE_MAX 10000u

void cptrace_reader_add_damage(struct cptrace_reader *reader, uint64_t offset, uint64_t bytes, uint32_t blocks,
                               const struct cptrace_error *error)
{
    if (reader->damage_count == DAMAGE_MAX) {
        struct cptrace_damage *const last = &reader->damage[DAMAGE_MAX - 1];
        last->bytes += bytes;
        last->blocks += blocks;
        return;
    }
    if (!cptrace_array_reserve(&reader->damage, &reader->damage_capacity, reader->damage_count + 1, sizeof *reader->damage)) {
        reader->final = cptrace_error_no_memory(&reader->final_error, offset);
        return;
    }
    reader->damage[reader->damage_count++] = (struct cptrace_damage){offset, bytes, blocks, *error};
}

/* Moves to the next byte that may start a zstd frame or an index, past the present one. False at the end. */
static bool find_candidate(struct input *input)
{
    if (!cptrace_input_require(input, 1))
        return false;
    cptrace_input_take(input, 1);
    while (cptrace_input_require(input, 4)) {
        const uint8_t *const at = input_at(input), *const end = at + input_length(input) - 3;
        for (const uint8_t *candidate = at; candidate < end; candidate++) {
            if (candidate[0] != 0x28 && candidate[0] != 0x5D)
                continue;
            const uint32_t magic = load_u32(candidate);
            if (magic == MAGIC_BLOCK || magic == MAGIC_INDEX) {
                cptrace_input_take(input, (size_t)(candidate - at));
                return true;
            }
        }
        cptrace_input_take(input, (size_t)(end - at));
    }
    return false;
}

static bool failed(enum cptrace_status status) { return status == CPTRACE_IO_ERROR || status == CPTRACE_NO_MEMORY; }

/* OK when a block of this file, whole and verified, stands here. */
static enum cptrace_status try_block(struct cptrace_reader *reader, struct cptrace_error *error)
{
    struct frame_size size;
    struct cptrace_block block = {.offset = reader->input.offset};
    const enum cptrace_status status = cptrace_frame_measure(&reader->input, &size, error);
    if (status != CPTRACE_OK)
        return status;
    return cptrace_block_decompress(&reader->blocks, input_at(&reader->input), &size, &reader->header, &block, error);
}

enum cptrace_status cptrace_reader_resync(struct cptrace_reader *reader, const struct cptrace_error *reason, struct cptrace_error *error)
{
    struct input *const input = &reader->input;
    const uint64_t from = input->offset;
    bool found = false;
    while (!found && find_candidate(input)) {
        const enum cptrace_status status = cptrace_input_at_index(input) ? CPTRACE_OK : try_block(reader, error);
        if (failed(status))
            return status;
        found = status == CPTRACE_OK;
    }
    if (input->failure != CPTRACE_OK)
        return cptrace_input_error(input, error);
    if (!found)
        cptrace_input_take(input, input_length(input));
    if (!found && reason->status == CPTRACE_TRUNCATED) {
        if (error)
            *error = *reason;
        return CPTRACE_TRUNCATED;
    }
    cptrace_reader_add_damage(reader, from, input->offset - from, 0, reason);
    return CPTRACE_OK;
}

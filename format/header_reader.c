/* The header; SPEC.md 3. */
#include <string.h>

#include "crc32.h"
#include "error.h"
#include "frame.h"
#include "reader_state.h"

static enum cptrace_status check_header(const uint8_t *bytes, struct cptrace_error *error)
{
    if (load_u32(bytes) != MAGIC_HEADER || memcmp(bytes + 8, SIGNATURE, SIGNATURE_BYTES) != 0)
        return cptrace_error_set(error, CPTRACE_NOT_A_TRACE, 0, "header: no cptrace signature");
    if (load_u16(bytes + 16) > CPTRACE_FORMAT_VERSION)
        return cptrace_error_set(error, CPTRACE_NEWER_VERSION, 16, "format version: expected at most %d, found %u", CPTRACE_FORMAT_VERSION,
                                 load_u16(bytes + 16));
    if (load_u32(bytes + 76) != cptrace_crc32(0, bytes + 8, 68))
        return cptrace_error_set(error, CPTRACE_CORRUPT, 76, "header: crc32 does not match");
    if (load_u16(bytes + 16) == 0 || load_u32(bytes + 4) != HEADER_BYTES - SKIPPABLE_HEADER_BYTES)
        return cptrace_error_set(error, CPTRACE_CORRUPT, 4, "header: no such size or version");
    if (load_u16(bytes + 18) || load_u32(bytes + 72))
        return cptrace_error_set(error, CPTRACE_CORRUPT, 18, "header: reserved bytes are not zero");
    if (load_u32(bytes + 20) == 0 || load_u64(bytes + 40) == 0)
        return cptrace_error_set(error, CPTRACE_CORRUPT, 20, "header: file id and nanoseconds per tick must not be zero");
    return CPTRACE_OK;
}

/* The crc32 tells every single flipped bit from every other, so one that was flipped can be put back. */
static bool repair_header(uint8_t *bytes)
{
    for (unsigned bit = 0; bit < HEADER_BYTES * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (check_header(bytes, NULL) == CPTRACE_OK)
            return true;
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    return false;
}

static void parse_header(const uint8_t *bytes, struct cptrace_header *header)
{
    header->format_version = load_u16(bytes + 16);
    header->file_id = load_u32(bytes + 20);
    memcpy(header->run_id, bytes + 24, sizeof header->run_id);
    header->ns_per_tick_q32 = load_u64(bytes + 40);
    header->start = load_calibration(bytes + 48);
}

static enum cptrace_status short_header(struct input *input, struct cptrace_error *error)
{
    if (input->failure != CPTRACE_OK)
        return cptrace_input_error(input, error);
    const size_t length = input_length(input);
    if (length < 16 || load_u32(input_at(input)) != MAGIC_HEADER || memcmp(input_at(input) + 8, SIGNATURE, SIGNATURE_BYTES) != 0)
        return cptrace_error_set(error, CPTRACE_NOT_A_TRACE, 0, "header: no cptrace signature");
    return cptrace_error_set(error, CPTRACE_TRUNCATED, length, "header: expected %d bytes, found %zu", HEADER_BYTES, length);
}

enum cptrace_status cptrace_reader_read_header(struct cptrace_reader *reader, struct cptrace_error *error)
{
    struct input *const input = &reader->input;
    struct cptrace_error damage;
    if (!cptrace_input_require(input, HEADER_BYTES))
        return short_header(input, error);
    uint8_t bytes[HEADER_BYTES];
    memcpy(bytes, input_at(input), sizeof bytes);
    const enum cptrace_status status = check_header(bytes, &damage);
    if (status != CPTRACE_OK) {
        if (!repair_header(bytes)) {
            if (error)
                *error = damage;
            return status;
        }
        cptrace_error_set(&damage, CPTRACE_CORRUPT, 0, "header: a flipped bit was put back");
        cptrace_reader_add_damage(reader, 0, HEADER_BYTES, 0, &damage);
    }
    parse_header(bytes, &reader->header);
    cptrace_input_take(input, HEADER_BYTES);
    return CPTRACE_OK;
}

/* A window that slides over a source: bytes are looked at before they are taken. */
#ifndef CPTRACE_INPUT_H
#define CPTRACE_INPUT_H

#include "bytes.h"
#include "cptrace/reader.h"

struct input {
    struct cptrace_source source;
    uint8_t *bytes;
    size_t begin, end, capacity;
    uint64_t offset;             /* in the file, of bytes[begin] */
    bool at_end;                 /* the source has no more */
    enum cptrace_status failure; /* IO_ERROR or NO_MEMORY, sticky */
    int error_number;
};

static inline const uint8_t *input_at(const struct input *input) { return input->bytes + input->begin; }

static inline size_t input_length(const struct input *input) { return input->end - input->begin; }

/* True when at least length bytes are in the window; false at the end of the source or after a failure. */
bool cptrace_input_require(struct input *input, size_t length);
void cptrace_input_take(struct input *input, size_t length);
/* Says what failed. */
enum cptrace_status cptrace_input_error(const struct input *input, struct cptrace_error *error);

#endif

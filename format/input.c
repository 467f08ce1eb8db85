#include "input.h"

#include <stdlib.h>
#include <string.h>

#include "byte_buffer.h"
#include "error.h"

#define READ_BYTES ((size_t)256 << 10)

static bool fail(struct input *input, enum cptrace_status status, int error_number)
{
    input->failure = status;
    input->error_number = error_number;
    return false;
}

/* Room for one read behind what is there; what was taken makes way first. */
static bool make_room(struct input *input)
{
    if (input->capacity - input->end >= READ_BYTES)
        return true;
    if (input->begin > 0) {
        memmove(input->bytes, input->bytes + input->begin, input_length(input));
        input->end -= input->begin;
        input->begin = 0;
    }
    return cptrace_array_reserve(&input->bytes, &input->capacity, input->end + READ_BYTES, 1);
}

bool cptrace_input_require(struct input *input, size_t length)
{
    while (input_length(input) < length) {
        if (input->at_end || input->failure != CPTRACE_OK)
            return false;
        if (!make_room(input))
            return fail(input, CPTRACE_NO_MEMORY, 0);
        const int64_t count = input->source.read(input->source.context, input->bytes + input->end, input->capacity - input->end);
        if (count < 0)
            return fail(input, CPTRACE_IO_ERROR, (int)-count);
        input->at_end = count == 0;
        input->end += (size_t)count;
    }
    return true;
}

void cptrace_input_take(struct input *input, size_t length)
{
    input->begin += length;
    input->offset += length;
}

enum cptrace_status cptrace_input_error(const struct input *input, struct cptrace_error *error)
{
    const uint64_t offset = input->offset + input_length(input);
    if (input->failure == CPTRACE_NO_MEMORY)
        return cptrace_error_no_memory(error, offset);
    return cptrace_error_system(error, offset, "read", input->error_number);
}

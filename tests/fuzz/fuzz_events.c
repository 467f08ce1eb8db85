/* The content of an events block, as it comes out of zstd. What decodes must keep its own promises. */
#include <stdlib.h>

#include "cptrace/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* Every byte, so that a sanitizer sees what points nowhere. */
static int touch(struct cptrace_string text)
{
    int sum = 0;
    for (uint32_t i = 0; i < text.length; i++)
        sum |= (unsigned char)text.bytes[i];
    return sum;
}

static void check_promises(const struct cptrace_events *events)
{
    uint64_t tick = events->first_tick;
    size_t depth = events->open_count, starts = 0, annotations = 0;
    for (size_t i = 0; i < events->event_count; i++) {
        const struct cptrace_event *const event = &events->events[i];
        require(event->tick >= tick && event->tick <= events->last_tick);
        tick = event->tick;
        switch (event->op) {
        case CPTRACE_OP_CALL:
            require(event->value < events->function_limit);
            depth++;
            break;
        case CPTRACE_OP_START:
        case CPTRACE_OP_REOPEN:
            require(events->starts[starts++].activation == event->value);
            depth++;
            break;
        case CPTRACE_OP_RESUME:
            depth++;
            break;
        case CPTRACE_OP_THROW:
            require(depth > 0);
            break;
        case CPTRACE_ANNOTATION_CPU:
        case CPTRACE_ANNOTATION_MARK:
        case CPTRACE_ANNOTATION_COUNTER:
        case CPTRACE_ANNOTATION_ARGUMENTS:
        case CPTRACE_ANNOTATION_OMITTED:
        case CPTRACE_ANNOTATION_OMITTED_OUTER:
            require(event->value == annotations++);
            require(touch(events->annotations[event->value].text) >= 0);
            break;
        default:
            require(event->op <= CPTRACE_OP_SUSPEND && depth-- > 0);
        }
    }
    require(starts == events->start_count && annotations == events->annotation_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cptrace_events events;
    struct cptrace_error error;
    /* A reserved byte of the block's header, which the decoder does not look at, chooses the version. */
    const uint16_t version = size < 2 || (data[1] & 3) == 0 ? CPTRACE_FORMAT_VERSION : data[1] & 1 ? 1 : 2;
    const struct cptrace_block block = {.kind = CPTRACE_BLOCK_EVENTS, .content = data, .content_bytes = size, .format_version = version};
    if (size > 0 && cptrace_events_decode(&block, &events, &error) == CPTRACE_OK)
        check_promises(&events);
    return 0;
}

/* The annotations of a lane; SPEC.md 4.3. */
#include <string.h>

#include "cptrace/writer.h"
#include "writer_state.h"

#define COUNTER_VALUE_BYTES 8

static uint8_t *store_text(uint8_t *to, struct cptrace_string text, uint32_t kept)
{
    if (kept)
        memcpy(to, text.bytes, kept);
    if (kept == text.length)
        return to + kept;
    memcpy(to + kept, ELLIPSIS, ELLIPSIS_BYTES);
    return to + kept + ELLIPSIS_BYTES;
}

/* A payload of fixed bytes, then text. */
static void annotate(struct cptrace_lane_writer *lane, uint64_t tick, enum cptrace_annotation_kind kind, const uint8_t *fixed,
                     size_t fixed_bytes, struct cptrace_string text)
{
    const uint32_t kept = cptrace_string_kept_bytes(text);
    const size_t payload_bytes = fixed_bytes + kept + (kept == text.length ? 0 : ELLIPSIS_BYTES);
    uint8_t *at = cptrace_lane_begin_annotation(lane, tick, kind, payload_bytes);
    if (!at)
        return;
    at = store_varint(at, payload_bytes);
    memcpy(at, fixed, fixed_bytes);
    cptrace_lane_end_annotation(lane, store_text(at + fixed_bytes, text, kept));
}

static uint64_t below_2_63(uint64_t value) { return value > INT64_MAX ? INT64_MAX : value; }

void cptrace_lane_cpu(struct cptrace_lane_writer *lane, uint64_t tick, uint64_t cpu_ns, uint64_t voluntary_switch_count)
{
    cpu_ns = below_2_63(cpu_ns);
    voluntary_switch_count = below_2_63(voluntary_switch_count);
    uint8_t payload[2 * VARINT_MAX_BYTES];
    uint8_t *const to = cptrace_lane_begin_annotation(lane, tick, CPTRACE_ANNOTATION_CPU, sizeof payload);
    if (!to)
        return;
    uint8_t *at = store_varint(payload, zigzag((int64_t)(cpu_ns - lane->previous_cpu_ns)));
    at = store_varint(at, zigzag((int64_t)(voluntary_switch_count - lane->previous_switch_count)));
    lane->previous_cpu_ns = cpu_ns;
    lane->previous_switch_count = voluntary_switch_count;
    const size_t length = (size_t)(at - payload);
    *to = (uint8_t)length;
    memcpy(to + 1, payload, length);
    cptrace_lane_end_annotation(lane, to + 1 + length);
}

void cptrace_lane_mark(struct cptrace_lane_writer *lane, uint64_t tick, struct cptrace_string text)
{
    annotate(lane, tick, CPTRACE_ANNOTATION_MARK, (const uint8_t *)"", 0, text);
}

void cptrace_lane_counter(struct cptrace_lane_writer *lane, uint64_t tick, double value, struct cptrace_string name)
{
    uint64_t bits;
    uint8_t fixed[COUNTER_VALUE_BYTES];
    memcpy(&bits, &value, sizeof bits);
    store_u64(fixed, bits);
    annotate(lane, tick, CPTRACE_ANNOTATION_COUNTER, fixed, sizeof fixed, name);
}

void cptrace_lane_arguments(struct cptrace_lane_writer *lane, uint64_t tick, struct cptrace_string text)
{
    if (lane->depth)
        annotate(lane, tick, CPTRACE_ANNOTATION_ARGUMENTS, (const uint8_t *)"", 0, text);
}

void cptrace_lane_omitted(struct cptrace_lane_writer *lane, uint64_t tick, uint64_t count, uint64_t ticks)
{
    uint8_t fixed[2 * VARINT_MAX_BYTES];
    const uint8_t *const end = store_varint(store_varint(fixed, count), ticks);
    annotate(lane, tick, CPTRACE_ANNOTATION_OMITTED, fixed, (size_t)(end - fixed), (struct cptrace_string){"", 0});
}

void cptrace_lane_omitted_outer(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t levels, uint64_t count, uint64_t ticks)
{
    if (levels == 0 || levels > lane->depth)
        return;
    uint8_t fixed[3 * VARINT_MAX_BYTES];
    const uint8_t *const end = store_varint(store_varint(store_varint(fixed, levels), count), ticks);
    annotate(lane, tick, CPTRACE_ANNOTATION_OMITTED_OUTER, fixed, (size_t)(end - fixed), (struct cptrace_string){"", 0});
}

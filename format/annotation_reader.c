#include "annotation_reader.h"

#include <string.h>

#define COUNTER_VALUE_BYTES 8

/* Both fields are below 2^63: a sum that is not, or is negative, shows as its highest bit. */
static bool add_difference(struct cursor *cursor, uint64_t *value)
{
    uint64_t difference;
    if (!cursor_varint(cursor, &difference))
        return false;
    *value += (uint64_t)unzigzag(difference);
    return *value <= INT64_MAX;
}

static bool parse_cpu(struct cursor *cursor, struct cpu_base *base, struct cptrace_annotation *annotation)
{
    if (!add_difference(cursor, &base->cpu_ns) || !add_difference(cursor, &base->voluntary_switch_count))
        return false;
    annotation->cpu_ns = base->cpu_ns;
    annotation->voluntary_switch_count = base->voluntary_switch_count;
    return true;
}

static bool parse_counter(struct cursor *cursor, struct cptrace_annotation *annotation)
{
    if (cursor_left(cursor) < COUNTER_VALUE_BYTES)
        return false;
    const uint64_t bits = load_u64(cursor->at);
    memcpy(&annotation->value, &bits, sizeof bits);
    cursor->at += COUNTER_VALUE_BYTES;
    return true;
}

static bool parse_omitted(struct cursor *cursor, struct cptrace_annotation *annotation)
{
    return cursor_varint(cursor, &annotation->omitted_count) && cursor_varint(cursor, &annotation->omitted_ticks);
}

static void take_rest(struct cursor *cursor, struct cptrace_string *text)
{
    *text = (struct cptrace_string){(const char *)cursor->at, (uint32_t)cursor_left(cursor)};
    cursor->at = cursor->end;
}

bool cptrace_annotation_parse(enum cptrace_annotation_kind kind, struct cptrace_string payload, struct cpu_base *base,
                              struct cptrace_annotation *annotation)
{
    const uint8_t *const bytes = (const uint8_t *)payload.bytes;
    struct cursor cursor = {bytes, bytes + payload.length};
    *annotation = (struct cptrace_annotation){.text = {"", 0}};
    bool whole = true;
    if (kind == CPTRACE_ANNOTATION_CPU)
        whole = parse_cpu(&cursor, base, annotation);
    else if (kind == CPTRACE_ANNOTATION_OMITTED)
        whole = parse_omitted(&cursor, annotation);
    else if (kind == CPTRACE_ANNOTATION_OMITTED_OUTER)
        whole = cursor_varint_u32(&cursor, &annotation->levels) && parse_omitted(&cursor, annotation);
    else if (kind == CPTRACE_ANNOTATION_COUNTER)
        whole = parse_counter(&cursor, annotation);
    if (whole && kind >= CPTRACE_ANNOTATION_MARK && kind <= CPTRACE_ANNOTATION_ARGUMENTS)
        take_rest(&cursor, &annotation->text);
    return whole && cursor_left(&cursor) == 0;
}

/* The payload of one annotation, parsed and checked; SPEC.md 4.3. */
#ifndef CPTRACE_ANNOTATION_READER_H
#define CPTRACE_ANNOTATION_READER_H

#include "bytes.h"
#include "cptrace/reader.h"

/* The cpu annotation before, which the next one is a difference to. Zero it for each block. */
struct cpu_base {
    uint64_t cpu_ns, voluntary_switch_count;
};

/* False when the payload is not exactly what the kind asks for. */
bool cptrace_annotation_parse(enum cptrace_annotation_kind kind, struct cptrace_string payload, struct cpu_base *base,
                              struct cptrace_annotation *annotation);

#endif

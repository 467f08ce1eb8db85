/* What a killed process leaves, made by hand: a ring file and a part in a folder of its own. */
#ifndef CPTRACE_TESTS_RING_FILE_BENCH_H
#define CPTRACE_TESTS_RING_FILE_BENCH_H

#include "cptrace/ring.h"
#include "cptrace/ring_file.h"
#include "memory_file.h"

#define LEFT_TRACE "run_20260211_153520.cptrace"

struct left_files {
    char folder[64];
    char ring_path[128], part_path[128], trace_path[128];
};

/* A new folder. */
void make_folder(struct left_files *files);
void remove_folder(struct left_files *files);

struct left_run {
    const struct memory_file *trace; /* the first part_bytes or spool_bytes of it are written */
    uint64_t written_bytes, begun_bytes;
    bool spooled;
    const uint8_t *checkpoint; /* NULL: none */
    size_t checkpoint_bytes;
    struct cptrace_ring *const *rings;
    size_t ring_count;
    struct cptrace_transcoder_options options;
};

void leave_run(const struct left_files *files, const struct left_run *run);
void write_bytes(const char *path, const void *bytes, size_t length);
uint8_t *read_bytes(const char *path, size_t *length); /* freed by the caller */

#endif

/* A file in memory, as sink of a writer and source of a reader; its sink fails when told to. */
#ifndef CPTRACE_TESTS_MEMORY_FILE_H
#define CPTRACE_TESTS_MEMORY_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "cptrace/reader.h"
#include "cptrace/writer.h"

struct memory_file {
    uint8_t *bytes;
    size_t length, capacity;
    size_t position;       /* of the next read */
    size_t read_max_bytes; /* a read returns no more; 0: no limit */
    int appends_left;      /* then append fails with ENOSPC after half of the bytes; negative: never */
    int appends_done;
};

struct cptrace_sink memory_sink(struct memory_file *file);
struct cptrace_source memory_source(struct memory_file *file); /* from the start */
void memory_file_free(struct memory_file *file);

/* A writer with fixed ids, ticks of 4 ns from 1000 on. */
struct cptrace_writer *memory_writer(struct memory_file *file, uint32_t block_event_count);
struct cptrace_string text(const char *string);

/* Defines function number 0, 1, 2 … count - 1, named f0, f1, f2 …, in one file. */
void define_functions(struct cptrace_writer *writer, uint32_t count);

/* What reading a file to its end told. */
struct reading {
    enum cptrace_status open_status, final_status;
    size_t damage_count, block_count, info_count;
    uint64_t event_count; /* of the blocks that decoded */
    uint32_t decode_failures;
    struct cptrace_error error;  /* of the final status, or of the last decode failure */
    struct cptrace_error damage; /* the first */
    bool has_index;
};
struct reading read_everything(struct memory_file *file);

#endif

/* Rings in plain memory, with their transcoder and the file that it writes to. */
#ifndef CPTRACE_TESTS_RING_BENCH_H
#define CPTRACE_TESTS_RING_BENCH_H

#include "cptrace/ring.h"
#include "memory_file.h"

#define RING_CAPACITY 64

struct ring_bench {
    struct cptrace_ring *ring; /* that put puts into */
    struct memory_file file;
    struct cptrace_writer *writer;
    struct cptrace_transcoder *transcoder;
    uint64_t tick;
};

struct cptrace_ring *make_ring(uint32_t lane, uint64_t capacity);
void open_bench(struct ring_bench *bench, const struct cptrace_transcoder_options *options, uint64_t capacity);
void close_bench(struct ring_bench *bench);

void put_slot(struct cptrace_ring *ring, uint64_t first, uint64_t second);
/* An event one tick after the one before. */
void put(struct ring_bench *bench, enum cptrace_ring_op op, uint64_t operand);
void put_pair(struct ring_bench *bench, enum cptrace_ring_op op, uint64_t operand, uint64_t second);
void put_bytes(struct ring_bench *bench, enum cptrace_ring_op op, const void *bytes, size_t length);
void put_text(struct ring_bench *bench, enum cptrace_ring_op op, const char *string);
void put_definition(struct ring_bench *bench, uint32_t number, const char *name);
void put_definition_as(struct ring_bench *bench, enum cptrace_ring_op op, uint32_t number, const char *name, uint8_t flags);

/* Consumes, flushes and releases. */
enum cptrace_status drain(struct ring_bench *bench);

/* Finishes the file and lists its events as letters, in order: ( ) ! call, return, unwind; s z r o t start, suspend, resume, reopen, throw;
 * u m n a - = cpu, mark, counter, arguments, omitted, omitted outer. */
void read_ops(struct ring_bench *bench, char *letters, size_t capacity);
/* Drains, compares and closes. */
void expect_ops(struct ring_bench *bench, const char *expected);

#endif

#include "ring_bench.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct cptrace_ring *make_ring(uint32_t lane, uint64_t capacity)
{
    struct cptrace_ring *ring = calloc(1, CPTRACE_RING_HEADER_BYTES + capacity * sizeof(struct cptrace_ring_slot));
    ring->magic = CPTRACE_RING_MAGIC;
    ring->lane = lane;
    ring->os_thread_id = 100 + lane;
    ring->capacity_slots = capacity;
    strcpy(ring->thread_name, "worker");
    return ring;
}

void open_bench(struct ring_bench *bench, const struct cptrace_transcoder_options *options, uint64_t capacity)
{
    *bench = (struct ring_bench){.ring = make_ring(0, capacity), .tick = 2000};
    bench->file.appends_left = -1;
    bench->writer = memory_writer(&bench->file, 0);
    cptrace_writer_info(bench->writer, NULL, 0);
    bench->transcoder = cptrace_transcoder_create(bench->writer, options);
}

void close_bench(struct ring_bench *bench)
{
    cptrace_transcoder_free(bench->transcoder);
    cptrace_writer_free(bench->writer);
    memory_file_free(&bench->file);
    free(bench->ring);
}

void put_slot(struct cptrace_ring *ring, uint64_t first, uint64_t second)
{
    const uint64_t head = atomic_load(&ring->head);
    cr_assert_lt(head - atomic_load(&ring->tail), ring->capacity_slots, "the test overfills its ring");
    cptrace_ring_slots(ring)[head % ring->capacity_slots] = (struct cptrace_ring_slot){first, second};
    atomic_store(&ring->head, head + 1);
}

void put(struct ring_bench *bench, enum cptrace_ring_op op, uint64_t operand) { put_slot(bench->ring, ++bench->tick, operand << 8 | op); }

void put_pair(struct ring_bench *bench, enum cptrace_ring_op op, uint64_t operand, uint64_t second)
{
    put(bench, op, operand);
    put_slot(bench->ring, second, 0);
}

void put_bytes(struct ring_bench *bench, enum cptrace_ring_op op, const void *bytes, size_t length)
{
    put(bench, op, length);
    for (size_t done = 0; done < length; done += 16) {
        uint64_t words[2] = {0};
        memcpy(words, (const char *)bytes + done, length - done < sizeof words ? length - done : sizeof words);
        put_slot(bench->ring, words[0], words[1]);
    }
}

void put_text(struct ring_bench *bench, enum cptrace_ring_op op, const char *string) { put_bytes(bench, op, string, strlen(string)); }

void put_definition_as(struct ring_bench *bench, enum cptrace_ring_op op, uint32_t number, const char *name, uint8_t flags)
{
    struct cptrace_ring_function fixed = {.number = number, .line = 7, .category = CPTRACE_CATEGORY_USER, .flags = flags};
    fixed.qualified_name_bytes = (uint16_t)strlen(name);
    fixed.path_bytes = 4;
    uint8_t bytes[256];
    memcpy(bytes, &fixed, sizeof fixed);
    memcpy(bytes + sizeof fixed, name, strlen(name));
    memcpy(bytes + sizeof fixed + strlen(name), "a.py", 4);
    put_bytes(bench, op, bytes, sizeof fixed + strlen(name) + 4);
}

void put_definition(struct ring_bench *bench, uint32_t number, const char *name)
{
    put_definition_as(bench, CPTRACE_RING_DEFINE, number, name, 0);
}

enum cptrace_status drain(struct ring_bench *bench)
{
    uint64_t consumed = 0;
    const enum cptrace_status status = cptrace_transcoder_consume(bench->transcoder, bench->ring, &consumed);
    if (status == CPTRACE_OK) {
        cr_assert_eq(cptrace_writer_flush(bench->writer, NULL), CPTRACE_OK);
        cptrace_ring_release(bench->ring, consumed);
    }
    return status;
}

void read_ops(struct ring_bench *bench, char *letters, size_t capacity)
{
    static const char names[] = {
        [CPTRACE_OP_RETURN] = ')',          [CPTRACE_OP_UNWIND] = '!',
        [CPTRACE_OP_SUSPEND] = 'z',         [CPTRACE_OP_RESUME] = 'r',
        [CPTRACE_OP_REOPEN] = 'o',          [CPTRACE_OP_START] = 's',
        [CPTRACE_OP_THROW] = 't',           [CPTRACE_OP_CALL] = '(',
        [CPTRACE_ANNOTATION_CPU] = 'u',     [CPTRACE_ANNOTATION_MARK] = 'm',
        [CPTRACE_ANNOTATION_COUNTER] = 'n', [CPTRACE_ANNOTATION_ARGUMENTS] = 'a',
        [CPTRACE_ANNOTATION_OMITTED] = '-', [CPTRACE_ANNOTATION_OMITTED_OUTER] = '=',
    };
    cr_assert_eq(cptrace_writer_finish(bench->writer, (struct cptrace_calibration){bench->tick + 1, 100000, 1}, NULL, 0, NULL), CPTRACE_OK);
    struct cptrace_reader *reader;
    cr_assert_eq(cptrace_reader_open_source(memory_source(&bench->file), &reader, NULL), CPTRACE_OK);
    struct cptrace_block block;
    struct cptrace_events events = {0};
    size_t count = 0;
    while (cptrace_reader_next(reader, &block, NULL) == CPTRACE_OK) {
        if (block.kind != CPTRACE_BLOCK_EVENTS)
            continue;
        cr_assert_eq(cptrace_events_decode(&block, &events, NULL), CPTRACE_OK);
        for (size_t i = 0; i < events.event_count && count + 1 < capacity; i++)
            letters[count++] = names[events.events[i].op];
    }
    letters[count] = 0;
    cptrace_events_free(&events);
    cptrace_reader_close(reader);
}

void expect_ops(struct ring_bench *bench, const char *expected)
{
    char found[512];
    cr_assert_eq(drain(bench), CPTRACE_OK);
    read_ops(bench, found, sizeof found);
    cr_expect_str_eq(found, expected);
    close_bench(bench);
}

/* Fills a ring as the recorder does, and writes what the transcoder makes of it to the path given. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cptrace/ring.h"

enum { CAPACITY_SLOTS = 4096, ROUNDS = 40, CALLS_PER_ROUND = 300 };

static struct cptrace_ring *ring;
static uint64_t tick = 1000;

static int append(void *context, const void *bytes, size_t length) { return fwrite(bytes, 1, length, context) == length ? 0 : 5; }

static void put_slot(uint64_t first, uint64_t second)
{
    const uint64_t head = atomic_load(&ring->head);
    cptrace_ring_slots(ring)[head & (ring->capacity_slots - 1)] = (struct cptrace_ring_slot){first, second};
    atomic_store(&ring->head, head + 1);
}

static void put(enum cptrace_ring_op op, uint64_t operand)
{
    tick += 7 + operand % 250;
    put_slot(tick, operand << 8 | (uint64_t)op);
}

static void put_bytes(enum cptrace_ring_op op, const void *bytes, size_t length)
{
    put(op, length);
    for (size_t done = 0; done < length; done += sizeof(struct cptrace_ring_slot)) {
        struct cptrace_ring_slot slot = {0};
        memcpy(&slot, (const char *)bytes + done, length - done < sizeof slot ? length - done : sizeof slot);
        put_slot(slot.tick, slot.word);
    }
}

static void put_definition(uint32_t number, const char *name, uint8_t flags)
{
    struct cptrace_ring_function fixed = {.number = number, .line = 10 + number, .category = CPTRACE_CATEGORY_USER, .flags = flags};
    uint8_t bytes[sizeof fixed + 64];
    fixed.file_size_bytes = UINT64_C(0x123456789A);
    fixed.qualified_name_bytes = (uint16_t)strlen(name);
    fixed.path_bytes = 4;
    memcpy(bytes, &fixed, sizeof fixed);
    memcpy(bytes + sizeof fixed, name, strlen(name));
    memcpy(bytes + sizeof fixed + strlen(name), "a.py", 4);
    put_bytes(number == 3 ? CPTRACE_RING_DEFINE_OMITTED : CPTRACE_RING_DEFINE, bytes, sizeof fixed + strlen(name) + 4);
}

static void put_counter(double value)
{
    uint8_t bytes[12];
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(bits >> 8 * i);
    memcpy(bytes + 8, "size", 4);
    put_bytes(CPTRACE_RING_COUNTER, bytes, sizeof bytes);
}

static void put_round(int round)
{
    const uint64_t frame = UINT64_C(0x7f0012340000) + (uint64_t)round % 4 * 64;
    put(CPTRACE_RING_CPU, UINT64_C(5000000000) + tick);
    put_slot((uint64_t)round, 0);
    put(round < 4 ? CPTRACE_RING_START : CPTRACE_RING_RESUME, 2);
    put_slot(frame, 0);
    for (uint64_t call = 0; call < CALLS_PER_ROUND; call++) {
        put(CPTRACE_RING_CALL, call % 5 == 0 ? 3 : 1);
        put(call % 7 == 0 ? CPTRACE_RING_UNWIND : CPTRACE_RING_RETURN, call % 5 == 0 ? 3 : 1);
    }
    put(CPTRACE_RING_SUSPEND, 2);
    put_bytes(CPTRACE_RING_MARK, "a mark of some length", 21);
    put_counter(round * 0.1);
}

static void drain(struct cptrace_transcoder *transcoder, struct cptrace_writer *writer)
{
    uint64_t consumed;
    if (cptrace_transcoder_consume(transcoder, ring, &consumed) != CPTRACE_OK || cptrace_writer_flush(writer, NULL) != CPTRACE_OK)
        exit(1);
    cptrace_ring_release(ring, consumed);
}

static void make_ring(void)
{
    ring = calloc(1, CPTRACE_RING_HEADER_BYTES + CAPACITY_SLOTS * sizeof(struct cptrace_ring_slot));
    if (!ring)
        exit(1);
    ring->magic = CPTRACE_RING_MAGIC;
    ring->os_thread_id = 4711;
    ring->capacity_slots = CAPACITY_SLOTS;
    strcpy(ring->thread_name, "MainThread");
    put_definition(1, "leaf", 0);
    put_definition(2, "numbers", CPTRACE_FUNCTION_GENERATOR);
    put_definition(3, "left_out", 0);
}

int main(int argc, char **argv)
{
    FILE *const file = argc == 2 ? fopen(argv[1], "wb") : NULL;
    if (!file)
        return 2;
    const struct cptrace_writer_options options = {
        .file_id = 0x01020304, .ns_per_tick_q32 = UINT64_C(3) << 31, .start = {1000, 5000, UINT64_C(1700000000000000000)}};
    struct cptrace_writer *const writer = cptrace_writer_create((struct cptrace_sink){append, file}, &options, NULL);
    struct cptrace_transcoder *const transcoder = writer ? cptrace_transcoder_create(writer, NULL) : NULL;
    if (!transcoder)
        return 1;
    make_ring();
    for (int round = 0; round < ROUNDS; round++) {
        put_round(round);
        drain(transcoder, writer);
    }
    cptrace_transcoder_finish(transcoder, tick);
    const struct cptrace_calibration end = {tick, 5000 + (tick - 1000) * 3 / 2, UINT64_C(1700000000000000000) + tick};
    if (cptrace_writer_finish(writer, end, NULL, 0, NULL) != CPTRACE_OK)
        return 1;
    cptrace_transcoder_free(transcoder);
    cptrace_writer_free(writer);
    free(ring);
    return fclose(file) == 0 ? 0 : 1;
}

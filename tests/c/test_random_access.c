/* Single blocks read again by their entries, from several threads, while the file may have changed. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory_file.h"

#define THREADS 4

struct opened {
    char path[64];
    struct cptrace_reader *reader;
    const struct cptrace_block_entry *entries;
    size_t count;
};

static void write_path(struct opened *opened)
{
    struct memory_file file;
    struct cptrace_writer *const writer = memory_writer(&file, 100);
    define_functions(writer, 10);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 1, text("MainThread"));
    for (uint64_t i = 0; i < 5000; i++) {
        cptrace_lane_call(lane, 1000 + i * 20, (uint32_t)(i % 10));
        if (i % 500)
            cptrace_lane_return(lane, 1010 + i * 20 + i % 7);
    }
    cptrace_writer_finish(writer, (struct cptrace_calibration){200000, 1, 1}, NULL, 0, NULL);
    cptrace_writer_free(writer);
    strcpy(opened->path, "random_access_XXXXXX");
    const int descriptor = mkstemp(opened->path);
    cr_assert_eq(write(descriptor, file.bytes, file.length), (ssize_t)file.length);
    close(descriptor);
    memory_file_free(&file);
}

static struct opened open_path(void)
{
    struct opened opened;
    struct cptrace_block block;
    write_path(&opened);
    cr_assert_eq(cptrace_reader_open(opened.path, &opened.reader, NULL), CPTRACE_OK);
    while (cptrace_reader_next(opened.reader, &block, NULL) == CPTRACE_OK)
        ;
    opened.entries = cptrace_reader_blocks(opened.reader, &opened.count);
    cr_assert_geq(opened.count, 80);
    return opened;
}

static void close_path(struct opened *opened)
{
    cptrace_reader_close(opened->reader);
    unlink(opened->path);
}

static void *read_backwards(void *context)
{
    const struct opened *const opened = context;
    struct cptrace_block_buffer buffer = {0};
    struct cptrace_events events = {0};
    struct cptrace_block block;
    uintptr_t failures = 0;
    for (size_t i = opened->count; i-- > 0;) {
        const struct cptrace_block_entry *const entry = &opened->entries[i];
        failures += cptrace_reader_read_block(opened->reader, entry, &buffer, &block, NULL) != CPTRACE_OK;
        failures += block.sequence != entry->sequence || block.kind != entry->kind || block.offset != entry->offset;
        if (entry->kind == CPTRACE_BLOCK_EVENTS)
            failures += cptrace_events_decode(&block, &events, NULL) != CPTRACE_OK || events.event_count != entry->event_count ||
                        events.first_tick != entry->first_tick || events.last_tick != entry->last_tick;
    }
    cptrace_block_buffer_free(&buffer);
    cptrace_events_free(&events);
    return (void *)failures;
}

Test(random_access, several_threads_read_the_same_blocks)
{
    struct opened opened = open_path();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, read_backwards, &opened), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failures;
        pthread_join(threads[i], &failures);
        cr_assert_null(failures);
    }
    close_path(&opened);
}

Test(random_access, a_file_that_changed_is_told)
{
    struct opened opened = open_path();
    struct cptrace_block_buffer buffer = {0};
    struct cptrace_block block;
    FILE *const file = fopen(opened.path, "r+b");
    fseek(file, (long)opened.entries[7].offset + 12, SEEK_SET);
    fputc(0xAA, file);
    fclose(file);
    cr_assert_eq(cptrace_reader_read_block(opened.reader, &opened.entries[7], &buffer, &block, NULL), CPTRACE_CORRUPT);
    cr_assert_eq(cptrace_reader_read_block(opened.reader, &opened.entries[8], &buffer, &block, NULL), CPTRACE_OK);
    cr_assert_eq(truncate(opened.path, (off_t)opened.entries[8].offset + 3), 0);
    cr_assert_eq(cptrace_reader_read_block(opened.reader, &opened.entries[8], &buffer, &block, NULL), CPTRACE_TRUNCATED);
    cptrace_block_buffer_free(&buffer);
    close_path(&opened);
}

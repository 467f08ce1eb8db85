#include "ring_file_bench.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void make_folder(struct left_files *files)
{
    snprintf(files->folder, sizeof files->folder, "/tmp/cptrace-test-XXXXXX");
    cr_assert(mkdtemp(files->folder));
    snprintf(files->ring_path, sizeof files->ring_path, "%s/.callprofiler-77-1.ring", files->folder);
    snprintf(files->trace_path, sizeof files->trace_path, "%s/%s", files->folder, LEFT_TRACE);
    snprintf(files->part_path, sizeof files->part_path, "%s/%s.part", files->folder, LEFT_TRACE);
}

void remove_folder(struct left_files *files)
{
    remove(files->ring_path);
    remove(files->part_path);
    remove(files->trace_path);
    cr_assert_eq(rmdir(files->folder), 0, "something else is in %s", files->folder);
}

void write_bytes(const char *path, const void *bytes, size_t length)
{
    FILE *const file = fopen(path, "wb");
    cr_assert(file);
    cr_assert_eq(fwrite(bytes, 1, length, file), length);
    cr_assert_eq(fclose(file), 0);
}

uint8_t *read_bytes(const char *path, size_t *length)
{
    FILE *const file = fopen(path, "rb");
    cr_assert(file);
    fseek(file, 0, SEEK_END);
    *length = (size_t)ftell(file);
    rewind(file);
    uint8_t *const bytes = malloc(*length + 1);
    cr_assert_eq(fread(bytes, 1, *length, file), *length);
    fclose(file);
    return bytes;
}

static void put_region(FILE *file, const struct cptrace_ring *header, const void *slots)
{
    const size_t bytes = header->capacity_slots * sizeof(struct cptrace_ring_slot);
    cr_assert_eq(fwrite(header, 1, sizeof *header, file), sizeof *header);
    cr_assert_eq(fwrite(slots, 1, bytes, file), bytes);
}

static void put_checkpoint(FILE *file, const struct left_run *run, uint32_t file_id)
{
    struct cptrace_ring *const region = calloc(1, sizeof *region);
    region->magic = CPTRACE_CHECKPOINT_MAGIC;
    region->file_id = file_id;
    region->capacity_slots = run->checkpoint_bytes / sizeof(struct cptrace_ring_slot) + 1;
    region->head = run->checkpoint_bytes;
    uint8_t *const slots = calloc(region->capacity_slots, sizeof(struct cptrace_ring_slot));
    memcpy(slots, run->checkpoint, run->checkpoint_bytes);
    put_region(file, region, slots);
    free(slots);
    free(region);
}

void leave_run(const struct left_files *files, const struct left_run *run)
{
    struct cptrace_ring_file *const head = calloc(1, sizeof *head);
    memcpy(&head->file_id, run->trace->bytes + 20, 4);
    head->magic = CPTRACE_RING_FILE_MAGIC;
    head->state = CPTRACE_RING_FILE_RECORDING;
    head->process_id = 77;
    head->begun_bytes = run->begun_bytes;
    head->max_depth = run->options.max_depth;
    head->min_call_ticks = run->options.min_call_ticks;
    strcpy(head->trace_name, LEFT_TRACE);
    if (run->spooled) {
        cr_assert_leq(run->written_bytes, CPTRACE_RING_FILE_SPOOL_BYTES);
        memcpy(head->spool, run->trace->bytes, run->written_bytes);
        head->spool_bytes = run->written_bytes;
    } else {
        write_bytes(files->part_path, run->trace->bytes, run->written_bytes);
    }
    if (run->checkpoint)
        head->checkpoint_offset = CPTRACE_RING_FILE_HEAD_BYTES;
    FILE *const file = fopen(files->ring_path, "wb");
    cr_assert(file);
    cr_assert_eq(fwrite(head, 1, sizeof *head, file), sizeof *head);
    if (run->checkpoint)
        put_checkpoint(file, run, head->file_id);
    for (size_t i = 0; i < run->ring_count; i++) {
        run->rings[i]->file_id = head->file_id;
        put_region(file, run->rings[i], cptrace_ring_slots(run->rings[i]));
    }
    cr_assert_eq(fclose(file), 0);
    free(head);
}

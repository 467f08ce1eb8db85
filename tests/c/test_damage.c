/* Cut, flipped, zeroed, repeated and reordered files: never a crash, always told, and no more lost than was hit. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "memory_file.h"
#include "spec_example.h"

#define BLOCKS_MAX 64

struct layout {
    struct cptrace_block_entry blocks[BLOCKS_MAX];
    size_t count;
};

static void calls(struct cptrace_lane_writer *lane, uint64_t *tick, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        cptrace_lane_call(lane, *tick += 3 + i % 17, i % 5);
        if (i % 3)
            cptrace_lane_return(lane, *tick += 5);
    }
}

/* About 30 events blocks of 8 events, definitions before the first of them. */
static void write_small(struct memory_file *file)
{
    struct cptrace_writer *const writer = memory_writer(file, 8);
    const struct cptrace_pair info[] = {{text("name"), text("small")}};
    cptrace_writer_info(writer, info, 1);
    define_functions(writer, 5);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 1, text("MainThread"));
    uint64_t tick = 1000;
    const uint32_t activation = cptrace_lane_start(lane, tick, 0);
    cptrace_lane_suspend(lane, tick += 9);
    calls(lane, &tick, 60);
    cptrace_lane_resume(lane, tick += 9, activation);
    cptrace_lane_throw(lane, tick);
    cptrace_lane_unwind(lane, tick += 9);
    cr_assert_eq(cptrace_writer_finish(writer, (struct cptrace_calibration){tick, 2, 3}, NULL, 0, NULL), CPTRACE_OK);
    cptrace_writer_free(writer);
}

static struct layout layout_of(struct memory_file *file)
{
    struct layout layout = {.count = 0};
    struct cptrace_reader *reader;
    struct cptrace_block block;
    cr_assert_eq(cptrace_reader_open_source(memory_source(file), &reader, NULL), CPTRACE_OK);
    while (cptrace_reader_next(reader, &block, NULL) == CPTRACE_OK)
        ;
    const struct cptrace_block_entry *const entries = cptrace_reader_blocks(reader, &layout.count);
    cr_assert_leq(layout.count, BLOCKS_MAX);
    memcpy(layout.blocks, entries, layout.count * sizeof *entries);
    cptrace_reader_close(reader);
    return layout;
}

static struct memory_file copy_of(const struct memory_file *file)
{
    struct memory_file copy = {.bytes = malloc(file->length), .length = file->length, .capacity = file->length, .appends_left = -1};
    memcpy(copy.bytes, file->bytes, file->length);
    return copy;
}

static struct memory_file without(const struct memory_file *file, uint64_t offset, uint64_t length)
{
    struct memory_file copy = copy_of(file);
    memmove(copy.bytes + offset, copy.bytes + offset + length, copy.length - offset - length);
    copy.length -= length;
    return copy;
}

static void check_every_cut(const struct memory_file *file)
{
    struct memory_file copy = copy_of(file);
    const struct layout layout = layout_of(&copy);
    const struct cptrace_block_entry *const last = &layout.blocks[layout.count - 1];
    const uint64_t end_of_blocks = last->offset + last->compressed_bytes;
    for (size_t length = 0; length < file->length; length++) {
        copy.length = length;
        const struct reading reading = read_everything(&copy);
        if (length < 80) {
            cr_assert_eq(reading.open_status, length < 16 ? CPTRACE_NOT_A_TRACE : CPTRACE_TRUNCATED);
            continue;
        }
        cr_assert_eq(reading.open_status, CPTRACE_OK);
        /* With its end block and nothing of the index a file is whole, but for the index. */
        cr_assert_eq(reading.final_status, length == end_of_blocks ? CPTRACE_END : CPTRACE_TRUNCATED);
        cr_assert_not(reading.has_index);
        cr_assert_eq(reading.damage_count, 0, "cut at %zu: %s", length, reading.damage.message);
        size_t whole = 0;
        while (whole < layout.count && layout.blocks[whole].offset + layout.blocks[whole].compressed_bytes <= length)
            whole++;
        cr_assert_eq(reading.block_count, whole, "cut at %zu", length);
    }
    memory_file_free(&copy);
}

static void check_every_bit(struct memory_file *file)
{
    const struct reading intact = read_everything(file);
    for (size_t bit = 0; bit < file->length * 8; bit++) {
        file->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        const struct reading reading = read_everything(file);
        cr_assert_eq(reading.open_status, CPTRACE_OK, "bit %zu: %s", bit, reading.error.message);
        cr_assert(reading.final_status == CPTRACE_TRUNCATED || reading.damage_count > 0, "bit %zu of byte %zu is not seen", bit % 8,
                  bit / 8);
        cr_assert_geq(reading.block_count + 1, intact.block_count, "bit %zu costs %zu blocks", bit,
                      intact.block_count - reading.block_count);
        file->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

Test(damage, cut_anywhere)
{
    struct memory_file file;
    write_small(&file);
    check_every_cut(&file);
    memory_file_free(&file);
}

Test(damage, any_bit_flipped_in_a_tiny_file)
{
    struct memory_file file;
    write_spec_example(&file);
    check_every_cut(&file);
    check_every_bit(&file);
    memory_file_free(&file);
}

Test(damage, any_bit_flipped, .timeout = 300)
{
    struct memory_file file;
    write_small(&file);
    check_every_bit(&file);
    memory_file_free(&file);
}

Test(damage, any_byte_zeroed_or_filled)
{
    struct memory_file file;
    write_small(&file);
    for (size_t i = 80; i < file.length; i++) {
        const uint8_t was = file.bytes[i];
        for (int value = 0; value < 256; value += 255) {
            file.bytes[i] = (uint8_t)value;
            const struct reading reading = read_everything(&file);
            cr_assert(was == value || reading.final_status == CPTRACE_TRUNCATED || reading.damage_count > 0, "byte %zu", i);
        }
        file.bytes[i] = was;
    }
    memory_file_free(&file);
}

Test(damage, one_block_overwritten_costs_that_block)
{
    struct memory_file file;
    write_small(&file);
    const struct reading intact = read_everything(&file);
    const struct layout layout = layout_of(&file);
    for (size_t i = 0; i < layout.count; i++) {
        struct memory_file copy = copy_of(&file);
        memset(copy.bytes + layout.blocks[i].offset, 0, layout.blocks[i].compressed_bytes);
        const struct reading reading = read_everything(&copy);
        cr_assert_eq(reading.block_count, intact.block_count - 1);
        cr_assert_eq(reading.damage_count, 1, "block %zu: %zu damages", i, reading.damage_count);
        cr_assert_eq(reading.damage.offset, layout.blocks[i].offset);
        cr_assert(reading.has_index);
        memory_file_free(&copy);
    }
    memory_file_free(&file);
}

Test(damage, a_removed_block_shows_in_the_sequence)
{
    struct memory_file file;
    write_small(&file);
    const struct layout layout = layout_of(&file);
    const struct cptrace_block_entry *const gone = &layout.blocks[5];
    struct memory_file copy = without(&file, gone->offset, gone->compressed_bytes);
    struct cptrace_reader *reader;
    struct cptrace_block block;
    cr_assert_eq(cptrace_reader_open_source(memory_source(&copy), &reader, NULL), CPTRACE_OK);
    uint32_t missing = 0;
    while (cptrace_reader_next(reader, &block, NULL) == CPTRACE_OK) {
        missing += block.missing_before;
        cr_assert(block.missing_before == 0 || block.sequence == 6);
    }
    cr_assert_eq(missing, 1);
    size_t count;
    const struct cptrace_damage *const damage = cptrace_reader_damage(reader, &count);
    cr_assert_geq(count, 1);
    cr_assert_eq(damage[0].blocks, 1);
    cptrace_reader_close(reader);
    memory_file_free(&copy);
    memory_file_free(&file);
}

Test(damage, the_last_events_block_removed_with_the_end_block_left)
{
    struct memory_file file;
    write_small(&file);
    const struct layout layout = layout_of(&file);
    const struct cptrace_block_entry *const gone = &layout.blocks[layout.count - 2];
    struct memory_file copy = without(&file, gone->offset, gone->compressed_bytes);
    cr_assert_geq(read_everything(&copy).damage_count, 1);
    memory_file_free(&copy);
    /* And the end block itself: only the index tells. */
    const struct cptrace_block_entry *const end = &layout.blocks[layout.count - 1];
    copy = without(&file, end->offset, end->compressed_bytes);
    cr_assert_geq(read_everything(&copy).damage_count, 1);
    memory_file_free(&copy);
    memory_file_free(&file);
}

Test(damage, a_repeated_block_is_dropped_and_told)
{
    struct memory_file file;
    write_small(&file);
    const struct layout layout = layout_of(&file);
    const struct reading intact = read_everything(&file);
    const uint64_t offset = layout.blocks[4].offset, length = layout.blocks[4].compressed_bytes;
    struct memory_file copy = {.appends_left = -1, .length = file.length + length, .bytes = malloc(file.length + length)};
    memcpy(copy.bytes, file.bytes, offset + length);
    memcpy(copy.bytes + offset + length, file.bytes + offset, file.length - offset);
    const struct reading reading = read_everything(&copy);
    cr_assert_eq(reading.block_count, intact.block_count);
    cr_assert_eq(reading.event_count, intact.event_count);
    cr_assert_geq(reading.damage_count, 1);
    memory_file_free(&copy);
    memory_file_free(&file);
}

Test(damage, swapped_blocks_are_told)
{
    struct memory_file file;
    write_small(&file);
    const struct layout layout = layout_of(&file);
    const struct cptrace_block_entry *const a = &layout.blocks[6], *const b = &layout.blocks[7];
    struct memory_file copy = copy_of(&file);
    memcpy(copy.bytes + a->offset, file.bytes + b->offset, b->compressed_bytes);
    memcpy(copy.bytes + a->offset + b->compressed_bytes, file.bytes + a->offset, a->compressed_bytes);
    cr_assert_geq(read_everything(&copy).damage_count, 2);
    memory_file_free(&copy);
    memory_file_free(&file);
}

Test(damage, a_hole_of_zeros_over_several_blocks)
{
    struct memory_file file;
    write_small(&file);
    const struct layout layout = layout_of(&file);
    const uint64_t from = layout.blocks[3].offset + 5, to = layout.blocks[8].offset + 7;
    memset(file.bytes + from, 0, to - from);
    const struct reading reading = read_everything(&file);
    cr_assert_eq(reading.block_count, layout.count - 6);
    cr_assert_eq(reading.damage_count, 1);
    memory_file_free(&file);
}

Test(damage, zeros_instead_of_the_tail)
{
    struct memory_file file;
    write_small(&file);
    const struct layout layout = layout_of(&file);
    memset(file.bytes + layout.blocks[9].offset, 0, file.length - layout.blocks[9].offset);
    const struct reading reading = read_everything(&file);
    cr_assert_eq(reading.block_count, 9);
    cr_assert_eq(reading.damage_count, 1);
    cr_assert_eq(reading.final_status, CPTRACE_TRUNCATED);
    memory_file_free(&file);
}

Test(damage, bytes_behind_the_index)
{
    struct memory_file file;
    write_small(&file);
    struct memory_file copy = copy_of(&file);
    copy.bytes = realloc(copy.bytes, copy.length + 1);
    copy.bytes[copy.length++] = 0;
    const struct reading reading = read_everything(&copy);
    cr_assert_eq(reading.final_status, CPTRACE_END);
    cr_assert_eq(reading.damage_count, 1);
    memory_file_free(&copy);
    memory_file_free(&file);
}

Test(damage, a_block_of_another_file_is_not_ours)
{
    struct memory_file file, other;
    write_small(&file);
    write_spec_example(&other);
    const struct layout layout = layout_of(&file), theirs = layout_of(&other);
    const uint64_t at = layout.blocks[5].offset, length = theirs.blocks[2].compressed_bytes;
    struct memory_file copy = {.appends_left = -1, .length = file.length + length, .bytes = malloc(file.length + length)};
    memcpy(copy.bytes, file.bytes, at);
    memcpy(copy.bytes + at, other.bytes + theirs.blocks[2].offset, length);
    memcpy(copy.bytes + at + length, file.bytes + at, file.length - at);
    const struct reading reading = read_everything(&copy);
    cr_assert_eq(reading.block_count, layout.count);
    cr_assert_geq(reading.damage_count, 1);
    cr_assert(strstr(reading.damage.message, "file id"));
    memory_file_free(&copy);
    memory_file_free(&other);
    memory_file_free(&file);
}

Test(damage, reads_of_one_byte_tell_the_same)
{
    struct memory_file file;
    write_small(&file);
    const struct reading intact = read_everything(&file);
    file.read_max_bytes = 1;
    const struct reading reading = read_everything(&file);
    cr_assert_eq(reading.final_status, CPTRACE_END);
    cr_assert_eq(reading.damage_count, 0);
    cr_assert_eq(reading.event_count, intact.event_count);
    memory_file_free(&file);
}

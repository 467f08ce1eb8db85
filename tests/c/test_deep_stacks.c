/* What a block says of the calls that are open must not outweigh its events, however many are open: counted in open calls, over all blocks.
 */
#include <criterion/criterion.h>

#include "memory_file.h"

struct deep_sums {
    uint64_t blocks, events, open;
};

static struct deep_sums sum_blocks(struct memory_file *file)
{
    struct cptrace_reader *reader;
    struct cptrace_block block;
    struct cptrace_error error = {0};
    enum cptrace_status status;
    struct deep_sums sums = {0};
    cr_assert_eq(cptrace_reader_open_source(memory_source(file), &reader, NULL), CPTRACE_OK);
    while ((status = cptrace_reader_next(reader, &block, &error)) == CPTRACE_OK) {
        if (block.kind != CPTRACE_BLOCK_EVENTS)
            continue;
        sums.blocks++;
        sums.open += cptrace_events_open_count(&block);
    }
    cr_assert_eq(status, CPTRACE_END, "%s", error.message);
    sums.events = cptrace_reader_end(reader)->event_count;
    cptrace_reader_close(reader);
    return sums;
}

static struct deep_sums finish_and_sum(struct cptrace_writer *writer, struct memory_file *file, uint64_t end_tick)
{
    struct cptrace_error error = {0};
    cr_assert_eq(cptrace_writer_finish(writer, (struct cptrace_calibration){end_tick, 1, 1}, NULL, 0, &error), CPTRACE_OK, "%s",
                 error.message);
    cptrace_writer_free(writer);
    const struct deep_sums sums = sum_blocks(file);
    memory_file_free(file);
    return sums;
}

/* Nearly as many as tools read, then events at that depth. */
Test(deep_stacks, many_events_for_each_open_call)
{
    enum { DEPTH = (2 << 20) - 2, PAIRS = 2000 };
    struct memory_file file;
    struct cptrace_writer *const writer = memory_writer(&file, 1 << 17);
    define_functions(writer, 300);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 1, text("lane"));
    uint64_t tick = 1000;
    for (uint32_t i = 0; i < DEPTH; i++)
        cptrace_lane_call(lane, tick += 3, i % 300);
    for (uint32_t i = 0; i < PAIRS; i++) {
        cptrace_lane_call(lane, tick += 3, i % 300);
        cptrace_lane_return(lane, tick += 3);
    }
    const struct deep_sums sums = finish_and_sum(writer, &file, tick);
    cr_assert_eq(sums.events, DEPTH + 2 * PAIRS);
    cr_assert_leq(sums.open, 2 * sums.events, "%llu blocks with %llu open calls", (unsigned long long)sums.blocks,
                  (unsigned long long)sums.open);
}

/* The longest entries that there are: activations with high numbers, that began long ago. */
Test(deep_stacks, the_longest_open_calls_fit)
{
    enum { DEPTH = 1 << 20 };
    struct memory_file file;
    struct cptrace_writer *const writer = memory_writer(&file, 1 << 17);
    define_functions(writer, 3000);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 1, text("lane"));
    for (uint32_t i = 0; i < DEPTH; i++)
        cptrace_lane_start(lane, 1000, i % 3000);
    const uint64_t late = UINT64_C(1) << 63;
    for (uint32_t i = 0; i < DEPTH; i++) {
        cptrace_lane_call(lane, late + i, i % 3000);
        cptrace_lane_return(lane, late + i);
    }
    const struct deep_sums sums = finish_and_sum(writer, &file, late + DEPTH);
    cr_assert_eq(sums.events, 3 * DEPTH);
    cr_assert_leq(sums.open, 2 * sums.events);
}

Test(deep_stacks, a_calibration_point_is_written_without_them)
{
    enum { DEPTH = 100000, POINTS = 50 };
    struct memory_file file;
    struct cptrace_writer *const writer = memory_writer(&file, 0);
    define_functions(writer, 1);
    struct cptrace_lane_writer *const deep = cptrace_writer_define_lane(writer, 1, text("deep"));
    struct cptrace_lane_writer *const shallow = cptrace_writer_define_lane(writer, 2, text("shallow"));
    uint64_t tick = 1000;
    bool only_heavy;
    for (uint32_t i = 0; i < DEPTH; i++)
        cptrace_lane_call(deep, tick, 0);
    cptrace_writer_flush(writer, NULL);
    for (uint32_t i = 0; i < POINTS; i++) {
        cptrace_lane_call(deep, ++tick, 0);
        cptrace_lane_call(shallow, tick, 0);
        cptrace_lane_return(shallow, tick);
        cr_assert_eq(cptrace_writer_flush_light(writer, &only_heavy, NULL), CPTRACE_OK);
        cr_assert_not(only_heavy);
        cptrace_writer_calibrate(writer, (struct cptrace_calibration){tick, tick * 4, tick * 4});
    }
    cptrace_lane_call(deep, ++tick, 0);
    cr_assert_eq(cptrace_writer_flush_light(writer, &only_heavy, NULL), CPTRACE_OK);
    cr_assert(only_heavy);
    cr_assert_eq(cptrace_writer_flush(writer, NULL), CPTRACE_OK);
    cr_assert_eq(cptrace_writer_flush_light(writer, &only_heavy, NULL), CPTRACE_OK);
    cr_assert_not(only_heavy, "nothing waits");
    const struct deep_sums sums = finish_and_sum(writer, &file, tick);
    cr_assert_eq(sums.events, DEPTH + 3 * POINTS + 1);
    cr_assert_gt(sums.blocks, POINTS);
    cr_assert_leq(sums.open, 2 * sums.events);
}

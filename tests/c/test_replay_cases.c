/* Single cases of the stack machine. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "replay_model.h"

struct collected {
    struct replay_call calls[64];
    size_t count;
};

static int collect(void *context, const struct replay_call *call)
{
    struct collected *collected = context;
    collected->calls[call->id] = *call;
    ++collected->count;
    return 0;
}

static struct collected collect_calls(struct model *model)
{
    struct collected collected = {0};
    const struct replay_visitor visitor = {.context = &collected, .leave = collect};
    struct trace *trace;
    struct replay_result result;
    cr_assert_eq(trace_open(model->path, &trace, NULL), CPTRACE_OK);
    cr_assert_eq(trace_replay(trace, &visitor, 1, NULL, NULL, &result, NULL), 0);
    trace_close(trace);
    return collected;
}

/* What a lost block hides may have been events, or waiting: so no pause around it is taken for waiting. */
Test(replay, a_lost_block_is_not_waiting)
{
    for (int damaged = 0; damaged < 2; ++damaged) {
        struct model *model = model_begin(2);
        struct cptrace_lane_writer *lane = model->lanes[0].writer;
        cptrace_lane_cpu(lane, 100, 0, 0);
        cptrace_lane_call(lane, 100, 0);
        cptrace_lane_mark(lane, 200, (struct cptrace_string){"lost", 4});
        cptrace_lane_mark(lane, 300, (struct cptrace_string){"lost", 4});
        cptrace_lane_cpu(lane, 5000, 4000, 0);
        cptrace_lane_return(lane, 5000);
        model->tick = 6000;
        model_finish(model);
        struct cptrace_block_entry blocks[4];
        cr_assert_eq(model_find_blocks(model->path, blocks, 4), 3);
        if (damaged)
            model_flip_byte(model->path, blocks[1].offset + blocks[1].compressed_bytes - 2);
        const struct collected found = collect_calls(model);
        cr_assert_eq(found.count, 1);
        cr_expect_eq(found.calls[0].waiting_ns, damaged ? 0 : (4900 * MODEL_NS_PER_TICK - 4000));
        model_free(model);
    }
}

/* A generator that is resumed on another lane at the tick of its suspend. The other lane's number is lower: order is by time and sense. */
Test(replay, resume_at_the_tick_of_the_suspend)
{
    struct model *model = model_begin(0);
    struct cptrace_lane_writer *lane = model->lanes[1].writer, *other = model->lanes[0].writer;
    const uint32_t activation = cptrace_lane_start(lane, 10, 1);
    cptrace_lane_call(other, 20, 2);
    cptrace_lane_suspend(lane, 30);
    cptrace_lane_resume(other, 30, activation);
    cptrace_lane_return(other, 50);
    cptrace_lane_return(other, 60);
    model->tick = 60;
    model_finish(model);
    const struct collected collected = collect_calls(model);
    cr_assert_eq(collected.count, 2);
    const struct replay_call *generator = &collected.calls[0];
    cr_assert_eq(generator->running_ns, 400);
    cr_assert_eq(generator->slice_count, 2);
    cr_assert_eq(generator->outcome, REPLAY_RETURNED);
    cr_assert_eq(collected.calls[1].self_ns, 200);
    model_free(model);
}

/* A generator from before the run: its call is the run's from its first resume on. */
Test(replay, adopted_generator)
{
    struct model *model = model_begin(0);
    struct cptrace_lane_writer *lane = model->lanes[0].writer;
    const uint32_t activation = cptrace_writer_adopt(model->writer, 1);
    cptrace_lane_call(lane, 10, 0);
    cptrace_lane_resume(lane, 20, activation);
    cptrace_lane_suspend(lane, 30);
    cptrace_lane_resume(lane, 40, activation);
    cptrace_lane_return(lane, 50);
    cptrace_lane_return(lane, 60);
    model->tick = 60;
    model_finish(model);
    const struct collected collected = collect_calls(model);
    cr_assert_eq(collected.count, 2);
    cr_assert_eq(collected.calls[1].parent_id, 0);
    cr_assert_eq(collected.calls[1].start_ns, 200);
    cr_assert_eq(collected.calls[1].end_ns, 500);
    cr_assert_eq(collected.calls[1].running_ns, 200);
    cr_assert_eq(collected.calls[1].suspended_ns, 100);
    cr_assert_eq(collected.calls[0].self_ns, 300);
    model_free(model);
}

Test(replay, deep_recursion)
{
    enum { DEEP = 300000 };
    struct model *model = model_begin(0);
    struct cptrace_lane_writer *lane = model->lanes[0].writer;
    for (uint32_t i = 0; i < DEEP; ++i)
        cptrace_lane_call(lane, i, i % 3);
    for (uint32_t i = 0; i < DEEP; ++i)
        cptrace_lane_return(lane, DEEP + i);
    model->tick = 2 * DEEP;
    model_finish(model);
    struct trace *trace;
    struct replay_result result;
    cr_assert_eq(trace_open(model->path, &trace, NULL), CPTRACE_OK);
    cr_assert_eq(trace_replay(trace, NULL, 0, NULL, NULL, &result, NULL), 0);
    cr_assert_eq(result.call_count, DEEP);
    cr_assert_eq(result.path_count, DEEP + 1);
    cr_assert_eq(result.functions[0].total_ns, (uint64_t)(2 * DEEP - 1) * MODEL_NS_PER_TICK, "only the outermost call counts");
    trace_close(trace);
    model_free(model);
}

/* Two hundred thousand generators, ten alive at a time. */
Test(replay, many_generators)
{
    struct model *model = model_begin(0);
    struct cptrace_lane_writer *lane = model->lanes[0].writer;
    uint32_t alive[10];
    uint64_t tick = 0;
    for (uint32_t i = 0; i < 200000; ++i) {
        if (i >= 10) {
            cptrace_lane_resume(lane, ++tick, alive[i % 10]);
            cptrace_lane_return(lane, ++tick);
        }
        alive[i % 10] = cptrace_lane_start(lane, ++tick, 1);
        cptrace_lane_suspend(lane, ++tick);
    }
    model->tick = ++tick;
    model_finish(model);
    struct trace *trace;
    struct replay_result result;
    cr_assert_eq(trace_open(model->path, &trace, NULL), CPTRACE_OK);
    cr_assert_eq(trace_replay(trace, NULL, 0, NULL, NULL, &result, NULL), 0);
    cr_assert_eq(result.call_count, 200000);
    cr_assert_eq(result.functions[1].unfinished_count, 10);
    trace_close(trace);
    model_free(model);
}

static int stop_at_third(void *context, const struct replay_call *call)
{
    (void)context;
    return call->id == 2 ? 42 : 0;
}

Test(replay, a_visitor_can_stop_it)
{
    struct model *model = model_make_run(5, 3000, 16, false);
    const struct replay_visitor visitor = {.enter = stop_at_third};
    struct trace *trace;
    struct replay_result result;
    cr_assert_eq(trace_open(model->path, &trace, NULL), CPTRACE_OK);
    cr_assert_eq(trace_replay(trace, &visitor, 1, NULL, NULL, &result, NULL), 42);
    cr_assert_eq(trace_replay(trace, NULL, 0, NULL, NULL, &result, NULL), 0, "and it can be replayed again");
    cr_assert_eq(result.call_count, model->call_count);
    trace_close(trace);
    model_free(model);
}

/* The stack machine against the model, on random runs with blocks of every size. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "replay_model.h"

struct comparison {
    const struct model *model;
    uint64_t entered, left, last_end_ns;
    bool *has_left;
    uint64_t self_ns, unfinished;
    uint64_t marks, counters;
};

static int check_enter(void *context, const struct replay_call *call)
{
    struct comparison *comparison = context;
    const struct model_call *expected = &comparison->model->calls[call->id];
    cr_assert_eq(call->id, comparison->entered++, "calls begin in the order of their ids");
    cr_assert_eq(call->start_ns, expected->start_ns);
    cr_assert_eq(call->function, expected->function);
    cr_assert_eq(call->parent_id, expected->parent_id);
    return 0;
}

static int check_leave(void *context, const struct replay_call *call)
{
    struct comparison *comparison = context;
    cr_assert_lt(call->id, comparison->model->call_count);
    const struct model_call *expected = &comparison->model->calls[call->id];
    cr_assert_not(comparison->has_left[call->id], "each call leaves once");
    comparison->has_left[call->id] = true;
    ++comparison->left;
    cr_assert_eq(call->parent_id, expected->parent_id);
    cr_assert_eq(call->function, expected->function);
    cr_assert_eq(call->lane, expected->lane);
    cr_assert_eq(call->start_ns, expected->start_ns);
    cr_assert_eq(call->end_ns, expected->end_ns, "call %d ends at %d, not %d", (int)call->id, (int)expected->end_ns, (int)call->end_ns);
    cr_assert_eq(call->self_ns, expected->self_ns);
    cr_assert_eq(call->running_ns, expected->running_ns);
    cr_assert_eq(call->suspended_ns, expected->end_ns - expected->start_ns - expected->running_ns);
    cr_assert_eq(call->slice_count, expected->slice_count);
    cr_assert_eq(call->outcome, expected->outcome);
    cr_assert_eq(call->waiting_ns, expected->waiting_ns);
    cr_assert_eq(call->self_waiting_ns, expected->self_waiting_ns < expected->self_ns ? expected->self_waiting_ns : expected->self_ns);
    cr_assert_eq(call->omitted_call_count, expected->omitted_call_count);
    cr_assert_eq(call->omitted_ns, expected->omitted_ns);
    cr_assert_eq(call->has_arguments, expected->arguments[0] != 0);
    cr_assert_eq(call->arguments.length, strlen(expected->arguments));
    cr_assert_eq(memcmp(call->has_arguments ? call->arguments.bytes : "", expected->arguments, call->arguments.length), 0);
    cr_assert(call->outcome == REPLAY_UNFINISHED || comparison->unfinished == 0, "unfinished calls come last");
    cr_assert_geq(call->end_ns, comparison->last_end_ns, "calls leave in the order in which they end");
    comparison->last_end_ns = call->end_ns;
    comparison->unfinished += call->outcome == REPLAY_UNFINISHED;
    comparison->self_ns += call->self_ns;
    return 0;
}

static int check_mark(void *context, const struct replay_mark *mark)
{
    struct comparison *comparison = context;
    ++comparison->marks;
    cr_assert_eq(mark->text.length, 4);
    cr_assert_eq(memcmp(mark->text.bytes, "here", 4), 0);
    cr_assert(mark->call_id == REPLAY_NO_CALL || !comparison->has_left[mark->call_id]);
    return 0;
}

static int check_counter(void *context, const struct replay_counter *counter)
{
    struct comparison *comparison = context;
    ++comparison->counters;
    cr_assert_eq(counter->value, 0.5);
    cr_assert_eq(memcmp(counter->name.bytes, "queue", 5), 0);
    return 0;
}

static bool has_same_function_above(const struct model *model, uint64_t id)
{
    for (uint64_t above = model->calls[id].parent_id; above != REPLAY_NO_CALL; above = model->calls[above].parent_id) {
        if (model->calls[above].function == model->calls[id].function)
            return true;
    }
    return false;
}

static void check_functions(const struct model *model, const struct replay_result *result)
{
    struct replay_function expected[MODEL_FUNCTIONS] = {0};
    for (uint64_t id = 0; id < model->call_count; ++id) {
        const struct model_call *call = &model->calls[id];
        struct replay_function *function = &expected[call->function];
        const uint64_t duration_ns = call->end_ns - call->start_ns;
        ++function->call_count;
        function->raised_count += call->outcome == REPLAY_RAISED;
        function->unfinished_count += call->outcome == REPLAY_UNFINISHED;
        function->self_ns += call->self_ns;
        function->max_ns = duration_ns > function->max_ns ? duration_ns : function->max_ns;
        function->total_ns += has_same_function_above(model, id) ? 0 : duration_ns;
    }
    for (uint32_t i = 0; i < MODEL_FUNCTIONS; ++i) {
        cr_assert_eq(result->functions[i].call_count, expected[i].call_count);
        cr_assert_eq(result->functions[i].raised_count, expected[i].raised_count);
        cr_assert_eq(result->functions[i].unfinished_count, expected[i].unfinished_count);
        cr_assert_eq(result->functions[i].self_ns, expected[i].self_ns);
        cr_assert_eq(result->functions[i].max_ns, expected[i].max_ns);
        cr_assert_eq(result->functions[i].total_ns, expected[i].total_ns);
    }
}

static void check_paths(const struct model *model, const struct replay_result *result)
{
    struct replay_path sum = {0};
    for (size_t i = 1; i < result->path_count; ++i) {
        const struct replay_path *path = &result->paths[i];
        cr_assert_lt(path->parent, i);
        cr_assert_eq(path->depth, path->parent == REPLAY_ROOT_PATH ? 0 : result->paths[path->parent].depth + 1);
        cr_assert_gt(path->call_count, 0);
        cr_assert_eq(path->total_ns, path->running_ns + path->suspended_ns);
        cr_assert_leq(path->min_ns, path->max_ns);
        cr_assert_leq(path->waiting_ns, path->running_ns);
        cr_assert_leq(path->self_waiting_ns, path->self_ns);
        sum.call_count += path->call_count;
        sum.self_ns += path->self_ns;
        sum.omitted_ns += path->omitted_ns;
    }
    uint64_t busy_ns = 0;
    for (size_t lane = 0; lane < MODEL_LANES; ++lane)
        busy_ns += model->lanes[lane].busy_ns;
    cr_assert_eq(sum.call_count, model->call_count);
    cr_assert_eq(sum.omitted_ns, model->busy_omitted_ns);
    cr_assert_eq(sum.self_ns + sum.omitted_ns, busy_ns, "all self time is the time in which the stacks were not empty");
    cr_assert_eq(result->waiting_ns, model->waiting_ns);
    cr_assert_eq(result->omitted_ns, model->omitted_ns);
    cr_assert_eq(result->omitted_call_count, model->omitted_call_count);
}

static void compare(const struct model *model)
{
    struct comparison comparison = {.model = model, .has_left = calloc(model->call_count + 1, sizeof(bool))};
    const struct replay_visitor visitor = {
        .context = &comparison, .enter = check_enter, .leave = check_leave, .mark = check_mark, .counter = check_counter};
    struct trace *trace;
    struct cptrace_error error = {0};
    cr_assert_eq(trace_open(model->path, &trace, &error), CPTRACE_OK, "%s", error.message);
    cr_assert(trace_facts(trace)->complete);
    cr_assert_eq(trace_facts(trace)->waiting_known, model->annotated);
    struct replay_result result;
    cr_assert_eq(trace_replay(trace, &visitor, 1, NULL, NULL, &result, &error), 0, "%s", error.message);
    cr_assert_eq(comparison.left, model->call_count);
    cr_assert_eq(result.call_count, model->call_count);
    cr_assert_eq(result.event_count, model->event_count);
    cr_assert_eq(result.wall_ns, model_now_ns(model));
    cr_assert_eq(comparison.marks, model->mark_count);
    cr_assert_eq(result.mark_count, model->mark_count);
    cr_assert_eq(comparison.counters, model->counter_count);
    cr_assert_eq(result.counter_count, model->counter_count);
    cr_assert(trace_facts(trace)->complete, "nothing is found damaged");
    check_functions(model, &result);
    check_paths(model, &result);
    trace_close(trace);
    free(comparison.has_left);
}

Test(replay, agrees_with_the_model)
{
    static const uint32_t block_sizes[] = {1, 2, 3, 7, 64, 1000, 0};
    for (uint32_t seed = 1; seed <= 6; ++seed) {
        for (size_t i = 0; i < sizeof block_sizes / sizeof block_sizes[0]; ++i) {
            struct model *model = model_make_run(seed * 7919, 3000, block_sizes[i], false);
            compare(model);
            model_free(model);
        }
    }
}

Test(replay, agrees_with_the_model_on_annotations)
{
    static const uint32_t block_sizes[] = {1, 7, 64, 0};
    for (uint32_t seed = 1; seed <= 4; ++seed) {
        for (size_t i = 0; i < sizeof block_sizes / sizeof block_sizes[0]; ++i) {
            struct model *model = model_make_run(seed * 104729, 4000, block_sizes[i], true);
            compare(model);
            model_free(model);
        }
    }
}

Test(replay, empty_run)
{
    struct model *model = model_make_run(1, 0, 0, false);
    compare(model);
    model_free(model);
}

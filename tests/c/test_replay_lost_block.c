/* A block that is lost costs what was in it, and nothing else. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "replay_model.h"

struct survivors {
    const struct model *model;
    uint64_t left, exact;
    bool *open;
    uint64_t entered, capacity;
};

static const struct model_call *find_true_call(const struct model *model, const struct replay_call *call)
{
    for (uint64_t id = 0; id < model->call_count; ++id) {
        const struct model_call *candidate = &model->calls[id];
        if (candidate->start_ns == call->start_ns && candidate->function == call->function && candidate->end_ns == call->end_ns)
            return candidate;
    }
    return NULL;
}

static int note_enter(void *context, const struct replay_call *call)
{
    struct survivors *survivors = context;
    cr_assert_eq(call->id, survivors->entered++);
    cr_assert_lt(call->id, survivors->capacity);
    cr_assert(call->parent_id == REPLAY_NO_CALL || call->parent_id < call->id);
    survivors->open[call->id] = true;
    return 0;
}

/* Of the plain calls that ended by themselves, each is one that there really was. */
static int check_survivor(void *context, const struct replay_call *call)
{
    struct survivors *survivors = context;
    cr_assert(survivors->open[call->id]);
    survivors->open[call->id] = false;
    ++survivors->left;
    cr_assert_leq(call->start_ns, call->end_ns);
    cr_assert_leq(call->running_ns, call->end_ns - call->start_ns);
    cr_assert_leq(call->self_ns, call->running_ns);
    if (call->outcome == REPLAY_UNFINISHED || call->function % 2)
        return 0;
    cr_assert(find_true_call(survivors->model, call), "a call that never was: %d", (int)call->id);
    ++survivors->exact;
    return 0;
}

static void check_damaged(const struct model *model)
{
    struct survivors survivors = {.model = model, .capacity = model->event_count * 2};
    survivors.open = calloc(survivors.capacity, sizeof(bool));
    const struct replay_visitor visitor = {.context = &survivors, .enter = note_enter, .leave = check_survivor};
    struct trace *trace;
    struct cptrace_error error = {0};
    struct replay_result result;
    cr_assert_eq(trace_open(model->path, &trace, &error), CPTRACE_OK, "%s", error.message);
    cr_assert_eq(trace_facts(trace)->damaged_blocks, 1);
    cr_assert_eq(trace_replay(trace, &visitor, 1, NULL, NULL, &result, &error), 0, "%s", error.message);
    cr_assert_not(trace_facts(trace)->complete);
    cr_assert_eq(survivors.left, result.call_count, "every call leaves");
    cr_assert_gt(survivors.exact, 0);
    trace_close(trace);
    free(survivors.open);
}

Test(replay, a_lost_block_costs_that_block)
{
    for (uint32_t seed = 1; seed <= 40; ++seed) {
        struct model *model = model_make_run(seed * 104729, 600, 1 + seed % 37, false);
        struct cptrace_block_entry blocks[700];
        const size_t count = model_find_blocks(model->path, blocks, 700);
        const struct cptrace_block_entry *lost = &blocks[model_random_below(model, (uint32_t)count)];
        model_flip_byte(model->path, lost->offset + lost->compressed_bytes - 2); /* in its checksum */
        check_damaged(model);
        model_free(model);
    }
}

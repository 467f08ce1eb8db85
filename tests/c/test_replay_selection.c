/* A part of a trace, read by its index: what is listed is what the whole trace has of it, no more blocks are read than needed, and a trace
 * without index gives the same. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replay_model.h"

enum { CALLS_MAX = 20000 };

/* The calls of one replay, in the order in which they left. */
struct listing {
    struct replay_call *calls;
    size_t count;
    struct trace_reading reading;
    bool complete;
};

static int collect(void *context, const struct replay_call *call)
{
    struct listing *const listing = context;
    cr_assert_lt(listing->count, CALLS_MAX);
    listing->calls[listing->count++] = *call;
    return 0;
}

static struct listing replay_part(const char *path, const struct trace_selection *selection)
{
    struct listing listing = {.calls = calloc(CALLS_MAX, sizeof *listing.calls)};
    const struct replay_visitor visitor = {.context = &listing, .leave = collect};
    struct trace *trace;
    struct replay_result result;
    struct cptrace_error error = {0};
    if (selection) {
        cr_assert_eq(trace_survey(path, &trace, &error), CPTRACE_OK, "%s", error.message);
        cr_assert_eq(trace_select(trace, selection), CPTRACE_OK);
    } else {
        cr_assert_eq(trace_open(path, &trace, &error), CPTRACE_OK, "%s", error.message);
    }
    cr_assert_eq(trace_replay(trace, &visitor, 1, NULL, NULL, &result, &error), 0, "%s", error.message);
    listing.reading = trace_reading(trace);
    listing.complete = trace_facts(trace)->complete;
    trace_close(trace);
    return listing;
}

static bool is_wanted(const struct replay_call *call, const struct trace_selection *selection)
{
    return call->in_range && (!selection->functions || selection->functions[call->function]) &&
           (!selection->lanes || selection->lanes[call->lane]);
}

static bool overlaps(const struct replay_call *call, const struct trace_selection *selection)
{
    return call->start_ns <= selection->end_ns && call->end_ns >= selection->begin_ns;
}

/* The true call of a listed one: no two calls of a lane begin at the same time. */
static const struct replay_call *find_true(const struct listing *whole, const struct replay_call *call)
{
    for (size_t i = 0; i < whole->count; ++i) {
        const struct replay_call *const candidate = &whole->calls[i];
        if (candidate->start_ns == call->start_ns && candidate->function == call->function)
            return candidate;
    }
    return NULL;
}

static void check_call(const struct replay_call *listed, const struct replay_call *truth)
{
    cr_assert_eq(listed->is_activation, truth->is_activation);
    if (listed->goes_on)
        return;
    cr_assert_eq(listed->outcome, truth->outcome);
    cr_assert_eq(listed->end_ns, truth->end_ns);
    if (listed->is_partial && listed->is_activation)
        return;
    cr_assert_eq(listed->running_ns, truth->running_ns);
    cr_assert_eq(listed->suspended_ns, truth->suspended_ns);
    if (listed->is_partial)
        return;
    cr_assert_eq(listed->self_ns, truth->self_ns);
    cr_assert_eq(listed->omitted_ns, truth->omitted_ns);
    cr_assert_eq(listed->omitted_call_count, truth->omitted_call_count);
    cr_assert_eq(listed->has_arguments, truth->has_arguments);
    cr_assert_eq(listed->slice_count, truth->slice_count);
    if (listed->waiting_known) {
        cr_assert_eq(listed->waiting_ns, truth->waiting_ns);
        cr_assert_eq(listed->self_waiting_ns, truth->self_waiting_ns);
    }
}

/* Every listed call is true, and of those that ran the whole time from start to end (plain calls), none is missing. */
static void check_listing(const struct listing *part, const struct listing *whole, const struct trace_selection *selection)
{
    size_t listed = 0, expected = 0;
    for (size_t i = 0; i < part->count; ++i) {
        const struct replay_call *const call = &part->calls[i];
        if (!is_wanted(call, selection))
            continue;
        const struct replay_call *const truth = find_true(whole, call);
        cr_assert(truth, "a call that never was");
        cr_assert(overlaps(truth, selection));
        check_call(call, truth);
        listed += !call->is_activation;
    }
    for (size_t i = 0; i < whole->count; ++i)
        expected += !whole->calls[i].is_activation && is_wanted(&whole->calls[i], selection) && overlaps(&whole->calls[i], selection);
    cr_assert_eq(listed, expected);
}

static void check_selection(const char *path, const struct listing *whole, const struct trace_selection *selection)
{
    struct listing part = replay_part(path, selection);
    check_listing(&part, whole, selection);
    cr_assert(part.complete);
    free(part.calls);
}

static struct trace_selection all(void) { return (struct trace_selection){0, UINT64_MAX, NULL, NULL}; }

static void check_random_selections(struct model *model, const char *path, const struct listing *whole)
{
    bool lanes[MODEL_LANES] = {false}, functions[MODEL_FUNCTIONS] = {false};
    const uint64_t from = model_random_below(model, (uint32_t)model_now_ns(model));
    const struct trace_selection range = {from, from + model_random_below(model, 3000), NULL, NULL};
    lanes[model_random_below(model, MODEL_LANES)] = true;
    functions[model_random_below(model, MODEL_FUNCTIONS)] = true;
    struct trace_selection selection = range;
    check_selection(path, whole, &selection);
    selection.lanes = lanes;
    check_selection(path, whole, &selection);
    selection.functions = functions;
    check_selection(path, whole, &selection);
    selection = all();
    selection.lanes = lanes;
    check_selection(path, whole, &selection);
}

Test(selection, lists_what_the_whole_trace_has)
{
    for (uint32_t seed = 1; seed <= 30; ++seed) {
        struct model *const model = model_make_run(seed * 104729, 1500, 1 + seed * seed, seed % 2);
        struct listing whole = replay_part(model->path, NULL);
        for (int i = 0; i < 10; ++i)
            check_random_selections(model, model->path, &whole);
        free(whole.calls);
        model_free(model);
    }
}

/* All of a call of these functions is read, generators that wander between lanes included. */
Test(selection, calls_of_a_function_are_complete)
{
    for (uint32_t seed = 1; seed <= 20; ++seed) {
        struct model *const model = model_make_run(seed * 7919, 1500, 1 + seed, seed % 2);
        struct listing whole = replay_part(model->path, NULL);
        for (uint32_t function = 0; function < MODEL_FUNCTIONS; ++function) {
            bool functions[MODEL_FUNCTIONS] = {false};
            functions[function] = true;
            struct trace_selection selection = all();
            selection.functions = functions;
            struct listing part = replay_part(model->path, &selection);
            size_t listed = 0, expected = 0;
            for (size_t i = 0; i < part.count; ++i) {
                if (part.calls[i].function != function)
                    continue;
                cr_assert_not(part.calls[i].is_partial);
                check_call(&part.calls[i], find_true(&whole, &part.calls[i]));
                cr_assert_not(part.calls[i].goes_on);
                ++listed;
            }
            for (size_t i = 0; i < whole.count; ++i)
                expected += whole.calls[i].function == function;
            cr_assert_eq(listed, expected);
            free(part.calls);
        }
        free(whole.calls);
        model_free(model);
    }
}

/* --- what is read --- */

/* 200 blocks of 10 events on one lane, a call every 100 ns; function 3 is called in the blocks 50 and 150 only. */
static struct model *make_long_run(void)
{
    struct model *const model = model_begin(10);
    for (uint32_t i = 0; i < 1000; ++i) {
        const bool rare = i == 250 || i == 750;
        cptrace_lane_call(model->lanes[0].writer, i * 10, rare ? 3 : i % 3);
        cptrace_lane_return(model->lanes[0].writer, i * 10 + 5);
    }
    model->tick = 10000;
    model_finish(model);
    return model;
}

static size_t wanted_count(const struct listing *listing, const struct trace_selection *selection)
{
    size_t count = 0;
    for (size_t i = 0; i < listing->count; ++i)
        count += is_wanted(&listing->calls[i], selection);
    return count;
}

static void check_reading(const char *path, const struct trace_selection *selection, size_t call_count, size_t selected_count,
                          bool by_index)
{
    enum { OTHER_BLOCKS = 3, EVENT_BLOCKS = 200 }; /* info, definitions, end */
    struct listing part = replay_part(path, selection);
    cr_expect_eq(wanted_count(&part, selection), call_count);
    cr_expect_eq(part.reading.selected_count, selected_count);
    cr_expect_eq(part.reading.by_index, by_index);
    const uint64_t expected_count = selected_count + OTHER_BLOCKS + (by_index ? 0 : EVENT_BLOCKS);
    cr_expect_eq(part.reading.decompressed_count, expected_count, "%d blocks", (int)part.reading.decompressed_count);
    free(part.calls);
}

static void check_readings(const char *path, bool by_index)
{
    bool functions[MODEL_FUNCTIONS] = {false};
    functions[3] = true;
    const struct trace_selection range = {50100, 50700, NULL, NULL}, behind = {200000, UINT64_MAX, NULL, NULL};
    const struct trace_selection rare = {0, UINT64_MAX, NULL, functions}, rare_late = {60000, UINT64_MAX, NULL, functions};
    check_reading(path, &range, 7, 2, by_index);
    check_reading(path, &behind, 0, 1, by_index);
    check_reading(path, &rare, 2, 2, by_index);
    check_reading(path, &rare_late, 1, 1, by_index);
}

Test(selection, reads_only_the_blocks_that_it_needs)
{
    struct model *const model = make_long_run();
    check_readings(model->path, true);
    model_free(model);
}

static uint64_t size_of(const char *path)
{
    FILE *const file = fopen(path, "rb");
    cr_assert(file && fseek(file, 0, SEEK_END) == 0);
    const long size = ftell(file);
    fclose(file);
    return (uint64_t)size;
}

/* Without its index the file is scanned, and then no more blocks are read for the part than with it. */
Test(selection, without_an_index_it_is_scanned)
{
    struct model *const model = make_long_run();
    cr_assert_eq(truncate(model->path, (off_t)size_of(model->path) - 1), 0);
    check_readings(model->path, false);
    model_free(model);
}

/* --- the index is not trusted --- */

/* A block that the part needs is damaged: the index is valid, but its crc32 of the block is not the block's. */
Test(selection, a_damaged_block_is_told)
{
    struct model *const model = make_long_run();
    struct cptrace_block_entry blocks[200];
    cr_assert_eq(model_find_blocks(model->path, blocks, 200), 200);
    model_flip_byte(model->path, blocks[100].offset + blocks[100].compressed_bytes / 2);
    const struct trace_selection hit = {50100, 50700, NULL, NULL}, missed = {60100, 60700, NULL, NULL};
    struct listing part = replay_part(model->path, &hit);
    cr_assert_not(part.complete);
    cr_assert(part.reading.by_index);
    free(part.calls);
    part = replay_part(model->path, &missed);
    cr_assert_eq(wanted_count(&part, &missed), 7);
    free(part.calls);
    model_free(model);
}

/* A definitions block is damaged: the index cannot tell what it held, and the scan says what is lost. */
Test(selection, a_damaged_definition_means_a_scan)
{
    struct model *const model = make_long_run();
    struct trace *trace;
    cr_assert_eq(trace_open(model->path, &trace, NULL), CPTRACE_OK);
    const struct cptrace_block_entry definitions = trace_facts(trace)->blocks[1];
    trace_close(trace);
    cr_assert_eq(definitions.kind, CPTRACE_BLOCK_DEFINITIONS);
    model_flip_byte(model->path, definitions.offset + definitions.compressed_bytes - 2);
    const struct trace_selection range = {50100, 50700, NULL, NULL};
    struct listing part = replay_part(model->path, &range);
    cr_assert_not(part.reading.by_index);
    cr_assert_not(part.complete);
    free(part.calls);
    model_free(model);
}

/* The stack machine against a model that does the same naively: at every event, the time since the lane's last event is given to the top
 * call (self) and to every call on the stack (running). Random runs, several lanes, generators that wander between them, blocks of every
 * size. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cptrace/writer.h"
#include "platform/platform.h"
#include "replay/replay.h"

enum { MODEL_LANES = 3, MODEL_FUNCTIONS = 12, MODEL_DEPTH = 40, MODEL_CALLS = 20000, MODEL_SUSPENDED = 30, MODEL_NS_PER_TICK = 10 };

struct model_call {
    uint64_t parent_id, start_ns, end_ns, self_ns, running_ns;
    uint32_t function, lane, activation, slice_count;
    enum replay_outcome outcome;
    uint64_t waiting_ns, self_waiting_ns, omitted_call_count, omitted_ns;
    char arguments[12]; /* empty: none */
};

struct model_lane {
    uint64_t stack[MODEL_DEPTH]; /* ids */
    size_t depth;
    uint64_t last_ns, busy_ns; /* busy: with something on the stack */
    bool cpu_known;
    uint64_t cpu_at_ns, cpu_ns;
    struct cptrace_lane_writer *writer;
};

struct model {
    struct model_call *calls;
    uint64_t call_count, event_count;
    struct model_lane lanes[MODEL_LANES];
    uint64_t suspended[MODEL_SUSPENDED]; /* ids */
    size_t suspended_count;
    uint64_t tick;
    uint32_t random;
    bool annotated;
    uint64_t mark_count, counter_count, waiting_ns, omitted_call_count, omitted_ns; /* of all lanes */
    uint64_t busy_omitted_ns;                                                       /* on calls */
    struct cptrace_writer *writer;
    FILE *file;
    char *path;
};

static uint32_t random_below(struct model *model, uint32_t limit)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 17;
    model->random ^= model->random << 5;
    return model->random % limit;
}

/* --- the file --- */

static int append_to_file(void *context, const void *bytes, size_t length)
{
    return fwrite(bytes, 1, length, context) == length ? 0 : errno;
}

static struct cptrace_calibration point_at(uint64_t tick)
{
    return (struct cptrace_calibration){.ticks = tick, .monotonic_ns = tick * MODEL_NS_PER_TICK, .utc_ns = tick * MODEL_NS_PER_TICK};
}

static void open_file(struct model *model, uint32_t block_event_count)
{
    const struct cptrace_writer_options options = {
        .file_id = 99, .ns_per_tick_q32 = (uint64_t)MODEL_NS_PER_TICK << 32, .block_event_count = block_event_count};
    struct cptrace_error error;
    model->file = platform_temporary_file(NULL, &model->path);
    cr_assert(model->file);
    model->writer = cptrace_writer_create((struct cptrace_sink){append_to_file, model->file}, &options, &error);
    cr_assert(model->writer);
    cptrace_writer_info(model->writer, NULL, 0);
    for (uint32_t i = 0; i < MODEL_FUNCTIONS; ++i) {
        const struct cptrace_function function = {.qualified_name = {"f", 1},
                                                  .file = CPTRACE_NO_NUMBER,
                                                  .line = i,
                                                  .category = CPTRACE_CATEGORY_USER,
                                                  .flags = i % 2 ? CPTRACE_FUNCTION_GENERATOR : 0};
        cr_assert_eq(cptrace_writer_define_function(model->writer, &function), i);
    }
    for (uint32_t i = 0; i < MODEL_LANES; ++i)
        model->lanes[i].writer = cptrace_writer_define_lane(model->writer, i, (struct cptrace_string){"lane", 4});
}

static void close_file(struct model *model)
{
    struct cptrace_error error;
    cr_assert_eq(cptrace_writer_finish(model->writer, point_at(model->tick), NULL, 0, &error), CPTRACE_OK, "%s", error.message);
    cptrace_writer_free(model->writer);
    cr_assert_eq(fclose(model->file), 0);
}

static void free_model(struct model *model)
{
    platform_remove_file(model->path);
    free(model->path);
    free(model->calls);
    free(model);
}

/* --- the model --- */

static uint64_t now_ns(const struct model *model) { return model->tick * MODEL_NS_PER_TICK; }

/* Returns how long the lane paused. */
static uint64_t let_time_pass(struct model *model, struct model_lane *lane)
{
    const uint64_t passed_ns = now_ns(model) - lane->last_ns;
    lane->last_ns = now_ns(model);
    if (lane->depth == 0)
        return passed_ns;
    lane->busy_ns += passed_ns;
    model->calls[lane->stack[lane->depth - 1]].self_ns += passed_ns;
    for (size_t i = 0; i < lane->depth; ++i)
        model->calls[lane->stack[i]].running_ns += passed_ns;
    return passed_ns;
}

static void do_call(struct model *model, uint32_t lane_number)
{
    struct model_lane *lane = &model->lanes[lane_number];
    const uint32_t function = random_below(model, MODEL_FUNCTIONS);
    struct model_call *call = &model->calls[model->call_count];
    *call = (struct model_call){
        .parent_id = lane->depth ? lane->stack[lane->depth - 1] : REPLAY_NO_CALL,
        .start_ns = now_ns(model),
        .function = function,
        .lane = lane_number,
        .activation = CPTRACE_NO_NUMBER,
        .slice_count = 1,
        .outcome = REPLAY_UNFINISHED,
    };
    if (function % 2)
        call->activation = cptrace_lane_start(lane->writer, model->tick, function);
    else
        cptrace_lane_call(lane->writer, model->tick, function);
    lane->stack[lane->depth++] = model->call_count++;
}

static void do_end(struct model *model, struct model_lane *lane)
{
    struct model_call *call = &model->calls[lane->stack[--lane->depth]];
    call->end_ns = now_ns(model);
    call->outcome = random_below(model, 4) ? REPLAY_RETURNED : REPLAY_RAISED;
    if (call->outcome == REPLAY_RETURNED)
        cptrace_lane_return(lane->writer, model->tick);
    else
        cptrace_lane_unwind(lane->writer, model->tick);
}

static void do_suspend(struct model *model, struct model_lane *lane)
{
    model->suspended[model->suspended_count++] = lane->stack[--lane->depth];
    cptrace_lane_suspend(lane->writer, model->tick);
}

static void do_resume(struct model *model, struct model_lane *lane)
{
    const size_t pick = random_below(model, (uint32_t)model->suspended_count);
    const uint64_t id = model->suspended[pick];
    model->suspended[pick] = model->suspended[--model->suspended_count];
    lane->stack[lane->depth++] = id;
    ++model->calls[id].slice_count;
    cptrace_lane_resume(lane->writer, model->tick, model->calls[id].activation);
}

static void do_cpu(struct model *model, struct model_lane *lane, uint64_t pause_ns)
{
    const uint64_t passed_ns = now_ns(model) - lane->cpu_at_ns, off_ns = random_below(model, 2 * (uint32_t)pause_ns + 1);
    /* Two clocks: the CPU time may even say more than passed. */
    const uint64_t used_ns = random_below(model, 5) ? passed_ns - (off_ns < passed_ns ? off_ns : passed_ns) : passed_ns * 2;
    const uint64_t measured_ns = passed_ns > used_ns ? passed_ns - used_ns : 0;
    const uint64_t waited_ns = measured_ns < pause_ns ? measured_ns : pause_ns;
    for (size_t i = 0; lane->cpu_known && i < lane->depth; ++i)
        model->calls[lane->stack[i]].waiting_ns += waited_ns;
    if (lane->cpu_known && lane->depth) {
        model->calls[lane->stack[lane->depth - 1]].self_waiting_ns += waited_ns;
        model->waiting_ns += waited_ns;
    }
    lane->cpu_ns += used_ns;
    lane->cpu_at_ns = now_ns(model);
    lane->cpu_known = true;
    cptrace_lane_cpu(lane->writer, model->tick, lane->cpu_ns, 0);
}

/* Part of the pause was spent in calls that are left out. */
static void do_omit(struct model *model, struct model_lane *lane, uint64_t pause_ns)
{
    const uint64_t ticks = random_below(model, (uint32_t)(pause_ns / MODEL_NS_PER_TICK) + 1), count = 1 + random_below(model, 3);
    const uint64_t omitted_ns = ticks * MODEL_NS_PER_TICK;
    cptrace_lane_omitted(lane->writer, model->tick, count, ticks);
    model->omitted_call_count += count;
    model->omitted_ns += omitted_ns;
    if (lane->depth == 0)
        return;
    struct model_call *top = &model->calls[lane->stack[lane->depth - 1]];
    top->self_ns -= omitted_ns;
    top->omitted_ns += omitted_ns;
    top->omitted_call_count += count;
    model->busy_omitted_ns += omitted_ns;
}

static void do_arguments(struct model *model, struct model_lane *lane)
{
    if (lane->depth == 0)
        return;
    char *arguments = model->calls[lane->stack[lane->depth - 1]].arguments;
    const int length = snprintf(arguments, 12, "x=%u", random_below(model, 100000));
    cptrace_lane_arguments(lane->writer, model->tick, (struct cptrace_string){arguments, (uint32_t)length});
    ++model->event_count;
}

static void do_annotation(struct model *model, struct model_lane *lane, uint64_t pause_ns)
{
    const uint32_t choice = random_below(model, 6);
    model->event_count += choice != 5;
    if (choice < 2) {
        do_cpu(model, lane, pause_ns);
    } else if (choice == 2) {
        do_omit(model, lane, pause_ns);
    } else if (choice == 3) {
        cptrace_lane_mark(lane->writer, model->tick, (struct cptrace_string){"here", 4});
        ++model->mark_count;
    } else if (choice == 4) {
        cptrace_lane_counter(lane->writer, model->tick, 0.5, (struct cptrace_string){"queue", 5});
        ++model->counter_count;
    } else {
        do_arguments(model, lane);
    }
}

static void do_something(struct model *model)
{
    const uint32_t lane_number = random_below(model, 10) < 7 ? 0 : random_below(model, MODEL_LANES);
    struct model_lane *lane = &model->lanes[lane_number];
    model->tick += 1 + random_below(model, 20);
    const uint64_t pause_ns = let_time_pass(model, lane);
    if (model->annotated && random_below(model, 3) == 0) {
        do_annotation(model, lane, pause_ns);
        return;
    }
    const bool top_is_generator = lane->depth && model->calls[lane->stack[lane->depth - 1]].activation != CPTRACE_NO_NUMBER;
    const uint32_t choice = random_below(model, 10);
    ++model->event_count;
    if (choice == 0 && top_is_generator && model->suspended_count < MODEL_SUSPENDED)
        do_suspend(model, lane);
    else if (choice == 1 && model->suspended_count && lane->depth < MODEL_DEPTH)
        do_resume(model, lane);
    else if (lane->depth == 0 || (choice < 6 && lane->depth < MODEL_DEPTH))
        do_call(model, lane_number);
    else
        do_end(model, lane);
}

static struct model *make_annotated_run(uint32_t seed, uint32_t event_count, uint32_t block_event_count, bool annotated)
{
    struct model *model = calloc(1, sizeof *model);
    model->calls = calloc(MODEL_CALLS, sizeof *model->calls);
    model->random = seed;
    model->annotated = annotated;
    open_file(model, block_event_count);
    for (uint32_t i = 0; i < event_count; ++i)
        do_something(model);
    model->tick += 5;
    for (size_t i = 0; i < MODEL_LANES; ++i)
        let_time_pass(model, &model->lanes[i]);
    for (uint64_t id = 0; id < model->call_count; ++id) {
        if (model->calls[id].outcome == REPLAY_UNFINISHED)
            model->calls[id].end_ns = now_ns(model);
    }
    close_file(model);
    return model;
}

static struct model *make_run(uint32_t seed, uint32_t event_count, uint32_t block_event_count)
{
    return make_annotated_run(seed, event_count, block_event_count, false);
}

/* --- comparing --- */

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
    cr_assert_eq(result.wall_ns, now_ns(model));
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
            struct model *model = make_run(seed * 7919, 3000, block_sizes[i]);
            compare(model);
            free_model(model);
        }
    }
}

Test(replay, agrees_with_the_model_on_annotations)
{
    static const uint32_t block_sizes[] = {1, 7, 64, 0};
    for (uint32_t seed = 1; seed <= 4; ++seed) {
        for (size_t i = 0; i < sizeof block_sizes / sizeof block_sizes[0]; ++i) {
            struct model *model = make_annotated_run(seed * 104729, 4000, block_sizes[i], true);
            compare(model);
            free_model(model);
        }
    }
}

Test(replay, empty_run)
{
    struct model *model = make_run(1, 0, 0);
    compare(model);
    free_model(model);
}

/* --- damage --- */

/* The offsets of the events blocks of a file. */
static size_t find_blocks(const char *path, struct cptrace_block_entry *found, size_t capacity)
{
    struct trace *trace;
    cr_assert_eq(trace_open(path, &trace, NULL), CPTRACE_OK);
    const struct trace_facts *facts = trace_facts(trace);
    size_t count = 0;
    for (size_t i = 0; i < facts->block_count && count < capacity; ++i) {
        if (facts->blocks[i].kind == CPTRACE_BLOCK_EVENTS)
            found[count++] = facts->blocks[i];
    }
    trace_close(trace);
    return count;
}

static void flip_byte(const char *path, uint64_t offset)
{
    FILE *file = fopen(path, "r+b");
    cr_assert(file);
    cr_assert_eq(fseek(file, (long)offset, SEEK_SET), 0);
    const int byte = fgetc(file);
    cr_assert_eq(fseek(file, (long)offset, SEEK_SET), 0);
    fputc(byte ^ 0x10, file);
    cr_assert_eq(fclose(file), 0);
}

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
        struct model *model = make_run(seed * 104729, 600, 1 + seed % 37);
        struct cptrace_block_entry blocks[700];
        const size_t count = find_blocks(model->path, blocks, 700);
        const struct cptrace_block_entry *lost = &blocks[random_below(model, (uint32_t)count)];
        flip_byte(model->path, lost->offset + lost->compressed_bytes - 2); /* in its checksum */
        check_damaged(model);
        free_model(model);
    }
}

/* --- single cases --- */

static struct model *begin_case(uint32_t block_event_count)
{
    struct model *model = calloc(1, sizeof *model);
    open_file(model, block_event_count);
    return model;
}

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
        struct model *model = begin_case(2);
        struct cptrace_lane_writer *lane = model->lanes[0].writer;
        cptrace_lane_cpu(lane, 100, 0, 0);
        cptrace_lane_call(lane, 100, 0);
        cptrace_lane_mark(lane, 200, (struct cptrace_string){"lost", 4});
        cptrace_lane_mark(lane, 300, (struct cptrace_string){"lost", 4});
        cptrace_lane_cpu(lane, 5000, 4000, 0);
        cptrace_lane_return(lane, 5000);
        model->tick = 6000;
        close_file(model);
        struct cptrace_block_entry blocks[4];
        cr_assert_eq(find_blocks(model->path, blocks, 4), 3);
        if (damaged)
            flip_byte(model->path, blocks[1].offset + blocks[1].compressed_bytes - 2);
        const struct collected found = collect_calls(model);
        cr_assert_eq(found.count, 1);
        cr_expect_eq(found.calls[0].waiting_ns, damaged ? 0 : (4900 * MODEL_NS_PER_TICK - 4000));
        free_model(model);
    }
}

/* A generator that is resumed on another lane at the tick of its suspend. The other lane's number is lower: order is by time and sense. */
Test(replay, resume_at_the_tick_of_the_suspend)
{
    struct model *model = begin_case(0);
    struct cptrace_lane_writer *lane = model->lanes[1].writer, *other = model->lanes[0].writer;
    const uint32_t activation = cptrace_lane_start(lane, 10, 1);
    cptrace_lane_call(other, 20, 2);
    cptrace_lane_suspend(lane, 30);
    cptrace_lane_resume(other, 30, activation);
    cptrace_lane_return(other, 50);
    cptrace_lane_return(other, 60);
    model->tick = 60;
    close_file(model);
    const struct collected collected = collect_calls(model);
    cr_assert_eq(collected.count, 2);
    const struct replay_call *generator = &collected.calls[0];
    cr_assert_eq(generator->running_ns, 400);
    cr_assert_eq(generator->slice_count, 2);
    cr_assert_eq(generator->outcome, REPLAY_RETURNED);
    cr_assert_eq(collected.calls[1].self_ns, 200);
    free_model(model);
}

/* A generator from before the run: its call is the run's from its first resume on. */
Test(replay, adopted_generator)
{
    struct model *model = begin_case(0);
    struct cptrace_lane_writer *lane = model->lanes[0].writer;
    const uint32_t activation = cptrace_writer_adopt(model->writer, 1);
    cptrace_lane_call(lane, 10, 0);
    cptrace_lane_resume(lane, 20, activation);
    cptrace_lane_suspend(lane, 30);
    cptrace_lane_resume(lane, 40, activation);
    cptrace_lane_return(lane, 50);
    cptrace_lane_return(lane, 60);
    model->tick = 60;
    close_file(model);
    const struct collected collected = collect_calls(model);
    cr_assert_eq(collected.count, 2);
    cr_assert_eq(collected.calls[1].parent_id, 0);
    cr_assert_eq(collected.calls[1].start_ns, 200);
    cr_assert_eq(collected.calls[1].end_ns, 500);
    cr_assert_eq(collected.calls[1].running_ns, 200);
    cr_assert_eq(collected.calls[1].suspended_ns, 100);
    cr_assert_eq(collected.calls[0].self_ns, 300);
    free_model(model);
}

Test(replay, deep_recursion)
{
    enum { DEEP = 300000 };
    struct model *model = begin_case(0);
    struct cptrace_lane_writer *lane = model->lanes[0].writer;
    for (uint32_t i = 0; i < DEEP; ++i)
        cptrace_lane_call(lane, i, i % 3);
    for (uint32_t i = 0; i < DEEP; ++i)
        cptrace_lane_return(lane, DEEP + i);
    model->tick = 2 * DEEP;
    close_file(model);
    struct trace *trace;
    struct replay_result result;
    cr_assert_eq(trace_open(model->path, &trace, NULL), CPTRACE_OK);
    cr_assert_eq(trace_replay(trace, NULL, 0, NULL, NULL, &result, NULL), 0);
    cr_assert_eq(result.call_count, DEEP);
    cr_assert_eq(result.path_count, DEEP + 1);
    cr_assert_eq(result.functions[0].total_ns, (uint64_t)(2 * DEEP - 1) * MODEL_NS_PER_TICK, "only the outermost call counts");
    trace_close(trace);
    free_model(model);
}

/* Two hundred thousand generators, ten alive at a time. */
Test(replay, many_generators)
{
    struct model *model = begin_case(0);
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
    close_file(model);
    struct trace *trace;
    struct replay_result result;
    cr_assert_eq(trace_open(model->path, &trace, NULL), CPTRACE_OK);
    cr_assert_eq(trace_replay(trace, NULL, 0, NULL, NULL, &result, NULL), 0);
    cr_assert_eq(result.call_count, 200000);
    cr_assert_eq(result.functions[1].unfinished_count, 10);
    trace_close(trace);
    free_model(model);
}

static int stop_at_third(void *context, const struct replay_call *call)
{
    (void)context;
    return call->id == 2 ? 42 : 0;
}

Test(replay, a_visitor_can_stop_it)
{
    struct model *model = make_run(5, 3000, 16);
    const struct replay_visitor visitor = {.enter = stop_at_third};
    struct trace *trace;
    struct replay_result result;
    cr_assert_eq(trace_open(model->path, &trace, NULL), CPTRACE_OK);
    cr_assert_eq(trace_replay(trace, &visitor, 1, NULL, NULL, &result, NULL), 42);
    cr_assert_eq(trace_replay(trace, NULL, 0, NULL, NULL, &result, NULL), 0, "and it can be replayed again");
    cr_assert_eq(result.call_count, model->call_count);
    trace_close(trace);
    free_model(model);
}

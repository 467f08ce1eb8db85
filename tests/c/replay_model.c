#include "replay_model.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"

uint32_t model_random_below(struct model *model, uint32_t limit)
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

void model_finish(struct model *model)
{
    struct cptrace_error error;
    cr_assert_eq(cptrace_writer_finish(model->writer, point_at(model->tick), NULL, 0, &error), CPTRACE_OK, "%s", error.message);
    cptrace_writer_free(model->writer);
    cr_assert_eq(fclose(model->file), 0);
}

void model_free(struct model *model)
{
    platform_remove_file(model->path);
    free(model->path);
    free(model->calls);
    free(model);
}

/* --- the model --- */

uint64_t model_now_ns(const struct model *model) { return model->tick * MODEL_NS_PER_TICK; }

/* Returns how long the lane paused. */
static uint64_t let_time_pass(struct model *model, struct model_lane *lane)
{
    const uint64_t passed_ns = model_now_ns(model) - lane->last_ns;
    lane->last_ns = model_now_ns(model);
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
    const uint32_t function = model_random_below(model, MODEL_FUNCTIONS);
    struct model_call *call = &model->calls[model->call_count];
    *call = (struct model_call){
        .parent_id = lane->depth ? lane->stack[lane->depth - 1] : REPLAY_NO_CALL,
        .start_ns = model_now_ns(model),
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
    call->end_ns = model_now_ns(model);
    call->outcome = model_random_below(model, 4) ? REPLAY_RETURNED : REPLAY_RAISED;
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
    const size_t pick = model_random_below(model, (uint32_t)model->suspended_count);
    const uint64_t id = model->suspended[pick];
    model->suspended[pick] = model->suspended[--model->suspended_count];
    lane->stack[lane->depth++] = id;
    ++model->calls[id].slice_count;
    cptrace_lane_resume(lane->writer, model->tick, model->calls[id].activation);
}

static void do_cpu(struct model *model, struct model_lane *lane, uint64_t pause_ns)
{
    const uint64_t passed_ns = model_now_ns(model) - lane->cpu_at_ns, off_ns = model_random_below(model, 2 * (uint32_t)pause_ns + 1);
    /* Two clocks: the CPU time may even say more than passed. */
    const uint64_t used_ns = model_random_below(model, 5) ? passed_ns - (off_ns < passed_ns ? off_ns : passed_ns) : passed_ns * 2;
    const uint64_t measured_ns = passed_ns > used_ns ? passed_ns - used_ns : 0;
    const uint64_t waited_ns = measured_ns < pause_ns ? measured_ns : pause_ns;
    for (size_t i = 0; lane->cpu_known && i < lane->depth; ++i)
        model->calls[lane->stack[i]].waiting_ns += waited_ns;
    if (lane->cpu_known && lane->depth) {
        model->calls[lane->stack[lane->depth - 1]].self_waiting_ns += waited_ns;
        model->waiting_ns += waited_ns;
    }
    lane->cpu_ns += used_ns;
    lane->cpu_at_ns = model_now_ns(model);
    lane->cpu_known = true;
    cptrace_lane_cpu(lane->writer, model->tick, lane->cpu_ns, 0);
}

/* Part of the pause was spent in calls that are left out. */
static void do_omit(struct model *model, struct model_lane *lane, uint64_t pause_ns)
{
    const uint64_t ticks = model_random_below(model, (uint32_t)(pause_ns / MODEL_NS_PER_TICK) + 1),
                   count = 1 + model_random_below(model, 3);
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
    const int length = snprintf(arguments, 12, "x=%u", model_random_below(model, 100000));
    cptrace_lane_arguments(lane->writer, model->tick, (struct cptrace_string){arguments, (uint32_t)length});
    ++model->event_count;
}

static void do_annotation(struct model *model, struct model_lane *lane, uint64_t pause_ns)
{
    const uint32_t choice = model_random_below(model, 6);
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
    const uint32_t lane_number = model_random_below(model, 10) < 7 ? 0 : model_random_below(model, MODEL_LANES);
    struct model_lane *lane = &model->lanes[lane_number];
    model->tick += 1 + model_random_below(model, 20);
    const uint64_t pause_ns = let_time_pass(model, lane);
    if (model->annotated && model_random_below(model, 3) == 0) {
        do_annotation(model, lane, pause_ns);
        return;
    }
    const bool top_is_generator = lane->depth && model->calls[lane->stack[lane->depth - 1]].activation != CPTRACE_NO_NUMBER;
    const uint32_t choice = model_random_below(model, 10);
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

struct model *model_make_run(uint32_t seed, uint32_t event_count, uint32_t block_event_count, bool annotated)
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
            model->calls[id].end_ns = model_now_ns(model);
    }
    model_finish(model);
    return model;
}

struct model *model_begin(uint32_t block_event_count)
{
    struct model *model = calloc(1, sizeof *model);
    open_file(model, block_event_count);
    return model;
}

size_t model_find_blocks(const char *path, struct cptrace_block_entry *found, size_t capacity)
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

void model_flip_byte(const char *path, uint64_t offset)
{
    FILE *file = fopen(path, "r+b");
    cr_assert(file);
    cr_assert_eq(fseek(file, (long)offset, SEEK_SET), 0);
    const int byte = fgetc(file);
    cr_assert_eq(fseek(file, (long)offset, SEEK_SET), 0);
    fputc(byte ^ 0x10, file);
    cr_assert_eq(fclose(file), 0);
}

/* What is written is what is read: random runs against a model that knows every stack. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "memory_file.h"

#define LANES 3
#define FUNCTIONS 300
#define STACK_MAX 20000

struct model_call {
    uint32_t function, activation;
    uint64_t start_tick; /* 0: adopted and not resumed yet */
};

struct model_event {
    uint64_t tick;
    uint32_t value;
    uint8_t op;
};

struct model_lane {
    struct cptrace_lane_writer *writer;
    struct model_call *stack; /* while writing, then again while reading */
    size_t depth;
    struct model_event *events;
    size_t count, capacity, checked;
};

struct model {
    struct model_lane lanes[LANES];
    struct model_call *activations; /* by number */
    bool *suspended;
    uint32_t activation_count;
    uint64_t tick, random;
    uint64_t calls;
};

static uint32_t random_below(struct model *model, uint32_t limit)
{
    model->random = model->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((model->random >> 33) % limit);
}

static void expect(struct model_lane *lane, uint64_t tick, uint8_t op, uint32_t value)
{
    if (lane->count == lane->capacity) {
        lane->capacity = lane->capacity * 2 + 64;
        lane->events = realloc(lane->events, lane->capacity * sizeof *lane->events);
    }
    lane->events[lane->count++] = (struct model_event){tick, value, op};
}

static void push(struct model_lane *lane, struct model_call call) { lane->stack[lane->depth++] = call; }

static uint64_t random_step(struct model *model)
{
    switch (random_below(model, 20)) {
    case 0:
        return random_below(model, 100000);
    case 1:
        return (uint64_t)random_below(model, 1000000) << random_below(model, 20);
    case 2:
        return 0;
    default:
        return random_below(model, 120);
    }
}

static void begin_activation(struct model *model, uint32_t activation, struct model_call call)
{
    cr_assert_eq(activation, model->activation_count);
    model->activations = realloc(model->activations, (activation + 1) * sizeof *model->activations);
    model->suspended = realloc(model->suspended, activation + 1);
    model->activations[activation] = call;
    model->suspended[activation] = false;
    model->activation_count++;
}

static void write_start(struct model *model, struct model_lane *lane)
{
    const uint32_t function = random_below(model, FUNCTIONS);
    const uint32_t activation = cptrace_lane_start(lane->writer, model->tick, function);
    const struct model_call call = {function, activation, model->tick};
    begin_activation(model, activation, call);
    expect(lane, model->tick, CPTRACE_OP_START, activation);
    push(lane, call);
    model->calls++;
}

static void write_resume(struct model *model, struct model_lane *lane, struct cptrace_writer *writer)
{
    uint32_t activation = model->activation_count;
    if (activation == 0 || random_below(model, 50) == 0) {
        const uint32_t function = random_below(model, FUNCTIONS);
        begin_activation(model, cptrace_writer_adopt(writer, function), (struct model_call){function, activation, 0});
        model->suspended[activation] = true;
    } else {
        activation = random_below(model, model->activation_count);
    }
    cptrace_lane_resume(lane->writer, model->tick, activation);
    if (!model->suspended[activation])
        return; /* must be ignored */
    model->suspended[activation] = false;
    if (model->activations[activation].start_tick == 0)
        model->activations[activation].start_tick = model->tick; /* as far as the file knows */
    expect(lane, model->tick, CPTRACE_OP_RESUME, activation);
    push(lane, model->activations[activation]);
}

static void write_suspend(struct model *model, struct model_lane *lane)
{
    cptrace_lane_suspend(lane->writer, model->tick);
    if (lane->depth == 0 || lane->stack[lane->depth - 1].activation == CPTRACE_NO_NUMBER)
        return; /* must be ignored */
    model->suspended[lane->stack[--lane->depth].activation] = true;
    expect(lane, model->tick, CPTRACE_OP_SUSPEND, 0);
}

static void write_pop(struct model *model, struct model_lane *lane, uint8_t op)
{
    (op == CPTRACE_OP_RETURN ? cptrace_lane_return : cptrace_lane_unwind)(lane->writer, model->tick);
    if (lane->depth == 0)
        return; /* must be ignored */
    lane->depth--;
    expect(lane, model->tick, op, 0);
}

static void write_call(struct model *model, struct model_lane *lane)
{
    const uint32_t function = random_below(model, FUNCTIONS);
    cptrace_lane_call(lane->writer, model->tick, function);
    expect(lane, model->tick, CPTRACE_OP_CALL, function);
    push(lane, (struct model_call){function, CPTRACE_NO_NUMBER, model->tick});
    model->calls++;
}

static void write_random_event(struct model *model, struct cptrace_writer *writer, uint32_t call_bias)
{
    struct model_lane *const lane = &model->lanes[random_below(model, LANES)];
    model->tick += random_step(model);
    const uint32_t choice = random_below(model, 100);
    if (choice < call_bias && lane->depth < STACK_MAX - 1)
        write_call(model, lane);
    else if (choice < 85)
        write_pop(model, lane, choice % 10 ? CPTRACE_OP_RETURN : CPTRACE_OP_UNWIND);
    else if (choice < 88)
        write_start(model, lane);
    else if (choice < 92)
        write_suspend(model, lane);
    else if (choice < 97)
        write_resume(model, lane, writer);
    else if (lane->depth) {
        cptrace_lane_throw(lane->writer, model->tick);
        expect(lane, model->tick, CPTRACE_OP_THROW, 0);
    }
    cr_assert_eq(cptrace_lane_depth(lane->writer), lane->depth);
}

static void check_open(const struct model_lane *lane, const struct cptrace_events *events)
{
    cr_assert_eq(events->open_count, lane->depth);
    for (size_t i = 0; i < lane->depth; i++) {
        cr_assert_eq(events->open[i].function, lane->stack[i].function);
        cr_assert_eq(events->open[i].activation, lane->stack[i].activation);
        cr_assert_eq(events->open[i].start_tick, lane->stack[i].start_tick);
    }
}

static void check_event(struct model *model, struct model_lane *lane, const struct cptrace_event *event,
                        const struct cptrace_activation_start **start)
{
    const struct model_event *const expected = &lane->events[lane->checked++];
    const bool reopened = event->op == CPTRACE_OP_REOPEN;
    cr_assert_eq(event->tick, expected->tick);
    cr_assert_eq(event->value, expected->value);
    cr_assert_eq(reopened ? CPTRACE_OP_RESUME : event->op, expected->op);
    switch (event->op) {
    case CPTRACE_OP_CALL:
        push(lane, (struct model_call){event->value, CPTRACE_NO_NUMBER, event->tick});
        break;
    case CPTRACE_OP_START:
    case CPTRACE_OP_REOPEN:
        cr_assert_eq((*start)->activation, event->value);
        cr_assert_eq((*start)->function, model->activations[event->value].function);
        cr_assert_eq((*start)->start_tick, model->activations[event->value].start_tick);
        (*start)++;
        push(lane, model->activations[event->value]);
        break;
    case CPTRACE_OP_RESUME:
        push(lane, model->activations[event->value]);
        break;
    case CPTRACE_OP_THROW:
        break;
    default:
        lane->depth--;
    }
}

static void check_block(struct model *model, const struct cptrace_block *block, struct cptrace_events *events)
{
    struct cptrace_error error = {0};
    cr_assert_eq(cptrace_events_decode(block, events, &error), CPTRACE_OK, "%s", error.message);
    struct model_lane *const lane = &model->lanes[events->lane];
    check_open(lane, events);
    cr_assert_leq(events->function_limit, FUNCTIONS);
    cr_assert_leq(lane->checked + events->event_count, lane->count);
    const struct cptrace_activation_start *start = events->starts;
    for (size_t i = 0; i < events->event_count; i++)
        check_event(model, lane, &events->events[i], &start);
    cr_assert_eq(start, events->starts + events->start_count);
}

static void run_random(uint64_t seed, uint32_t event_count, uint32_t block_event_count, uint32_t call_bias)
{
    struct model model = {.tick = 1000, .random = seed};
    struct memory_file file;
    struct cptrace_writer *const writer = memory_writer(&file, block_event_count);
    cptrace_writer_info(writer, NULL, 0);
    define_functions(writer, FUNCTIONS);
    for (int i = 0; i < LANES; i++) {
        model.lanes[i].writer = cptrace_writer_define_lane(writer, 100u + i, text("lane"));
        model.lanes[i].stack = malloc(STACK_MAX * sizeof *model.lanes[i].stack);
    }
    for (uint32_t i = 0; i < event_count; i++) {
        write_random_event(&model, writer, call_bias);
        if (random_below(&model, 5000) == 0)
            cptrace_writer_calibrate(writer, (struct cptrace_calibration){model.tick, 5000000 + (model.tick - 1000) * 4, model.tick});
    }
    uint64_t expected_events = 0;
    for (int i = 0; i < LANES; i++)
        expected_events += model.lanes[i].count;
    cr_assert_eq(cptrace_writer_event_count(writer), expected_events);
    cr_assert_eq(cptrace_writer_call_count(writer), model.calls);
    struct cptrace_error error;
    cr_assert_eq(cptrace_writer_finish(writer, (struct cptrace_calibration){model.tick, 1, 1}, NULL, 0, &error), CPTRACE_OK);
    cptrace_writer_free(writer);

    struct cptrace_reader *reader;
    cr_assert_eq(cptrace_reader_open_source(memory_source(&file), &reader, &error), CPTRACE_OK);
    for (int i = 0; i < LANES; i++)
        model.lanes[i].depth = 0;
    struct cptrace_block block;
    struct cptrace_events events = {0};
    enum cptrace_status status;
    while ((status = cptrace_reader_next(reader, &block, &error)) == CPTRACE_OK)
        if (block.kind == CPTRACE_BLOCK_EVENTS)
            check_block(&model, &block, &events);
    cr_assert_eq(status, CPTRACE_END, "%s", error.message);
    size_t damage_count;
    const struct cptrace_damage *const damage = cptrace_reader_damage(reader, &damage_count);
    cr_assert_eq(damage_count, 0, "%s", damage[0].error.message);
    cr_assert(cptrace_reader_has_index(reader));
    cr_assert_eq(cptrace_reader_end(reader)->event_count, expected_events);
    cr_assert_eq(cptrace_reader_end(reader)->call_count, model.calls);
    for (int i = 0; i < LANES; i++) {
        cr_assert_eq(model.lanes[i].checked, model.lanes[i].count);
        free(model.lanes[i].events);
        free(model.lanes[i].stack);
    }
    cptrace_events_free(&events);
    cptrace_reader_close(reader);
    free(model.activations);
    free(model.suspended);
    memory_file_free(&file);
}

Test(round_trip, shallow_stacks) { run_random(1, 60000, 0, 42); }

Test(round_trip, small_blocks)
{
    for (uint64_t seed = 2; seed < 30; seed++)
        run_random(seed, 2000, 1 + (uint32_t)seed % 7, 45);
}

Test(round_trip, deep_stacks) { run_random(31, 60000, 500, 70); }

Test(round_trip, nothing_called) { run_random(32, 0, 0, 50); }

/* More functions than one or two bytes of an op tell, and deltas on both sides of what a byte and what a pending event hold. */
Test(round_trip, every_length_of_op_and_delta)
{
    enum { FUNCTION_COUNT = 17000 };
    static const uint64_t deltas[] = {0, 1, 254, 255, 256, 300, (1 << 27) - 2, (1 << 27) - 1, 1 << 27, UINT64_C(1) << 40};
    struct memory_file file;
    struct cptrace_writer *const writer = memory_writer(&file, 0);
    define_functions(writer, FUNCTION_COUNT);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 1, text("lane"));
    uint64_t tick = 1000;
    for (uint32_t i = 0; i < FUNCTION_COUNT; i++) {
        cptrace_lane_call(lane, tick += deltas[i % 10], i);
        cptrace_lane_return(lane, tick += deltas[i / 10 % 10]);
    }
    cr_assert_eq(cptrace_writer_finish(writer, (struct cptrace_calibration){tick, 1, 1}, NULL, 0, NULL), CPTRACE_OK);
    cptrace_writer_free(writer);

    struct cptrace_reader *reader;
    struct cptrace_block block;
    struct cptrace_events events = {0};
    struct cptrace_error error = {0};
    cr_assert_eq(cptrace_reader_open_source(memory_source(&file), &reader, NULL), CPTRACE_OK);
    do
        cr_assert_eq(cptrace_reader_next(reader, &block, NULL), CPTRACE_OK);
    while (block.kind != CPTRACE_BLOCK_EVENTS);
    cr_assert_eq(cptrace_events_decode(&block, &events, &error), CPTRACE_OK, "%s", error.message);
    cr_assert_eq(events.event_count, 2 * FUNCTION_COUNT);
    tick = 1000;
    for (uint32_t i = 0; i < FUNCTION_COUNT; i++) {
        cr_assert_eq(events.events[2 * i].value, i);
        cr_assert_eq(events.events[2 * i].tick, tick += deltas[i % 10], "call %u", i);
        cr_assert_eq(events.events[2 * i + 1].tick, tick += deltas[i / 10 % 10], "return %u", i);
    }
    cptrace_events_free(&events);
    cptrace_reader_close(reader);
    memory_file_free(&file);
}

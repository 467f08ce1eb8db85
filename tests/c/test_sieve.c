/* What the sieve leaves out is told, and nothing else changes: its own times stay exact. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ring_bench.h"
#include "sieve.h"

static const struct cptrace_transcoder_options deep_2 = {.max_depth = 2};
static const struct cptrace_transcoder_options at_least_10 = {.min_call_ticks = 10};

static void wait_ticks(struct ring_bench *bench, uint64_t ticks) { bench->tick += ticks; }

static void define_three(struct ring_bench *bench)
{
    put_definition(bench, 0, "f");
    put_definition(bench, 1, "g");
    put_definition_as(bench, CPTRACE_RING_DEFINE, 2, "coroutine", CPTRACE_FUNCTION_COROUTINE);
}

static void expect_omitted(const struct ring_bench *bench, uint64_t count, uint64_t ticks)
{
    uint64_t found_count, found_ticks;
    cptrace_transcoder_omitted(bench->transcoder, &found_count, &found_ticks);
    cr_expect_eq(found_count, count, "%llu calls", (unsigned long long)found_count);
    cr_expect_eq(found_ticks, ticks, "%llu ticks", (unsigned long long)found_ticks);
}

Test(sieve, functions_that_are_left_out)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, 256);
    put_definition(&bench, 0, "f");
    put(&bench, CPTRACE_RING_CALL, 0); /* before anything is left out */
    put_definition_as(&bench, CPTRACE_RING_DEFINE_OMITTED, 1, "hidden", 0);
    put(&bench, CPTRACE_RING_CALL, 1);
    put_text(&bench, CPTRACE_RING_ARGUMENTS, "of a call that is not there");
    put(&bench, CPTRACE_RING_CALL, 0);
    wait_ticks(&bench, 9);
    put(&bench, CPTRACE_RING_RETURN, 0); /* 10 ticks, recorded */
    put(&bench, CPTRACE_RING_RETURN, 1); /* 13 - 10 */
    put(&bench, CPTRACE_RING_CALL, 1);
    put(&bench, CPTRACE_RING_UNWIND, 1); /* 1 */
    put(&bench, CPTRACE_RING_RETURN, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    expect_omitted(&bench, 2, 4);
    expect_ops(&bench, "(()-)");
}

Test(sieve, calls_that_are_too_deep)
{
    struct ring_bench bench;
    open_bench(&bench, &deep_2, 256);
    define_three(&bench);
    put(&bench, CPTRACE_RING_CALL, 0);
    put(&bench, CPTRACE_RING_CALL, 0);
    put(&bench, CPTRACE_RING_CALL, 1);
    put_pair(&bench, CPTRACE_RING_START, 2, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 2);
    put(&bench, CPTRACE_RING_RETURN, 1);
    put(&bench, CPTRACE_RING_RETURN, 0);
    put_pair(&bench, CPTRACE_RING_RESUME, 2, 0x7000); /* now it would not be too deep: it stays left out */
    put(&bench, CPTRACE_RING_RETURN, 2);
    put(&bench, CPTRACE_RING_CALL, 1);
    put(&bench, CPTRACE_RING_RETURN, 1);
    put(&bench, CPTRACE_RING_RETURN, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    expect_omitted(&bench, 2, 4);
    expect_ops(&bench, "((-)-())");
}

Test(sieve, calls_that_are_too_short)
{
    struct ring_bench bench;
    open_bench(&bench, &at_least_10, 256);
    define_three(&bench);
    put(&bench, CPTRACE_RING_CALL, 0);
    put(&bench, CPTRACE_RING_CALL, 1);
    put(&bench, CPTRACE_RING_RETURN, 1); /* 1 tick */
    put(&bench, CPTRACE_RING_CALL, 1);
    wait_ticks(&bench, 9);
    put(&bench, CPTRACE_RING_RETURN, 1); /* 10 */
    put(&bench, CPTRACE_RING_RETURN, 0);
    put(&bench, CPTRACE_RING_CALL, 0);
    put(&bench, CPTRACE_RING_UNWIND, 0); /* on the empty stack */
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    expect_omitted(&bench, 2, 2);
    expect_ops(&bench, "(-())-");
}

Test(sieve, what_is_always_written_brings_the_calls_below)
{
    const enum cptrace_ring_op texts[] = {CPTRACE_RING_MARK, CPTRACE_RING_ARGUMENTS, CPTRACE_RING_COUNTER};
    const char *const expected[] = {"((m))", "((a))", "((n))"};
    for (int i = 0; i < 3; i++) {
        struct ring_bench bench;
        open_bench(&bench, &at_least_10, 256);
        define_three(&bench);
        put(&bench, CPTRACE_RING_CALL, 0);
        put(&bench, CPTRACE_RING_CALL, 1);
        put_text(&bench, texts[i], "12345678");
        put(&bench, CPTRACE_RING_RETURN, 1);
        put(&bench, CPTRACE_RING_RETURN, 0);
        expect_ops(&bench, expected[i]);
    }
    struct ring_bench bench;
    open_bench(&bench, &at_least_10, 256);
    define_three(&bench);
    put_definition_as(&bench, CPTRACE_RING_DEFINE, 3, "span", CPTRACE_FUNCTION_SPAN);
    put(&bench, CPTRACE_RING_CALL, 0);
    put_pair(&bench, CPTRACE_RING_START, 2, 0x7000);
    put(&bench, CPTRACE_RING_SUSPEND, 2);
    put(&bench, CPTRACE_RING_RETURN, 0);
    put(&bench, CPTRACE_RING_CALL, 0);
    put_pair(&bench, CPTRACE_RING_THROW, 2, 0x7000);
    put(&bench, CPTRACE_RING_UNWIND, 2);
    put(&bench, CPTRACE_RING_RETURN, 0);
    put(&bench, CPTRACE_RING_CALL, 0);
    put(&bench, CPTRACE_RING_SPAN_BEGIN, 3);
    put(&bench, CPTRACE_RING_SPAN_END, 3);
    put(&bench, CPTRACE_RING_RETURN, 0);
    expect_ops(&bench, "(sz)(rt!)(s))");
}

Test(sieve, cpu_times_stay_in_order_and_bring_nothing)
{
    struct ring_bench bench;
    open_bench(&bench, &at_least_10, 256);
    define_three(&bench);
    put(&bench, CPTRACE_RING_CALL, 0);
    put_pair(&bench, CPTRACE_RING_CPU, 1, 0);
    put(&bench, CPTRACE_RING_RETURN, 0); /* short: the cpu time stands alone */
    put(&bench, CPTRACE_RING_CALL, 0);
    put_pair(&bench, CPTRACE_RING_CPU, 2, 0);
    put(&bench, CPTRACE_RING_CALL, 1);
    put_pair(&bench, CPTRACE_RING_CPU, 3, 0);
    put(&bench, CPTRACE_RING_RETURN, 1);
    wait_ticks(&bench, 20);
    put(&bench, CPTRACE_RING_RETURN, 0);
    expect_ops(&bench, "u-(uu-)");
}

/* What is held back lives in the sieve, and in the checkpoint: the ring goes on. */
Test(sieve, pending_calls_do_not_keep_their_slots)
{
    struct ring_bench bench;
    open_bench(&bench, &at_least_10, 256);
    define_three(&bench);
    put(&bench, CPTRACE_RING_CALL, 0);
    put(&bench, CPTRACE_RING_CALL, 1);
    put(&bench, CPTRACE_RING_RETURN, 1);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    cr_expect_eq(atomic_load(&bench.ring->tail), atomic_load(&bench.ring->head));
    wait_ticks(&bench, 8);
    put(&bench, CPTRACE_RING_CALL, 1); /* shows that f has lasted 10 ticks */
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    put(&bench, CPTRACE_RING_RETURN, 1);
    put(&bench, CPTRACE_RING_RETURN, 0);
    expect_ops(&bench, "(--)");
}

/* However many CPU times come while a call is held back: the last one counts. */
Test(sieve, pending_cpu_times_are_bounded)
{
    struct ring_bench bench;
    open_bench(&bench, &(struct cptrace_transcoder_options){.min_call_ticks = 1000000}, 64);
    put_definition(&bench, 0, "f");
    put(&bench, CPTRACE_RING_CALL, 0);
    for (unsigned i = 0; i < 2 * SIEVE_CPUS_MAX; i++) {
        put_pair(&bench, CPTRACE_RING_CPU, i, i);
        cr_assert_eq(drain(&bench), CPTRACE_OK);
    }
    wait_ticks(&bench, 1000000);
    put(&bench, CPTRACE_RING_RETURN, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    cr_expect_eq(cptrace_writer_event_count(bench.writer), 2 + SIEVE_CPUS_MAX);
    close_bench(&bench);
}

Test(sieve, finish_hands_over_what_is_held_back)
{
    struct ring_bench bench;
    open_bench(&bench, &at_least_10, 256);
    define_three(&bench);
    put_definition_as(&bench, CPTRACE_RING_DEFINE_OMITTED, 3, "hidden", 0);
    put(&bench, CPTRACE_RING_CALL, 0);
    put(&bench, CPTRACE_RING_CALL, 3);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    cptrace_transcoder_finish(bench.transcoder, bench.tick + 5);
    expect_omitted(&bench, 1, 5);
    expect_ops(&bench, "(-");
}

/* ---- random runs: the filtered file against the whole one ---- */

#define CALLS_MAX 4000

struct told_call {
    uint64_t start, end, self, running;
    uint64_t omitted_count, omitted_ticks;
    bool plain;
};

struct told {
    struct told_call calls[CALLS_MAX];
    size_t call_count;
    uint64_t omitted_count, omitted_ticks; /* all, those below no call included */
};

struct told_slice {
    size_t call;
    uint32_t activation;
    uint64_t start, inner;
};

struct told_stack {
    struct told_slice slices[CALLS_MAX];
    size_t depth;
    size_t calls_of[CALLS_MAX]; /* by activation */
};

static void tell_push(struct told *told, struct told_stack *stack, uint64_t tick, uint32_t activation, bool begins)
{
    size_t call = begins ? told->call_count++ : stack->calls_of[activation];
    if (begins)
        told->calls[call] = (struct told_call){.start = tick, .plain = activation == CPTRACE_NO_NUMBER};
    if (activation != CPTRACE_NO_NUMBER)
        stack->calls_of[activation] = call;
    stack->slices[stack->depth++] = (struct told_slice){call, activation, tick, 0};
}

static void tell_pop(struct told *told, struct told_stack *stack, uint64_t tick)
{
    const struct told_slice slice = stack->slices[--stack->depth];
    struct told_call *call = &told->calls[slice.call];
    call->end = tick;
    call->running += tick - slice.start;
    call->self += tick - slice.start - slice.inner;
    if (stack->depth)
        stack->slices[stack->depth - 1].inner += tick - slice.start;
}

static void tell_omitted(struct told *told, struct told_stack *stack, const struct cptrace_annotation *omitted)
{
    told->omitted_count += omitted->omitted_count;
    told->omitted_ticks += omitted->omitted_ticks;
    if (stack->depth <= omitted->levels)
        return;
    struct told_slice *slice = &stack->slices[stack->depth - 1 - omitted->levels];
    told->calls[slice->call].omitted_count += omitted->omitted_count;
    told->calls[slice->call].omitted_ticks += omitted->omitted_ticks;
    slice->inner += omitted->omitted_ticks; /* not its own */
}

static void tell_event(struct told *told, struct told_stack *stack, const struct cptrace_events *events, const struct cptrace_event *event)
{
    switch (event->op) {
    case CPTRACE_OP_CALL:
        tell_push(told, stack, event->tick, CPTRACE_NO_NUMBER, true);
        break;
    case CPTRACE_OP_START:
        tell_push(told, stack, event->tick, event->value, true);
        break;
    case CPTRACE_OP_RESUME:
    case CPTRACE_OP_REOPEN:
        tell_push(told, stack, event->tick, event->value, false);
        break;
    case CPTRACE_OP_RETURN:
    case CPTRACE_OP_UNWIND:
    case CPTRACE_OP_SUSPEND:
        tell_pop(told, stack, event->tick);
        break;
    case CPTRACE_ANNOTATION_OMITTED:
    case CPTRACE_ANNOTATION_OMITTED_OUTER:
        tell_omitted(told, stack, &events->annotations[event->value]);
        break;
    default:
        break;
    }
}

/* Calls that are open at the end end then. */
static struct told *read_told(struct ring_bench *bench)
{
    struct told *told = calloc(1, sizeof *told);
    struct told_stack *stack = calloc(1, sizeof *stack);
    cr_assert_eq(cptrace_writer_finish(bench->writer, (struct cptrace_calibration){bench->tick + 1, 100000, 1}, NULL, 0, NULL), CPTRACE_OK);
    struct cptrace_reader *reader;
    cr_assert_eq(cptrace_reader_open_source(memory_source(&bench->file), &reader, NULL), CPTRACE_OK);
    struct cptrace_block block;
    struct cptrace_events events = {0};
    while (cptrace_reader_next(reader, &block, NULL) == CPTRACE_OK) {
        if (block.kind != CPTRACE_BLOCK_EVENTS)
            continue;
        cr_assert_eq(cptrace_events_decode(&block, &events, NULL), CPTRACE_OK);
        for (size_t i = 0; i < events.event_count; i++)
            tell_event(told, stack, &events, &events.events[i]);
    }
    while (stack->depth)
        tell_pop(told, stack, bench->tick);
    cptrace_events_free(&events);
    cptrace_reader_close(reader);
    free(stack);
    return told;
}

/* One random run: functions 0 to 3 are plain, 4 and 5 coroutines, each with frames of its own. Odd ones can be left out. */
struct scenario {
    uint32_t seed;
    bool leave_out_odd, ends_open;
    struct cptrace_transcoder_options options;
    uint32_t drain_every;
};

static uint32_t random_below(uint32_t *state, uint32_t limit)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % limit;
}

static void put_random_event(struct ring_bench *bench, uint32_t *state, uint32_t *stack, size_t *depth, uint8_t *alive, bool winding_up)
{
    bench->tick += random_below(state, 10) == 0 ? random_below(state, 60) : random_below(state, 4);
    const uint32_t choice = winding_up ? 9 : random_below(state, 10);
    if (choice < 4 && *depth < 40) {
        stack[(*depth)++] = random_below(state, 4);
        put(bench, CPTRACE_RING_CALL, stack[*depth - 1]);
    } else if (choice == 4 && *depth < 40) {
        const uint32_t frame = random_below(state, 16);
        if (alive[frame] == 2) /* on the stack */
            return;
        put_pair(bench, alive[frame] ? CPTRACE_RING_RESUME : CPTRACE_RING_START, 4 + frame % 2, 0x1000 + frame * 16);
        alive[frame] = 2;
        stack[(*depth)++] = 100 + frame;
    } else if (choice == 5 && random_below(state, 8) == 0) {
        put_text(bench, CPTRACE_RING_MARK, "mark");
    } else if (choice == 5) {
        put_pair(bench, CPTRACE_RING_CPU, bench->tick, 0);
    } else if (*depth > 0) {
        const uint32_t top = stack[--*depth];
        if (top < 100) {
            put(bench, CPTRACE_RING_RETURN, top);
            return;
        }
        const bool suspends = !winding_up && random_below(state, 3) > 0;
        put(bench, suspends ? CPTRACE_RING_SUSPEND : CPTRACE_RING_RETURN, 4 + (top - 100) % 2);
        alive[top - 100] = suspends;
    }
}

/* The same events for every scenario of a seed. */
static struct told *run_scenario(const struct scenario *scenario, uint64_t *omitted_count, uint64_t *omitted_ticks)
{
    struct ring_bench bench;
    open_bench(&bench, &scenario->options, 16384);
    for (uint32_t i = 0; i < 6; i++) {
        const bool left_out = scenario->leave_out_odd && i % 2;
        put_definition_as(&bench, left_out ? CPTRACE_RING_DEFINE_OMITTED : CPTRACE_RING_DEFINE, i, "f",
                          i < 4 ? 0 : CPTRACE_FUNCTION_COROUTINE);
    }
    uint32_t state = scenario->seed, stack[64];
    uint8_t alive[16] = {0};
    size_t depth = 0;
    const uint32_t event_count = scenario->ends_open ? 2000 + scenario->seed * 7 : 3000;
    for (uint32_t i = 0; i < event_count || (depth > 0 && !scenario->ends_open); i++) {
        put_random_event(&bench, &state, stack, &depth, alive, i >= event_count);
        if (i % scenario->drain_every == 0)
            cr_assert_eq(drain(&bench), CPTRACE_OK);
    }
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    cptrace_transcoder_finish(bench.transcoder, bench.tick);
    cptrace_transcoder_omitted(bench.transcoder, omitted_count, omitted_ticks);
    struct told *told = read_told(&bench);
    close_bench(&bench);
    return told;
}

static const struct told_call *find_call(const struct told *told, uint64_t start)
{
    for (size_t i = 0; i < told->call_count; i++)
        if (told->calls[i].start == start)
            return &told->calls[i];
    return NULL;
}

static uint64_t sum_of_self(const struct told *told)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < told->call_count; i++)
        sum += told->calls[i].self;
    return sum;
}

static void compare(const struct told *whole, const struct told *part, const struct scenario *scenario)
{
    cr_expect_leq(part->call_count, whole->call_count);
    cr_expect_eq(part->call_count + part->omitted_count, whole->call_count, "seed %u", scenario->seed);
    cr_expect_eq(sum_of_self(part) + part->omitted_ticks, sum_of_self(whole), "seed %u", scenario->seed);
    for (size_t i = 0; i < part->call_count; i++) {
        const struct told_call *const call = &part->calls[i], *const right = find_call(whole, call->start);
        cr_assert(right, "a call that the whole run does not have");
        cr_assert_eq(call->end, right->end);
        cr_assert_eq(call->running, right->running);
        cr_assert_eq(call->self, right->self, "seed %u: self %llu, expected %llu", scenario->seed, (unsigned long long)call->self,
                     (unsigned long long)right->self);
    }
    const bool short_only = scenario->options.min_call_ticks && !scenario->options.max_depth && !scenario->leave_out_odd;
    for (size_t i = 0; short_only && i < whole->call_count; i++) {
        const struct told_call *const call = &whole->calls[i];
        if (!call->plain || call->end - call->start >= scenario->options.min_call_ticks)
            cr_assert(find_call(part, call->start), "a call that is long enough, or an activation, is missing");
    }
}

static void add_up(uint32_t seed, bool ends_open)
{
    static const struct scenario filters[] = {
        {.leave_out_odd = true},
        {.options.max_depth = 1},
        {.options.max_depth = 5},
        {.options.min_call_ticks = 1},
        {.options.min_call_ticks = 7},
        {.options.min_call_ticks = 100},
        {.options.min_call_ticks = 12, .options.max_depth = 6, .leave_out_odd = true},
    };
    uint64_t count, ticks;
    struct told *whole = run_scenario(&(struct scenario){.seed = seed, .drain_every = 50, .ends_open = ends_open}, &count, &ticks);
    cr_assert_eq(count + whole->omitted_count, 0);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        struct scenario scenario = filters[i];
        scenario.seed = seed;
        scenario.drain_every = 1 + seed * 40;
        scenario.ends_open = ends_open;
        struct told *part = run_scenario(&scenario, &count, &ticks);
        cr_expect_eq(part->omitted_count, count);
        cr_expect_eq(part->omitted_ticks, ticks);
        compare(whole, part, &scenario);
        free(part);
    }
    free(whole);
}

Test(sieve, random_runs_add_up_exactly)
{
    for (uint32_t seed = 1; seed <= 6; seed++)
        add_up(seed, false);
}

Test(sieve, random_runs_that_end_anywhere_add_up_exactly)
{
    for (uint32_t seed = 1; seed <= 40; seed++)
        add_up(seed, true);
}

/* f 2002.. { hidden 2003.. { g 2010.. { hidden 2011..2013, hidden 2014.. { f 2016.. } } } }, until 2020. */
Test(sieve, left_out_calls_that_are_open_below_recorded_ones)
{
    struct ring_bench bench;
    open_bench(&bench, NULL, 256);
    bench.tick = 1997;
    put_definition(&bench, 0, "f");
    put_definition(&bench, 1, "g");
    put_definition_as(&bench, CPTRACE_RING_DEFINE_OMITTED, 2, "hidden", 0);
    wait_ticks(&bench, 1);
    put(&bench, CPTRACE_RING_CALL, 0);
    put(&bench, CPTRACE_RING_CALL, 2);
    wait_ticks(&bench, 6);
    put(&bench, CPTRACE_RING_CALL, 1);
    put(&bench, CPTRACE_RING_CALL, 2);
    wait_ticks(&bench, 1);
    put(&bench, CPTRACE_RING_RETURN, 2);
    put(&bench, CPTRACE_RING_CALL, 2);
    wait_ticks(&bench, 1);
    put(&bench, CPTRACE_RING_CALL, 0);
    cr_assert_eq(drain(&bench), CPTRACE_OK);
    bench.tick = 2020;
    cptrace_transcoder_finish(bench.transcoder, bench.tick);
    expect_omitted(&bench, 3, 7 + 2 + 2);
    struct told *const told = read_told(&bench);
    static const struct told_call expected[] = {
        {.start = 2002, .end = 2020, .self = 1, .running = 18, .omitted_count = 1, .omitted_ticks = 7, .plain = true},
        {.start = 2010, .end = 2020, .self = 2, .running = 10, .omitted_count = 2, .omitted_ticks = 4, .plain = true},
        {.start = 2016, .end = 2020, .self = 4, .running = 4, .plain = true},
    };
    cr_assert_eq(told->call_count, 3);
    for (size_t i = 0; i < 3; i++)
        cr_expect_eq(memcmp(&told->calls[i], &expected[i], sizeof *expected), 0, "call %zu: self %llu, left out %llu of %llu ticks", i,
                     (unsigned long long)told->calls[i].self, (unsigned long long)told->calls[i].omitted_count,
                     (unsigned long long)told->calls[i].omitted_ticks);
    free(told);
    close_bench(&bench);
}

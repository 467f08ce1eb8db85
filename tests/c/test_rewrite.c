/* Traces written anew: every call is what it was, several processes stand where their clocks say, nothing private is left. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "replay_model.h"
#include "rewrite/process_pairs.h"
#include "rewrite/rewrite.h"

enum { CALLS_MAX = 20000 };

struct output {
    FILE *file;
    char *path;
};

static int append_to_file(void *context, const void *bytes, size_t length)
{
    return fwrite(bytes, 1, length, context) == length ? 0 : errno;
}

static struct output open_output(void)
{
    struct output output;
    output.file = platform_temporary_file(NULL, &output.path);
    cr_assert(output.file);
    return output;
}

static void remove_output(struct output *output)
{
    platform_remove_file(output->path);
    free(output->path);
}

static struct trace *open_trace(const char *path)
{
    struct trace *trace;
    struct cptrace_error error = {0};
    cr_assert_eq(trace_open(path, &trace, &error), CPTRACE_OK, "%s", error.message);
    return trace;
}

static struct rewrite *begin(struct output *output, const struct trace *trace, const struct timeline *timeline,
                             const struct redaction *redaction)
{
    struct rewrite *rewrite;
    struct cptrace_error error = {0};
    const struct rewrite_options options = {
        .sink = {append_to_file, output->file},
        .run_id = trace_facts(trace)->header->run_id,
        .start_ns = trace_facts(trace)->header->start.monotonic_ns,
        .timeline = timeline,
        .redaction = redaction,
    };
    cr_assert_eq(rewrite_create(&options, &rewrite, &error), CPTRACE_OK, "%s", error.message);
    return rewrite;
}

static void finish(struct rewrite *rewrite, struct output *output, uint64_t end_ns)
{
    struct cptrace_error error = {0};
    cr_assert_eq(rewrite_finish(rewrite, end_ns, NULL, 0, &error), CPTRACE_OK, "%s", error.message);
    rewrite_free(rewrite);
    cr_assert_eq(fclose(output->file), 0);
}

static struct output copy(const char *path, const struct redaction *redaction)
{
    struct output output = open_output();
    struct trace *const trace = open_trace(path);
    struct timeline timeline;
    struct cptrace_error error = {0};
    cr_assert(timeline_init(&timeline, trace));
    struct rewrite *const rewrite = begin(&output, trace, &timeline, redaction);
    const struct rewrite_input input = {.trace = trace, .owns_timeline = true};
    cr_assert_eq(rewrite_add(rewrite, &input, &error), CPTRACE_OK, "%s", error.message);
    const struct trace_facts *const facts = trace_facts(trace);
    finish(rewrite, &output, facts->header->start.monotonic_ns + facts->wall_ns);
    timeline_free(&timeline);
    trace_close(trace);
    return output;
}

/* --- the same calls --- */

struct listing {
    struct replay_call *calls; /* strings are gone */
    size_t count;
    uint64_t moments; /* a sum over marks and counters */
};

static int collect(void *context, const struct replay_call *call)
{
    struct listing *const listing = context;
    cr_assert_lt(listing->count, CALLS_MAX);
    listing->calls[listing->count] = *call;
    listing->calls[listing->count].arguments = (struct cptrace_string){NULL, call->arguments.length};
    ++listing->count;
    return 0;
}

static int collect_mark(void *context, const struct replay_mark *mark)
{
    ((struct listing *)context)->moments += mark->time_ns * 3 + mark->call_id + mark->text.length;
    return 0;
}

static int collect_counter(void *context, const struct replay_counter *counter)
{
    ((struct listing *)context)->moments += counter->time_ns * 5 + counter->call_id + (uint64_t)(counter->value * 2) + counter->name.length;
    return 0;
}

static struct listing list(const char *path)
{
    struct listing listing = {.calls = calloc(CALLS_MAX, sizeof *listing.calls)};
    const struct replay_visitor visitor = {.context = &listing, .leave = collect, .mark = collect_mark, .counter = collect_counter};
    struct trace *const trace = open_trace(path);
    struct replay_result result;
    cr_assert_eq(trace_replay(trace, &visitor, 1, NULL, NULL, &result, NULL), 0);
    cr_assert(trace_facts(trace)->complete);
    cr_assert(trace_facts(trace)->has_index);
    trace_close(trace);
    return listing;
}

/* But for the function, whose number may be another. */
static void check_same_call(const struct replay_call *a, const struct replay_call *b, uint64_t later_ns)
{
    cr_assert_eq(a->start_ns, b->start_ns + later_ns);
    cr_assert_eq(a->end_ns, b->end_ns + later_ns);
    cr_assert_eq(a->self_ns, b->self_ns);
    cr_assert_eq(a->running_ns, b->running_ns);
    cr_assert_eq(a->slice_count, b->slice_count);
    cr_assert_eq(a->outcome, b->outcome);
    cr_assert_eq(a->waiting_ns, b->waiting_ns);
    cr_assert_eq(a->self_waiting_ns, b->self_waiting_ns);
    cr_assert_eq(a->omitted_ns, b->omitted_ns);
    cr_assert_eq(a->omitted_call_count, b->omitted_call_count);
    cr_assert_eq(a->has_arguments, b->has_arguments);
    cr_assert_eq(a->arguments.length, b->arguments.length);
}

static void check_same_calls(const char *path, const char *copied_path)
{
    struct listing original = list(path), copied = list(copied_path);
    cr_assert_eq(original.count, copied.count);
    for (size_t i = 0; i < original.count; ++i) {
        cr_assert_eq(copied.calls[i].id, original.calls[i].id);
        cr_assert_eq(copied.calls[i].parent_id, original.calls[i].parent_id);
        cr_assert_eq(copied.calls[i].lane, original.calls[i].lane);
        check_same_call(&copied.calls[i], &original.calls[i], 0);
    }
    cr_assert_eq(copied.moments, original.moments);
    free(original.calls);
    free(copied.calls);
}

Test(rewrite, a_copy_has_the_same_calls)
{
    static const uint32_t block_sizes[] = {1, 7, 64, 0};
    for (uint32_t seed = 1; seed <= 12; ++seed) {
        struct model *const model = model_make_run(seed * 7919, 3000, block_sizes[seed % 4], seed % 3);
        struct output output = copy(model->path, NULL);
        check_same_calls(model->path, output.path);
        remove_output(&output);
        model_free(model);
    }
}

/* A clock that runs unevenly: the points are kept, and with them the times, to the ns. */
Test(rewrite, calibration_is_kept)
{
    struct model *const model = model_begin(5);
    uint64_t monotonic_ns = 0;
    for (uint64_t i = 1; i < 300; ++i) {
        const uint64_t tick = i * 1000;
        cptrace_lane_call(model->lanes[i % 2].writer, tick - 400 - i, 0);
        if (i % 4)
            cptrace_lane_return(model->lanes[i % 2].writer, tick - 333);
        if (i % 10)
            continue;
        monotonic_ns += 100000 + i * 37;
        cptrace_writer_flush(model->writer, NULL);
        cptrace_writer_calibrate(model->writer, (struct cptrace_calibration){tick, monotonic_ns, i * 977});
    }
    model->tick = 301000;
    model_finish(model);
    struct output output = copy(model->path, NULL);
    check_same_calls(model->path, output.path);
    remove_output(&output);
    model_free(model);
}

/* --- calibration points and deep stacks --- */

enum { POINT_COUNT = 600, POINT_TICKS = 100 };

/* Points of blocks on one lane, between the events of another that is deep in calls. With from_start, the blocks have no events of that
 * time. */
static void write_points_over(struct cptrace_writer *writer, uint32_t depth, bool from_start)
{
    struct cptrace_lane_writer *const deep = cptrace_writer_define_lane(writer, 1, (struct cptrace_string){"deep", 4});
    struct cptrace_lane_writer *const other = cptrace_writer_define_lane(writer, 2, (struct cptrace_string){"other", 5});
    for (uint64_t i = 1; i <= POINT_COUNT; ++i) {
        const uint64_t tick = i * POINT_TICKS;
        cptrace_writer_calibrate(writer, (struct cptrace_calibration){tick, tick * 4, tick * 4});
        cptrace_lane_call(other, from_start ? 1 : tick, 0);
        cptrace_lane_return(other, from_start ? 1 : tick);
        cptrace_writer_flush(writer, NULL);
    }
    for (uint32_t i = 0; i < depth; ++i)
        cptrace_lane_call(deep, 1, 0);
    for (uint64_t i = 1; i <= POINT_COUNT; ++i) {
        cptrace_lane_call(deep, i * POINT_TICKS + POINT_TICKS / 2, 0);
        cptrace_lane_return(deep, i * POINT_TICKS + POINT_TICKS / 2);
    }
}

static struct output points_over(uint32_t depth, bool from_start)
{
    struct output output = open_output();
    struct cptrace_error error;
    const struct cptrace_function function = {.file = CPTRACE_NO_NUMBER, .category = CPTRACE_CATEGORY_USER};
    const struct cptrace_writer_options options = {.file_id = 9, .ns_per_tick_q32 = (uint64_t)4 << 32, .block_event_count = 1u << 22};
    struct cptrace_writer *const writer = cptrace_writer_create((struct cptrace_sink){append_to_file, output.file}, &options, &error);
    cr_assert(writer);
    cptrace_writer_define_function(writer, &function);
    write_points_over(writer, depth, from_start);
    const uint64_t end_tick = (POINT_COUNT + 1) * POINT_TICKS;
    const struct cptrace_calibration end = {end_tick, end_tick * 4, end_tick * 4};
    cr_assert_eq(cptrace_writer_finish(writer, end, NULL, 0, &error), CPTRACE_OK);
    cptrace_writer_free(writer);
    cr_assert_eq(fclose(output.file), 0);
    return output;
}

static uint64_t count_open(const char *path)
{
    struct cptrace_reader *reader;
    struct cptrace_block block;
    uint64_t count = 0;
    cr_assert_eq(cptrace_reader_open(path, &reader, NULL), CPTRACE_OK);
    while (cptrace_reader_next(reader, &block, NULL) == CPTRACE_OK)
        count += block.kind == CPTRACE_BLOCK_EVENTS ? cptrace_events_open_count(&block) : 0;
    cptrace_reader_close(reader);
    return count;
}

static size_t count_points(const char *path)
{
    struct trace *const trace = open_trace(path);
    struct timeline timeline;
    cr_assert(timeline_init(&timeline, trace));
    const size_t count = timeline.count;
    timeline_free(&timeline);
    trace_close(trace);
    return count;
}

Test(rewrite, points_are_kept_beside_a_deep_stack)
{
    enum { DEPTH = 100000 };
    struct output read = points_over(DEPTH, false);
    struct output written = copy(read.path, NULL);
    cr_assert_eq(count_points(written.path), count_points(read.path));
    cr_assert_leq(count_open(written.path), 4 * DEPTH);
    remove_output(&read);
    remove_output(&written);
}

/* Where only the deep stack could take them: a few, and then it ends. */
Test(rewrite, points_far_from_their_blocks_are_refused)
{
    struct output read = points_over(300000, true), written = open_output();
    struct trace *const trace = open_trace(read.path);
    struct timeline timeline;
    struct cptrace_error error = {0};
    cr_assert(timeline_init(&timeline, trace));
    struct rewrite *const rewrite = begin(&written, trace, &timeline, NULL);
    const struct rewrite_input input = {.trace = trace, .owns_timeline = true};
    cr_assert_eq(rewrite_add(rewrite, &input, &error), CPTRACE_CORRUPT);
    cr_assert_str_eq(error.message, "too many calibration points far from their blocks of events");
    rewrite_free(rewrite);
    cr_assert_eq(fclose(written.file), 0);
    timeline_free(&timeline);
    trace_close(trace);
    remove_output(&read);
    remove_output(&written);
}

/* --- several processes --- */

static struct output merge(const char *first_path, const char *other_path, uint64_t other_start_ns)
{
    struct output output = open_output();
    struct trace *const first = open_trace(first_path), *const other = open_trace(other_path);
    struct timeline timeline;
    struct cptrace_error error = {0};
    cr_assert(timeline_init(&timeline, first));
    struct rewrite *const rewrite = begin(&output, first, &timeline, NULL);
    const struct rewrite_input inputs[] = {
        {.trace = first, .owns_timeline = true, .lane_owner = "pid 1"},
        {.trace = other, .start_ns = other_start_ns, .lane_owner = "pid 2"},
    };
    for (int i = 0; i < 2; ++i)
        cr_assert_eq(rewrite_add(rewrite, &inputs[i], &error), CPTRACE_OK, "%s", error.message);
    const uint64_t first_end_ns = trace_facts(first)->header->start.monotonic_ns + trace_facts(first)->wall_ns;
    const uint64_t other_end_ns = other_start_ns + trace_facts(other)->wall_ns;
    finish(rewrite, &output, first_end_ns > other_end_ns ? first_end_ns : other_end_ns);
    timeline_free(&timeline);
    trace_close(first);
    trace_close(other);
    return output;
}

static int compare_start(const void *left, const void *right)
{
    const struct replay_call *const a = left, *const b = right;
    if (a->lane != b->lane)
        return a->lane < b->lane ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* The finished calls of one process, by lane and start; the others reach to the end of the merged trace. */
static size_t finished_of(struct listing *listing, uint32_t first_lane)
{
    size_t count = 0;
    for (size_t i = 0; i < listing->count; ++i) {
        struct replay_call call = listing->calls[i];
        if (call.outcome == REPLAY_UNFINISHED || call.lane < first_lane || call.lane >= first_lane + MODEL_LANES)
            continue;
        call.lane -= first_lane;
        listing->calls[count++] = call;
    }
    qsort(listing->calls, count, sizeof *listing->calls, compare_start);
    return count;
}

static void check_process(const char *merged_path, const char *path, uint32_t first_lane, uint64_t later_ns)
{
    struct listing merged = list(merged_path), own = list(path);
    const size_t count = finished_of(&merged, first_lane);
    cr_assert_eq(count, finished_of(&own, 0));
    cr_assert_gt(count, 50);
    for (size_t i = 0; i < count; ++i)
        check_same_call(&merged.calls[i], &own.calls[i], later_ns);
    free(merged.calls);
    free(own.calls);
}

Test(rewrite, merged_processes_keep_their_calls)
{
    for (uint32_t seed = 1; seed <= 6; ++seed) {
        struct model *const first = model_make_run(seed * 7919, 1000, seed * 9, true), *const other =
                                                                                           model_make_run(seed * 31337, 800, 0, true);
        struct output output = merge(first->path, other->path, seed * 1000);
        check_process(output.path, first->path, 0, 0);
        check_process(output.path, other->path, MODEL_LANES, seed * 1000);
        struct trace *const trace = open_trace(output.path);
        const struct cptrace_definitions *const definitions = trace_facts(trace)->definitions;
        cr_assert_eq(definitions->lane_count, 2 * MODEL_LANES);
        cr_assert_eq(definitions->function_count, MODEL_FUNCTIONS, "the same functions are defined once");
        trace_close(trace);
        remove_output(&output);
        model_free(first);
        model_free(other);
    }
}

/* --- the timeline --- */

#define FAR_AWAY UINT64_C(1000000000000)

/* UTC 50000..52000 for 1000..3000 ns, then set back to 41000, then forward to 92000 at 4000. */
Test(timeline, steps_of_the_clock)
{
    struct cptrace_calibration points[] = {{0, 1000, 50000}, {1000, 2000, 51000}, {2000, 3000, 41000}, {3000, 4000, 92000}};
    const struct timeline timeline = {points, 4, UINT64_C(1) << 32};
    cr_expect_eq(timeline_utc_ns(&timeline, 1500), 50500);
    cr_expect_eq(timeline_utc_ns(&timeline, 2999), 51999);
    cr_expect_eq(timeline_utc_ns(&timeline, 3000), 41000);
    cr_expect_eq(timeline_place(&timeline, 50500, FAR_AWAY), 1500);
    cr_expect_eq(timeline_place(&timeline, 41500, FAR_AWAY), 3500);
    cr_expect_eq(timeline_place(&timeline, 92700, FAR_AWAY), 4700);
    cr_expect_eq(timeline_place(&timeline, 60000, FAR_AWAY), 4000, "a UTC that never was: where the clock was set over it");
    cr_expect_eq(timeline_place(&timeline, 49000, FAR_AWAY), 0, "before the start");
    cr_expect_eq(timeline_tick(&timeline, 1500), 500);
    cr_expect_eq(timeline_tick(&timeline, 4500), 3500);
    cr_expect_eq(timeline_tick(&timeline, 400), 0);
}

Test(timeline, of_two_moments_with_one_utc_the_hint_decides)
{
    const uint64_t ms = 1000000;
    struct cptrace_calibration points[] = {{0, 0, 1000 * ms}, {5000, 5000 * ms, 1000 * ms}};
    const struct timeline timeline = {points, 2, ms << 32};
    cr_expect_eq(timeline_place(&timeline, 3000 * ms, 1900 * ms), 2000 * ms);
    cr_expect_eq(timeline_place(&timeline, 3000 * ms, 7100 * ms), 7000 * ms);
    cr_expect_eq(timeline_place(&timeline, 3000 * ms, 7000 * ms + 99), 7000 * ms + 99, "the same clock, read at almost the same time");
}

Test(timeline, ticks_rise_with_time)
{
    struct cptrace_calibration points[] = {{100, 1000, 0}, {433, 2000, 0}, {433 + 7, 3000, 0}, {500, 3000 + 11, 0}};
    const struct timeline timeline = {points, 4, UINT64_C(3) << 32};
    uint64_t before = 0;
    for (uint64_t ns = 500; ns < 6000; ++ns) {
        const uint64_t tick = timeline_tick(&timeline, ns);
        cr_assert_geq(tick, before);
        before = tick;
    }
    for (size_t i = 0; i < 4; ++i)
        cr_assert_eq(timeline_tick(&timeline, points[i].monotonic_ns), points[i].ticks);
}

/* --- redaction --- */

static void expect_path(const char *path, const char *module, const char *kept)
{
    const struct cptrace_string found =
        redaction_path((struct cptrace_string){path, (uint32_t)strlen(path)}, (struct cptrace_string){module, (uint32_t)strlen(module)});
    cr_expect(found.length == strlen(kept) && memcmp(found.bytes, kept, found.length) == 0, "%s of %s: expected %s, found %.*s", path,
              module, kept, (int)found.length, found.bytes);
}

Test(redaction, paths)
{
    expect_path("/home/me/app.py", "__main__", "app.py");
    expect_path("/home/me/app.py", "app", "app.py");
    expect_path("/site-packages/requests/api.py", "requests.api", "requests/api.py");
    expect_path("/site-packages/requests/__init__.py", "requests", "requests/__init__.py");
    expect_path("/home/me/a/b/__init__.py", "a.b", "a/b/__init__.py");
    expect_path("C:\\Users\\me\\a\\b.py", "a.b", "a\\b.py");
    expect_path("a/b.py", "a.b", "a/b.py");
    expect_path("b.py", "a.b", "b.py");
    expect_path("/home/me/other/b.py", "a.b", "b.py");
    expect_path("/home/me/__init__.py", "", "__init__.py");
    expect_path("__init__.py", "x", "__init__.py");
    expect_path("<string>", "x", "<string>");
    expect_path("<frozen importlib._bootstrap>", "importlib._bootstrap", "<frozen importlib._bootstrap>");
    expect_path("/", "a", "");
    expect_path("", "a.b.c", "");
    expect_path("/home/me/a.b/c.py", "b.c", "c.py");
}

static bool keeps(const struct redaction *redaction, const char *key)
{
    return redaction_keeps(redaction, (struct cptrace_string){key, (uint32_t)strlen(key)});
}

static struct cptrace_info_pair pair_of(const char *key, const char *value)
{
    return (struct cptrace_info_pair){{key, (uint32_t)strlen(key)}, {value, (uint32_t)strlen(value)}};
}

static void expect_pair(const struct process_pairs *list, size_t place, const char *key, const char *value)
{
    const struct cptrace_pair *const pair = &list->pairs[place];
    cr_assert_lt(place, list->count);
    cr_assert(pair->key.length == strlen(key) && memcmp(pair->key.bytes, key, pair->key.length) == 0, "%.*s", (int)pair->key.length,
              pair->key.bytes);
    cr_assert(pair->value.length == strlen(value) && memcmp(pair->value.bytes, value, pair->value.length) == 0);
}

/* What the first says is left out of the others, but for lists; what another said is not. */
Test(process_pairs, the_first_speaks_for_all)
{
    const struct cptrace_info_pair first[] = {pair_of("host", "h"), pair_of("argv", "a"), pair_of("argv", "b"), pair_of("pid", "1")};
    const struct cptrace_info_pair second[] = {pair_of("pid", "2"), pair_of("host", "h"), pair_of("argv", "a"), pair_of("kind", "k")};
    const struct cptrace_info_pair third[] = {pair_of("host", "h"), pair_of("host", "h"), pair_of("process:1:pid", "2")};
    struct process_pairs list = {0};
    cr_assert(process_pairs_begin(&list, first, 4));
    cr_assert(process_pairs_add(&list, 1, second, 4));
    cr_assert(process_pairs_add(&list, 2, third, 3));
    cr_assert(process_pairs_add(&list, 3, NULL, 0));
    for (size_t i = 0; i < 4; ++i)
        expect_pair(&list, i, first[i].key.bytes, first[i].value.bytes);
    expect_pair(&list, 4, "process:1:pid", "2");
    expect_pair(&list, 5, "process:1:argv", "a");
    expect_pair(&list, 6, "process:1:kind", "k");
    expect_pair(&list, 7, "process:2:host", "h");
    expect_pair(&list, 8, "process:2:host", "h");
    expect_pair(&list, 9, "process:2:process:1:pid", "2");
    cr_assert_eq(list.count, 10);
    process_pairs_free(&list);
}

Test(redaction, pairs)
{
    const struct redaction host = {.host = true}, labels = {.labels = true}, unknown = {.unknown = true};
    cr_expect_not(keeps(&host, "host"));
    cr_expect_not(keeps(&host, "process:12:host"));
    cr_expect_not(keeps(&host, "process:1:process:2:host"));
    cr_expect(keeps(&host, "hostage"));
    cr_expect(keeps(&host, "label:host"));
    cr_expect_not(keeps(&labels, "label:"));
    cr_expect_not(keeps(&labels, "label:route"));
    cr_expect(keeps(&labels, "label"));
    cr_expect_not(keeps(&unknown, "hostage"));
    cr_expect_not(keeps(&unknown, "process:1"));
    cr_expect_not(keeps(&unknown, ""));
    cr_expect(keeps(&unknown, "option:args"));
    cr_expect(keeps(&unknown, "cost_ns:resume"));
}

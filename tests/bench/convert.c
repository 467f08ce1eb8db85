/* How fast traces are opened and replayed: makes a synthetic trace (functions that call each other as programs do), then prints events a
 * second for the scan, for the replay, and for both. Not a test: nothing is asserted.
 *
 * Usage: convert [EVENTS] [TRACE]     (10 000 000 events; with TRACE, that file is measured instead) */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cptrace/writer.h"
#include "platform/platform.h"
#include "replay/replay.h"

enum { BENCH_FUNCTIONS = 500, BENCH_CALLEES = 3, BENCH_DEPTH_MAX = 10 };

static uint32_t random_state = 12345;

/* xorshift32 (Marsaglia 2003) */
static uint32_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static int append_to_file(void *context, const void *bytes, size_t length)
{
    return fwrite(bytes, 1, length, context) == length ? 0 : errno;
}

static void define_functions(struct cptrace_writer *writer)
{
    for (uint32_t i = 0; i < BENCH_FUNCTIONS; ++i) {
        char name[32];
        const int length = snprintf(name, sizeof name, "function_%u", i);
        const struct cptrace_function function = {
            .qualified_name = {name, (uint32_t)length}, .file = CPTRACE_NO_NUMBER, .category = CPTRACE_CATEGORY_USER};
        cptrace_writer_define_function(writer, &function);
    }
}

/* Each function has a few callees of a higher number, so the depth and the number of paths stay those of a program. */
static void write_events(struct cptrace_lane_writer *lane, uint64_t event_count)
{
    uint32_t stack[BENCH_DEPTH_MAX];
    size_t depth = 0;
    uint64_t tick = 0;
    for (uint64_t i = 0; i < event_count; ++i) {
        tick += 8 + random_number() % 64;
        const bool calls = depth == 0 || (depth < BENCH_DEPTH_MAX && random_number() % 2);
        if (calls) {
            const uint32_t caller = depth ? stack[depth - 1] : 0;
            const uint32_t pick = random_number() % BENCH_CALLEES;
            stack[depth] = (caller * 7 + pick * pick + 1) % BENCH_FUNCTIONS;
            cptrace_lane_call(lane, tick, stack[depth]);
            ++depth;
        } else {
            cptrace_lane_return(lane, tick);
            --depth;
        }
    }
}

static bool make_trace(FILE *file, uint64_t event_count)
{
    const struct cptrace_calibration start = {0, 0, 0};
    const struct cptrace_writer_options options = {.file_id = 1, .ns_per_tick_q32 = (uint64_t)4 << 32, .start = start};
    struct cptrace_error error;
    struct cptrace_writer *writer = cptrace_writer_create((struct cptrace_sink){append_to_file, file}, &options, &error);
    if (!writer)
        return false;
    cptrace_writer_info(writer, NULL, 0);
    define_functions(writer);
    write_events(cptrace_writer_define_lane(writer, 1, (struct cptrace_string){"main", 4}), event_count);
    const uint64_t end_tick = event_count * 72;
    const struct cptrace_calibration end = {end_tick, end_tick * 4, end_tick * 4};
    const bool written = cptrace_writer_finish(writer, end, NULL, 0, &error) == CPTRACE_OK;
    cptrace_writer_free(writer);
    return written;
}

static void print_rate(const char *what, uint64_t events, uint64_t ns)
{
    printf("%-8s %8.1f ms  %7.1f M events/s\n", what, (double)ns * 1e-6, (double)events * 1e3 / (double)ns);
}

static int measure(const char *path)
{
    struct trace *trace;
    struct cptrace_error error = {0};
    const uint64_t begin_ns = platform_clock_ns();
    if (trace_open(path, &trace, &error) != CPTRACE_OK) {
        fprintf(stderr, "convert: %s: %s\n", path, error.message);
        return 1;
    }
    const uint64_t opened_ns = platform_clock_ns();
    struct replay_result result;
    if (trace_replay(trace, NULL, 0, NULL, NULL, &result, &error) != 0) {
        fprintf(stderr, "convert: %s: %s\n", path, error.message);
        trace_close(trace);
        return 1;
    }
    const uint64_t end_ns = platform_clock_ns();
    printf("%" PRIu64 " events, %" PRIu64 " calls, %zu paths, %" PRIu64 " bytes (%.2f an event)\n", result.event_count, result.call_count,
           result.path_count, trace_facts(trace)->bytes, (double)trace_facts(trace)->bytes / (double)result.event_count);
    print_rate("scan", result.event_count, opened_ns - begin_ns);
    print_rate("replay", result.event_count, end_ns - opened_ns);
    print_rate("both", result.event_count, end_ns - begin_ns);
    trace_close(trace);
    return 0;
}

int main(int argument_count, char **arguments)
{
    if (argument_count > 2)
        return measure(arguments[2]);
    char *path;
    FILE *file = platform_temporary_file(NULL, &path);
    const uint64_t event_count = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : 10000000;
    if (!file || !make_trace(file, event_count) || fclose(file) != 0) {
        fprintf(stderr, "convert: cannot write a trace\n");
        return 1;
    }
    const int code = measure(path);
    platform_remove_file(path);
    free(path);
    return code;
}

/* cptrace merge: the traces of the processes of one run as one trace. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/progress_bar.h"
#include "cli/trace_argument.h"
#include "commands.h"
#include "platform/platform.h"
#include "process_family.h"
#include "rewrite/process_pairs.h"
#include "rewrite/rewrite.h"
#include "trace_output.h"

enum { MERGE_OPTION_OUTPUT = 1, MERGE_OPTION_FORCE, MERGE_OPTION_QUIET, MERGE_OPTION_VERBOSE, MERGE_OPTION_HELP };

static const struct option_row merge_rows[] = {
    {MERGE_OPTION_OUTPUT, 'o', "output", "OUT.cptrace", "where the merged trace goes; - is standard output"},
    {MERGE_OPTION_FORCE, 'f', "force", NULL, "replace OUT.cptrace when it is there"},
    {MERGE_OPTION_QUIET, 'q', "quiet", NULL, "no warnings, no progress bar"},
    {MERGE_OPTION_VERBOSE, 'v', "verbose", NULL, "say what was read and written"},
    {MERGE_OPTION_HELP, 'h', "help", NULL, "this text"},
};

static const struct option_table merge_options = {
    .usage = "cptrace merge [OPTIONS] TRACE TRACE... -o OUT.cptrace",
    .summary = "Puts the traces of several processes into one: those of a run with processes=True, each child\n"
               "of which records into a file of its own.",
    .rows = merge_rows,
    .row_count = sizeof merge_rows / sizeof merge_rows[0],
    .notes = "The first process is the one that started the others, wherever it stands, or else the first\n"
             "trace given. Its clock is that of the merged trace, to the tick; the others begin on it when UTC\n"
             "was what it was at their start, and then go by their own monotonic clocks. Lanes are called\n"
             "after their processes: \"pid 7 \xC2\xB7 MainThread\". Info of the first is kept; of the n-th other,\n"
             "what is not the same, as process:<n>:<key>.\n"
             "\n"
             "What was open when a trace ended, or was cut, stays unfinished, which counts as up to the end\n"
             "of the merged trace. A trace with lost blocks is refused: in a merged one nothing would\n"
             "say that the ends of calls around them are unknown.\n"
             "\n"
             "Exit codes: as of cptrace; 4 when an input was cut.",
};

struct merging {
    struct trace_output_request output;
    enum message_level level;
    struct process *processes; /* the first one first, once they are arranged */
    size_t count;
    struct timeline timeline;
    struct process_pairs info, end_info;
    struct rewrite *rewrite;
    struct progress_bar bar;
    uint64_t events_before, events_all; /* for the bar */
};

/* --- where each begins --- */

static int compare_starts(const void *left, const void *right)
{
    const struct process *const a = left, *const b = right;
    return a->start_ns < b->start_ns ? -1 : a->start_ns > b->start_ns;
}

static void warn_of_strangers(const struct merging *merging)
{
    for (size_t i = 1; i < merging->count; ++i) {
        if (!merging->processes[i].has_parent)
            message_warning("%s: of another run: it does not say that one of the others started it", merging->processes[i].path);
    }
}

/* False: no memory. */
static bool arrange(struct merging *merging)
{
    if (!process_family_arrange(merging->processes, merging->count))
        return false;
    const struct trace *const first = merging->processes[0].trace;
    if (!timeline_init(&merging->timeline, first))
        return false;
    merging->processes[0].start_ns = trace_facts(first)->header->start.monotonic_ns;
    for (size_t i = 1; i < merging->count; ++i) {
        const struct cptrace_calibration start = trace_facts(merging->processes[i].trace)->header->start;
        merging->processes[i].start_ns = timeline_place(&merging->timeline, start.utc_ns, start.monotonic_ns);
    }
    qsort(merging->processes + 1, merging->count - 1, sizeof *merging->processes, compare_starts);
    warn_of_strangers(merging);
    return true;
}

/* --- writing --- */

static bool gather_pairs(struct merging *merging)
{
    const struct trace_facts *const first = trace_facts(merging->processes[0].trace);
    const size_t next = process_pairs_next(first->info, first->info_count);
    if (!process_pairs_begin(&merging->info, first->info, first->info_count) ||
        !process_pairs_begin(&merging->end_info, first->end_info, first->end_info_count))
        return false;
    for (size_t i = 1; i < merging->count; ++i) {
        const struct trace_facts *const facts = trace_facts(merging->processes[i].trace);
        const size_t number = next + i - 1;
        if (!process_pairs_add(&merging->info, number, facts->info, facts->info_count) ||
            !process_pairs_add(&merging->end_info, number, facts->end_info, facts->end_info_count))
            return false;
    }
    return true;
}

static void show_progress(void *context, uint64_t events_done, uint64_t events_all)
{
    struct merging *const merging = context;
    (void)events_all;
    progress_bar_update(&merging->bar, merging->events_before + events_done, merging->events_all);
}

/* A trace that was merged before has such names already. */
static const char *lane_owner(const struct trace *trace, size_t number, char *text, size_t capacity)
{
    const struct cptrace_string pid = trace_info(trace, "pid");
    if (trace_info(trace, "process:1:pid").length)
        return NULL;
    if (pid.length)
        snprintf(text, capacity, "pid %.*s", (int)(pid.length < 20 ? pid.length : 20), pid.bytes);
    else
        snprintf(text, capacity, "process %zu", number);
    return text;
}

static enum cptrace_status add_process(struct merging *merging, size_t number, struct cptrace_error *error)
{
    const struct process *const process = &merging->processes[number];
    char owner[40];
    const struct rewrite_input input = {
        .trace = process->trace,
        .owns_timeline = number == 0,
        .start_ns = process->start_ns,
        .lane_owner = lane_owner(process->trace, number, owner, sizeof owner),
        .progress = show_progress,
        .progress_context = merging,
    };
    const enum cptrace_status status = rewrite_add(merging->rewrite, &input, error);
    merging->events_before += trace_facts(process->trace)->event_count;
    return status;
}

static uint64_t earliest_start_ns(const struct merging *merging)
{
    const uint64_t first_ns = merging->processes[0].start_ns;
    const uint64_t other_ns = merging->count > 1 ? merging->processes[1].start_ns : first_ns;
    return first_ns < other_ns ? first_ns : other_ns;
}

static uint64_t latest_end_ns(const struct merging *merging)
{
    uint64_t latest_ns = 0;
    for (size_t i = 0; i < merging->count; ++i) {
        const uint64_t end_ns = merging->processes[i].start_ns + trace_facts(merging->processes[i].trace)->wall_ns;
        latest_ns = end_ns > latest_ns ? end_ns : latest_ns;
    }
    return latest_ns;
}

/* *failed: the process that status is about. */
static enum cptrace_status write_merged(struct merging *merging, struct trace_output *output, size_t *failed, struct cptrace_error *error)
{
    const struct rewrite_options options = {
        .sink = trace_output_sink(output),
        .run_id = trace_facts(merging->processes[0].trace)->header->run_id,
        .start_ns = earliest_start_ns(merging),
        .timeline = &merging->timeline,
    };
    *failed = 0;
    enum cptrace_status status = rewrite_create(&options, &merging->rewrite, error);
    if (status != CPTRACE_OK)
        return status;
    rewrite_info(merging->rewrite, merging->info.pairs, merging->info.count);
    for (; *failed < merging->count; ++*failed) {
        status = add_process(merging, *failed, error);
        if (status != CPTRACE_OK)
            return status;
    }
    *failed = 0;
    return rewrite_finish(merging->rewrite, latest_end_ns(merging), merging->end_info.pairs, merging->end_info.count, error);
}

static enum exit_code judge(const struct merging *merging)
{
    enum exit_code code = EXIT_CODE_OK;
    for (size_t i = 0; i < merging->count; ++i) {
        const enum exit_code judged = trace_argument_judge(merging->processes[i].path, merging->processes[i].trace);
        if (judged != EXIT_CODE_OK)
            code = judged;
    }
    return code;
}

static enum exit_code merge_into(struct merging *merging, struct trace_output *output)
{
    struct cptrace_error error = {0};
    size_t failed;
    for (size_t i = 0; i < merging->count; ++i)
        merging->events_all += trace_facts(merging->processes[i].trace)->event_count;
    progress_bar_begin(&merging->bar, "events", merging->level != MESSAGE_QUIET);
    const enum cptrace_status status = write_merged(merging, output, &failed, &error);
    progress_bar_end(&merging->bar);
    if (status != CPTRACE_OK) {
        error.status = status;
        return trace_output_failed(output, merging->processes[failed].path, &error);
    }
    message_detail("%s: %zu processes, %" PRIu64 " calls, %" PRIu64 " events, %" PRIu64 " bytes", merging->output.path, merging->count,
                   rewrite_call_count(merging->rewrite), rewrite_event_count(merging->rewrite), output->bytes);
    return judge(merging);
}

/* --- the command --- */

static bool is_same_trace(const struct trace *a, const struct trace *b)
{
    const struct cptrace_header *const left = trace_facts(a)->header, *const right = trace_facts(b)->header;
    return left->file_id == right->file_id && memcmp(left->run_id, right->run_id, sizeof left->run_id) == 0;
}

static enum exit_code open_process(struct merging *merging, const char *path)
{
    struct process *const process = &merging->processes[merging->count];
    const enum exit_code code = trace_argument_open(path, &process->trace);
    if (code != EXIT_CODE_OK)
        return code;
    process->path = path;
    ++merging->count;
    for (size_t i = 0; i + 1 < merging->count; ++i) {
        if (is_same_trace(process->trace, merging->processes[i].trace)) {
            message_usage("'%s' and '%s' are the same trace", merging->processes[i].path, path);
            return EXIT_CODE_USAGE;
        }
    }
    return trace_argument_refuse_damaged(path, process->trace) ? EXIT_CODE_OK : EXIT_CODE_INVALID;
}

static enum exit_code merge_opened(struct merging *merging)
{
    struct trace_output output;
    if (!arrange(merging) || !gather_pairs(merging)) {
        message_error("no memory");
        return EXIT_CODE_FAILED;
    }
    if (!trace_output_open(&output, &merging->output))
        return EXIT_CODE_FAILED;
    return trace_output_close(&output, merge_into(merging, &output));
}

static enum exit_code merge(struct merging *merging, char *const *paths, size_t path_count)
{
    if (path_count < 2) {
        message_usage("expected at least two traces, found %zu", path_count);
        return EXIT_CODE_USAGE;
    }
    if (!trace_output_may_write(&merging->output, paths, path_count))
        return EXIT_CODE_USAGE;
    platform_allow_open_files(path_count);
    merging->processes = calloc(path_count, sizeof *merging->processes);
    enum exit_code code = merging->processes ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    if (!merging->processes)
        message_error("no memory");
    for (size_t i = 0; i < path_count && code == EXIT_CODE_OK; ++i)
        code = open_process(merging, paths[i]);
    return code == EXIT_CODE_OK ? merge_opened(merging) : code;
}

static void merging_free(struct merging *merging)
{
    rewrite_free(merging->rewrite);
    process_pairs_free(&merging->info);
    process_pairs_free(&merging->end_info);
    timeline_free(&merging->timeline);
    for (size_t i = 0; i < merging->count; ++i)
        trace_close(merging->processes[i].trace);
    free(merging->processes);
}

static bool apply_option(struct merging *merging, int option, const char *value)
{
    switch (option) {
    case MERGE_OPTION_OUTPUT:
        merging->output.path = value;
        return true;
    case MERGE_OPTION_FORCE:
        return merging->output.force = true;
    case MERGE_OPTION_QUIET:
        merging->level = MESSAGE_QUIET;
        return true;
    case MERGE_OPTION_VERBOSE:
        merging->level = MESSAGE_VERBOSE;
        return true;
    default:
        return false;
    }
}

enum exit_code cmd_merge(int argument_count, char **arguments)
{
    struct option_walk walk = option_walk_begin(&merge_options, argument_count, arguments);
    struct merging merging = {.level = MESSAGE_NORMAL};
    char **const paths = arguments; /* operands move to the front: there are never more of them than arguments walked past */
    size_t path_count = 0;
    const char *value;
    for (int option; (option = option_next(&walk, &value)) != OPTION_END;) {
        if (option == MERGE_OPTION_HELP) {
            option_table_help(&merge_options, stdout);
            return trace_argument_close_output(EXIT_CODE_OK);
        }
        if (option == OPTION_OPERAND)
            paths[path_count++] = (char *)value;
        else if (!apply_option(&merging, option, value))
            return EXIT_CODE_USAGE;
    }
    message_level(merging.level);
    const enum exit_code code = merge(&merging, paths, path_count);
    merging_free(&merging);
    return code;
}

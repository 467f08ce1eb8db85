/* cptrace check: whether the file is whole, and where it is not. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/message.h"
#include "cli/progress_bar.h"
#include "cli/trace_argument.h"
#include "commands.h"

enum { CHECK_OPTION_QUIET = 1, CHECK_OPTION_HELP };

static const struct option_row check_rows[] = {
    {CHECK_OPTION_QUIET, 'q', "quiet", NULL, "only the exit code"},
    {CHECK_OPTION_HELP, 'h', "help", NULL, "this text"},
};

static const struct option_table check_options = {
    .usage = "cptrace check [-q] TRACE",
    .summary = "Verifies every byte, and decodes every event. Says what is damaged or missing, at which\n"
               "offset, and which stretch of time it takes from which lane.",
    .rows = check_rows,
    .row_count = sizeof check_rows / sizeof check_rows[0],
    .notes = "Exit codes: 0 whole, 3 damaged (or not a trace), 4 cut, but all that is there is whole.",
};

/* A hostile file can have millions of damaged stretches and lanes: the first ones tell enough. */
enum { CHECK_DAMAGE_MAX = 100, CHECK_LANE_MAX = 16 };

/* The last valid events block of a lane before an offset, and the first after it. */
static void find_neighbours(const struct trace_facts *facts, uint32_t lane, uint64_t offset, const struct cptrace_block_entry **before,
                            const struct cptrace_block_entry **after)
{
    *before = *after = NULL;
    for (size_t i = 0; i < facts->block_count; ++i) {
        const struct cptrace_block_entry *block = &facts->blocks[i];
        if (block->kind != CPTRACE_BLOCK_EVENTS || block->lane != lane || block->offset == offset)
            continue;
        if (block->offset < offset) {
            *before = block;
        } else {
            *after = block;
            return;
        }
    }
}

/* No block tells which lane a lost block was of: each may have lost events between its neighbours. */
static void print_gaps(const struct trace *trace, uint64_t offset)
{
    const struct trace_facts *facts = trace_facts(trace);
    const size_t lane_count = facts->definitions->lane_count;
    for (size_t lane = 0; lane < lane_count && lane < CHECK_LANE_MAX; ++lane) {
        const struct cptrace_block_entry *before, *after;
        find_neighbours(facts, (uint32_t)lane, offset, &before, &after);
        const uint64_t begin_ns = before ? trace_run_ns(trace, before->last_tick) : 0;
        const uint64_t end_ns = after ? trace_run_ns(trace, after->first_tick) : facts->wall_ns;
        printf("  lane %zu: may miss events from %" PRIu64 " to %" PRIu64 " ns of the run\n", lane, begin_ns, end_ns);
    }
    if (lane_count > CHECK_LANE_MAX)
        printf("  and %zu more lanes\n", lane_count - CHECK_LANE_MAX);
}

static void print_damage(const struct trace *trace)
{
    const struct trace_facts *facts = trace_facts(trace);
    for (size_t i = 0; i < facts->damage_count && i < CHECK_DAMAGE_MAX; ++i) {
        const struct cptrace_damage *damage = &facts->damage[i];
        printf("damaged: offset 0x%" PRIx64 ", %" PRIu64 " bytes, ", damage->offset, damage->bytes);
        if (damage->blocks)
            printf("%" PRIu32 " block%s lost: ", damage->blocks, damage->blocks == 1 ? "" : "s");
        printf("%s\n", damage->error.message);
        print_gaps(trace, damage->offset);
    }
    if (facts->damage_count > CHECK_DAMAGE_MAX)
        printf("damaged: %zu more stretches\n", facts->damage_count - CHECK_DAMAGE_MAX);
}

/* The end block's totals, against what is there: only a whole file can be held to them. */
static bool totals_agree(const struct trace_facts *facts, const struct replay_result *result)
{
    return !facts->complete || facts->end->event_count == result->event_count;
}

static enum exit_code verdict(const struct trace *trace, const struct replay_result *result, bool quiet)
{
    const struct trace_facts *facts = trace_facts(trace);
    const bool agree = totals_agree(facts, result);
    const bool cut = facts->cut || !facts->has_index; /* SPEC.md 2: a file without index is cut */
    if (!quiet) {
        print_damage(trace);
        if (!agree)
            printf("damaged: the end block counts %" PRIu64 " events, found %" PRIu64 "\n", facts->end->event_count, result->event_count);
        if (facts->cut)
            printf("cut: no end after offset 0x%" PRIx64 ", %" PRIu64 " ns into the run\n", facts->bytes, facts->wall_ns);
        else if (!facts->has_index)
            printf("cut: the index after the end block is missing; no event is\n");
        printf("%s: %zu blocks, %" PRIu64 " events, %" PRIu64 " calls, %" PRIu64 " bytes\n",
               facts->damage_count > 0 || !agree ? "damaged"
               : cut                             ? "cut"
                                                 : "whole",
               facts->block_count, result->event_count, result->call_count, facts->bytes);
    }
    if (facts->damage_count > 0 || !agree)
        return EXIT_CODE_INVALID;
    return cut ? EXIT_CODE_PARTIAL : EXIT_CODE_OK;
}

static enum exit_code run_check(const char *path, struct trace *trace, bool quiet)
{
    struct replay_result result;
    struct cptrace_error error = {0};
    struct progress_bar bar;
    progress_bar_begin(&bar, "events", !quiet);
    const int stopped = trace_replay(trace, NULL, 0, progress_bar_update, &bar, &result, &error);
    progress_bar_end(&bar);
    if (stopped == 0)
        return verdict(trace, &result, quiet);
    message_trace_error(path, &error);
    return exit_code_of((enum cptrace_status) - stopped);
}

enum exit_code cmd_check(int argument_count, char **arguments)
{
    struct option_walk walk = option_walk_begin(&check_options, argument_count, arguments);
    const char *path = NULL, *value;
    bool quiet = false;
    for (int option; (option = option_next(&walk, &value)) != OPTION_END;) {
        if (option == CHECK_OPTION_HELP) {
            option_table_help(&check_options, stdout);
            return trace_argument_close_output(EXIT_CODE_OK);
        }
        if (option == CHECK_OPTION_QUIET)
            quiet = true;
        else if (option != OPTION_OPERAND || !trace_argument_set(&path, value))
            return EXIT_CODE_USAGE;
    }
    if (!trace_argument_given(path))
        return EXIT_CODE_USAGE;
    struct trace *trace;
    enum exit_code code = trace_argument_open(path, &trace);
    if (code != EXIT_CODE_OK)
        return code;
    code = run_check(path, trace, quiet);
    trace_close(trace);
    return trace_argument_close_output(code);
}

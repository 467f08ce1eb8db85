/* Which blocks of events a part of a trace needs. */
#include "replay/selection.h"

#include <stdlib.h>
#include <string.h>

/* The state of one lane while its blocks pass in file order. */
struct lane_choice {
    size_t last;      /* of trace->event_blocks; the one before the range, as long as none is in it */
    bool any, inside; /* a block passed; one that reaches into the range */
    bool skipped;     /* the last one was not chosen */
};

struct choice {
    struct trace *trace;
    const struct trace_selection *selection;
    struct lane_choice *lanes;
    size_t lane_count;
    bool *chosen; /* by place in trace->event_blocks */
};

static bool wants_lane(const struct choice *choice, uint32_t lane)
{
    return lane < choice->lane_count && (!choice->selection->lanes || choice->selection->lanes[lane]);
}

/* Of a lane: the blocks from the first that ends in the range or behind it, because what it says was open was so since the block before, up
 * to the last that begins in it. When all end before the range, the last one tells what was open then. */
static void choose_by_time(struct choice *choice)
{
    const struct trace_selection *const selection = choice->selection;
    for (size_t i = 0; i < choice->trace->event_block_count; ++i) {
        const struct cptrace_block_entry *const block = choice->trace->event_blocks[i];
        if (!wants_lane(choice, block->lane))
            continue;
        struct lane_choice *const lane = &choice->lanes[block->lane];
        const bool ends_before = trace_run_ns(choice->trace, block->last_tick) < selection->begin_ns;
        const bool begins_behind = trace_run_ns(choice->trace, block->first_tick) > selection->end_ns;
        choice->chosen[i] = !ends_before && (!lane->inside || !begins_behind);
        lane->inside |= choice->chosen[i];
        lane->any = true;
        lane->last = i;
    }
    for (size_t lane = 0; lane < choice->lane_count; ++lane) {
        if (choice->lanes[lane].any && !choice->lanes[lane].inside)
            choice->chosen[choice->lanes[lane].last] = true;
    }
}

/* Calls of these functions are on a stack in no other blocks, so that all of such a call is read. */
static void drop_by_function(struct choice *choice)
{
    const struct trace *const trace = choice->trace;
    for (size_t i = 0; i < trace->event_block_count; ++i)
        choice->chosen[i] &= cptrace_reader_block_mentions(trace->reader, trace->event_blocks[i], choice->selection->functions,
                                                           trace->definitions.function_count);
}

/* Keeps the chosen blocks, in order. */
static void keep_chosen(struct choice *choice)
{
    struct trace *const trace = choice->trace;
    struct trace_part *const part = &trace->part;
    size_t kept = 0;
    for (size_t i = 0; i < trace->event_block_count; ++i) {
        const struct cptrace_block_entry *const block = trace->event_blocks[i];
        if (block->lane >= choice->lane_count)
            continue;
        struct lane_choice *const lane = &choice->lanes[block->lane];
        part->lane_end_read[block->lane] = choice->chosen[i];
        if (choice->chosen[i]) {
            part->after_skipped[kept] = lane->skipped;
            trace->event_blocks[kept++] = block;
        }
        lane->skipped = !choice->chosen[i];
    }
    trace->event_block_count = kept;
}

static bool has_all(const bool *lanes, size_t lane_count) { return lane_count == 0 || !memchr(lanes, false, lane_count * sizeof *lanes); }

enum cptrace_status trace_select(struct trace *trace, const struct trace_selection *selection)
{
    const size_t lane_count = trace->definitions.lane_count, block_count = trace->event_block_count;
    struct trace_part *const part = &trace->part;
    struct choice choice = {.trace = trace, .selection = selection, .lane_count = lane_count};
    choice.lanes = calloc(lane_count + 1, sizeof *choice.lanes);
    choice.chosen = calloc(block_count + 1, sizeof *choice.chosen);
    part->after_skipped = calloc(block_count + 1, sizeof *part->after_skipped);
    part->lane_end_read = calloc(lane_count + 1, sizeof *part->lane_end_read);
    const bool ready = choice.lanes && choice.chosen && part->after_skipped && part->lane_end_read;
    if (ready) {
        choose_by_time(&choice);
        if (selection->functions)
            drop_by_function(&choice);
        keep_chosen(&choice);
        part->is_part = true;
        part->begin_ns = selection->begin_ns;
        part->end_ns = selection->end_ns;
        part->lanes_left_out = selection->lanes && !has_all(selection->lanes, lane_count);
    }
    free(choice.lanes);
    free(choice.chosen);
    return ready ? CPTRACE_OK : CPTRACE_NO_MEMORY;
}

void trace_part_free(struct trace_part *part)
{
    free(part->after_skipped);
    free(part->lane_end_read);
    *part = (struct trace_part){0};
}

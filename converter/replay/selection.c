/* Which blocks of events a part of a trace needs, and those blocks one by one. */
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

/* ---- the blocks that were chosen ---- */

static int compare_by_offset(const void *left, const void *right)
{
    const struct cptrace_block_entry *const a = *(const struct cptrace_block_entry *const *)left;
    const struct cptrace_block_entry *const b = *(const struct cptrace_block_entry *const *)right;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static void note_lost(struct trace *trace, const struct cptrace_block_entry *entry, const struct cptrace_error *reason)
{
    const struct cptrace_block block = {
        .kind = entry->kind, .sequence = entry->sequence, .offset = entry->offset, .compressed_bytes = entry->compressed_bytes};
    cptrace_reader_report_damage(trace->reader, &block, reason);
}

enum cptrace_status trace_visit_blocks(struct trace *trace,
                                       enum cptrace_status (*visit)(void *context, const struct cptrace_block *block,
                                                                    struct cptrace_error *error),
                                       void *context, struct cptrace_error *error)
{
    const size_t count = trace->event_block_count;
    const struct cptrace_block_entry **const entries = malloc((count + 1) * sizeof *entries);
    if (!entries) {
        *error = (struct cptrace_error){.status = CPTRACE_NO_MEMORY, .message = "no memory for the table of blocks"};
        return CPTRACE_NO_MEMORY;
    }
    if (count)
        memcpy(entries, trace->event_blocks, count * sizeof *entries);
    qsort(entries, count, sizeof *entries, compare_by_offset);
    struct cptrace_block_buffer buffer = {0};
    enum cptrace_status status = CPTRACE_OK;
    for (size_t i = 0; i < count && status == CPTRACE_OK; ++i) {
        struct cptrace_block block;
        status = cptrace_reader_read_block(trace->reader, entries[i], &buffer, &block, error);
        if (status == CPTRACE_OK)
            status = visit(context, &block, error);
        if (status != CPTRACE_CORRUPT && status != CPTRACE_TRUNCATED)
            continue;
        note_lost(trace, entries[i], error);
        status = CPTRACE_OK;
    }
    trace->decompressed_count += buffer.decompressed_count;
    cptrace_block_buffer_free(&buffer);
    free(entries);
    trace_refresh_damage(trace);
    return status;
}

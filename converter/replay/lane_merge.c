#include "replay/lane_merge.h"

#include <stdio.h>
#include <stdlib.h>

#include "replay/call_stack.h"

/* A lane with a decoded block that is not used up. */
struct active_lane {
    uint64_t key; /* of its next event */
    struct fed_block *block;
    size_t position;
};

struct failed_block {
    const struct cptrace_block_entry *entry;
    struct cptrace_error error;
};

struct lane_merge {
    struct trace *trace;
    struct block_feed *feed;
    size_t taken_count;
    struct fed_block *ahead;  /* taken, not yet active */
    struct fed_block *used;   /* the last run's, given back by the next call */
    struct active_lane *heap; /* binary heap, the smallest key first */
    size_t heap_count, heap_capacity;
    uint32_t *places;  /* by lane: 1 + where it is in the heap, 0: it is not active */
    size_t open_count; /* in the heads of the active blocks */
    struct failed_block *failed;
    size_t failed_count;
};

/* Among events of the same time a resume comes last: the suspend that it answers, on another lane, may be one of them. */
static uint64_t key_of(const struct cptrace_event *event)
{
    const uint64_t ns = event->tick <= UINT64_MAX / 2 ? event->tick : UINT64_MAX / 2;
    return ns << 1 | (event->op == CPTRACE_OP_RESUME || event->op == CPTRACE_OP_REOPEN);
}

static uint64_t first_key(const struct fed_block *block) { return key_of(&block->events.events[0]); }

static bool comes_before(const struct active_lane *left, const struct active_lane *right)
{
    return left->key < right->key || (left->key == right->key && left->block->events.lane < right->block->events.lane);
}

static void place(struct lane_merge *merge, size_t at, struct active_lane active)
{
    merge->heap[at] = active;
    merge->places[active.block->events.lane] = (uint32_t)at + 1;
}

static void sift_up(struct lane_merge *merge, size_t at, struct active_lane moved)
{
    for (; at > 0 && comes_before(&moved, &merge->heap[(at - 1) / 2]); at = (at - 1) / 2)
        place(merge, at, merge->heap[(at - 1) / 2]);
    place(merge, at, moved);
}

static void sift_down(struct lane_merge *merge, size_t at)
{
    const struct active_lane moved = merge->heap[at];
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= merge->heap_count)
            break;
        if (child + 1 < merge->heap_count && comes_before(&merge->heap[child + 1], &merge->heap[child]))
            ++child;
        if (!comes_before(&merge->heap[child], &moved))
            break;
        place(merge, at, merge->heap[child]);
        at = child;
    }
    place(merge, at, moved);
}

static bool push(struct lane_merge *merge, struct fed_block *block)
{
    if (merge->heap_count == merge->heap_capacity) {
        const size_t capacity = merge->heap_capacity ? merge->heap_capacity * 2 : 16;
        struct active_lane *heap = realloc(merge->heap, capacity * sizeof *heap);
        if (!heap)
            return false;
        merge->heap = heap;
        merge->heap_capacity = capacity;
    }
    sift_up(merge, merge->heap_count++, (struct active_lane){.key = first_key(block), .block = block});
    merge->open_count += block->events.open_count;
    return true;
}

static struct active_lane *find_active(const struct lane_merge *merge, uint32_t lane)
{
    return merge->places[lane] ? &merge->heap[merge->places[lane] - 1] : NULL;
}

static bool remember_failed(struct lane_merge *merge, const struct fed_block *block)
{
    struct failed_block *failed = realloc(merge->failed, (merge->failed_count + 1) * sizeof *failed);
    if (!failed)
        return false;
    merge->failed = failed;
    failed[merge->failed_count++] = (struct failed_block){.entry = block->entry, .error = block->error};
    return true;
}

static enum cptrace_status no_memory(struct cptrace_error *error)
{
    if (error) {
        *error = (struct cptrace_error){.status = CPTRACE_NO_MEMORY};
        snprintf(error->message, sizeof error->message, "no memory to decode events");
    }
    return CPTRACE_NO_MEMORY;
}

/* Fills merge->ahead, unless the feed is at its end. */
static enum cptrace_status look_ahead(struct lane_merge *merge, struct cptrace_error *error)
{
    while (!merge->ahead && merge->taken_count < merge->trace->event_block_count) {
        struct fed_block *block = block_feed_take(merge->feed);
        if (!block)
            return no_memory(error);
        ++merge->taken_count;
        if (block->status == CPTRACE_OK && block->events.event_count > 0) {
            merge->ahead = block;
            if (block->error.status == CPTRACE_CORRUPT && !remember_failed(merge, block))
                return no_memory(error);
            break;
        }
        const enum cptrace_status status = block->status;
        const bool remembered = status != CPTRACE_CORRUPT || remember_failed(merge, block);
        if (error && status != CPTRACE_OK)
            *error = block->error;
        block_feed_give_back(merge->feed, block);
        if (!remembered)
            return no_memory(error);
        if (status != CPTRACE_OK && status != CPTRACE_CORRUPT)
            return status;
    }
    return CPTRACE_OK;
}

static struct lane_run run_of(const struct active_lane *active, size_t end)
{
    const struct cptrace_events *events = &active->block->events;
    return (struct lane_run){
        .lane = events->lane,
        .block = events,
        .block_begins = active->position == 0,
        .after_skipped = active->block->after_skipped,
        .begin = events->events + active->position,
        .end = events->events + end,
    };
}

/* The first event, from begin on, whose key is above the limit. The first event's is not. */
static size_t find_run_end(const struct fed_block *block, size_t begin, uint64_t limit)
{
    const struct cptrace_event *events = block->events.events;
    const size_t count = block->events.event_count;
    const uint64_t limit_ns = limit >> 1;
    if (events[count - 1].tick < limit_ns)
        return count;
    /* Gallop, then halve, to the first event at limit_ns or later. */
    size_t low = begin, step = 1;
    while (low + step < count && events[low + step].tick < limit_ns) {
        low += step;
        step *= 2;
    }
    size_t high = low + step < count ? low + step : count - 1;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (events[middle].tick < limit_ns)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < count && key_of(&events[low]) <= limit)
        ++low;
    return low > begin ? low : begin + 1;
}

static void remove_active(struct lane_merge *merge, struct active_lane *active)
{
    merge->used = active->block;
    merge->open_count -= active->block->events.open_count;
    merge->places[active->block->events.lane] = 0;
    const size_t at = (size_t)(active - merge->heap);
    if (at == --merge->heap_count)
        return;
    sift_up(merge, at, merge->heap[merge->heap_count]);
    sift_down(merge, at);
}

static uint64_t key_of_next_best(const struct lane_merge *merge)
{
    uint64_t limit = UINT64_MAX;
    for (size_t child = 1; child <= 2 && child < merge->heap_count; ++child) {
        if (merge->heap[child].key < limit)
            limit = merge->heap[child].key;
    }
    if (merge->ahead && first_key(merge->ahead) < limit)
        limit = first_key(merge->ahead);
    return limit;
}

static void advance_first_lane(struct lane_merge *merge, struct lane_run *run)
{
    struct active_lane *active = &merge->heap[0];
    const size_t end = find_run_end(active->block, active->position, key_of_next_best(merge));
    *run = run_of(active, end);
    if (end == active->block->events.event_count) {
        remove_active(merge, active);
        return;
    }
    active->position = end;
    active->key = key_of(&active->block->events.events[end]);
    sift_down(merge, 0);
}

enum cptrace_status lane_merge_next(struct lane_merge *merge, struct lane_run *run, struct cptrace_error *error)
{
    block_feed_give_back(merge->feed, merge->used);
    merge->used = NULL;
    for (;;) {
        const enum cptrace_status status = look_ahead(merge, error);
        if (status != CPTRACE_OK)
            return status;
        if (!merge->ahead || (merge->heap_count > 0 && merge->heap[0].key < first_key(merge->ahead)))
            break;
        /* Blocks of one lane that overlap (only a strange writer makes them) are replayed one after the other. */
        struct active_lane *same = find_active(merge, merge->ahead->events.lane);
        if (same) {
            *run = run_of(same, same->block->events.event_count);
            remove_active(merge, same);
            return CPTRACE_OK;
        }
        if (!push(merge, merge->ahead))
            return no_memory(error);
        merge->ahead = NULL;
        if (merge->open_count > OPEN_CALLS_MAX)
            return too_many_open_calls(error);
    }
    if (merge->heap_count == 0)
        return CPTRACE_END;
    advance_first_lane(merge, run);
    return CPTRACE_OK;
}

bool lane_merge_has_failed(const struct lane_merge *merge) { return merge->failed_count > 0; }

struct lane_merge *lane_merge_open(struct trace *trace)
{
    struct lane_merge *merge = calloc(1, sizeof *merge);
    if (!merge)
        return NULL;
    merge->trace = trace;
    merge->places = calloc(trace->definitions.lane_count + 1, sizeof *merge->places);
    merge->feed = merge->places ? block_feed_open(trace) : NULL;
    if (!merge->feed) {
        free(merge->places);
        free(merge);
        return NULL;
    }
    return merge;
}

/* Only here, when the helper thread no longer reads. */
static void report_failed(const struct lane_merge *merge)
{
    for (size_t i = 0; i < merge->failed_count; ++i) {
        const struct cptrace_block_entry *entry = merge->failed[i].entry;
        const struct cptrace_block block = {
            .kind = entry->kind, .sequence = entry->sequence, .offset = entry->offset, .compressed_bytes = entry->compressed_bytes};
        cptrace_reader_report_damage(merge->trace->reader, &block, &merge->failed[i].error);
    }
}

void lane_merge_close(struct lane_merge *merge)
{
    if (!merge)
        return;
    block_feed_give_back(merge->feed, merge->used);
    block_feed_give_back(merge->feed, merge->ahead);
    for (size_t i = 0; i < merge->heap_count; ++i)
        block_feed_give_back(merge->feed, merge->heap[i].block);
    merge->trace->decompressed_count += block_feed_close(merge->feed);
    report_failed(merge);
    free(merge->failed);
    free(merge->places);
    free(merge->heap);
    free(merge);
}

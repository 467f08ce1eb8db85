#include "replay/block_feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "replay/call_stack.h"

/* Decoded and not yet taken: enough that neither side waits for the other's hiccups; each block is about 1 MiB decoded. */
enum { FEED_AHEAD_MAX = 4 };

/* Below this a thread costs more than it saves. */
enum { FEED_THREAD_MIN_BLOCKS = 3 };

struct block_feed {
    const struct trace *trace;
    struct cptrace_block_buffer buffer;
    size_t next_entry; /* of trace->event_blocks, to decode */

    struct platform_thread *thread; /* NULL: decoding happens in take */
    struct platform_gate *gate;     /* guards all below */
    struct fed_block *ready_first, *ready_last;
    size_t ready_count;
    struct fed_block *spare;
    bool finished; /* nothing more will become ready */
    bool stop;
};

static void blame(struct fed_block *block, const char *what, uint32_t number)
{
    block->status = CPTRACE_CORRUPT;
    block->error = (struct cptrace_error){.status = CPTRACE_CORRUPT, .offset = block->entry->offset};
    snprintf(block->error.message, sizeof block->error.message, "expected a defined %s, found number %u", what, number);
}

/* All numbers that nothing defines become the unknown function. */
static void replace_unknown_functions(const struct trace *trace, struct cptrace_events *events)
{
    const uint32_t unknown = trace->unknown_function;
    for (size_t i = 0; i < events->open_count; ++i) {
        if (events->open[i].function > unknown)
            events->open[i].function = unknown;
    }
    for (size_t i = 0; i < events->start_count; ++i) {
        if (events->starts[i].function > unknown)
            events->starts[i].function = unknown;
    }
    for (size_t i = 0; i < events->event_count; ++i) {
        if (events->events[i].op == CPTRACE_OP_CALL && events->events[i].value > unknown)
            events->events[i].value = unknown;
    }
}

/* As long as that many ticks right before the annotation. */
static void omitted_ticks_to_ns(const struct trace *trace, struct cptrace_annotation *omitted, uint64_t tick)
{
    const uint64_t ticks = omitted->omitted_ticks < tick ? omitted->omitted_ticks : tick;
    omitted->omitted_ticks = trace_run_ns(trace, tick) - trace_run_ns(trace, tick - ticks);
}

static void ticks_to_run_ns(const struct trace *trace, struct cptrace_events *events)
{
    for (size_t i = 0; i < events->open_count; ++i)
        events->open[i].start_tick = trace_run_ns(trace, events->open[i].start_tick);
    for (size_t i = 0; i < events->start_count; ++i)
        events->starts[i].start_tick = trace_run_ns(trace, events->starts[i].start_tick);
    for (size_t i = 0; i < events->event_count; ++i) {
        struct cptrace_event *const event = &events->events[i];
        if (event->op == CPTRACE_ANNOTATION_OMITTED || event->op == CPTRACE_ANNOTATION_OMITTED_OUTER)
            omitted_ticks_to_ns(trace, &events->annotations[event->value], event->tick);
        event->tick = trace_run_ns(trace, event->tick);
    }
    events->first_tick = trace_run_ns(trace, events->first_tick);
    events->last_tick = trace_run_ns(trace, events->last_tick);
}

/* Ticks become time here, and numbers become safe to index with, because this thread has time to spare. */
static void translate(const struct trace *trace, struct fed_block *block)
{
    struct cptrace_events *events = &block->events;
    const bool undefined = events->function_limit > trace->definitions.function_count;
    if (events->lane >= trace->definitions.lane_count) {
        blame(block, "lane", events->lane);
        return;
    }
    if (undefined && trace->unknown_function == CPTRACE_NO_NUMBER) {
        blame(block, "function", events->function_limit - 1);
        return;
    }
    if (undefined)
        replace_unknown_functions(trace, events);
    if (!trace->keeps_ticks)
        ticks_to_run_ns(trace, events);
}

static void keep_text(struct fed_block *block)
{
    struct cptrace_annotation *const annotations = block->events.annotations;
    size_t length = 0;
    for (size_t i = 0; i < block->events.annotation_count; ++i)
        length += annotations[i].text.length;
    if (length > block->text_capacity) {
        free(block->text);
        block->text = malloc(length);
        block->text_capacity = block->text ? length : 0;
        if (!block->text) {
            block->status = CPTRACE_NO_MEMORY;
            block->error = (struct cptrace_error){.status = CPTRACE_NO_MEMORY, .message = "no memory for the text of annotations"};
            return;
        }
    }
    char *to = block->text;
    for (size_t i = 0; length && i < block->events.annotation_count; ++i) {
        struct cptrace_string *const text = &annotations[i].text;
        memcpy(to, text->bytes, text->length);
        text->bytes = to;
        to += text->length;
    }
}

/* The index is not trusted more than the block. */
static void check_entry(const struct block_feed *feed, struct fed_block *block, const struct cptrace_block *raw)
{
    const struct cptrace_reader *const reader = feed->trace->reader;
    if (cptrace_reader_statistics(reader).by_index &&
        cptrace_reader_check_entry(reader, block->entry, raw, &block->error) == CPTRACE_NO_MEMORY)
        block->status = CPTRACE_NO_MEMORY;
}

static enum cptrace_status decode_events(struct fed_block *block, const struct cptrace_block *raw)
{
    if (cptrace_events_open_count(raw) > OPEN_CALLS_MAX)
        return too_many_open_calls(&block->error);
    return cptrace_events_decode(raw, &block->events, &block->error);
}

static void decode(struct block_feed *feed, struct fed_block *block, size_t place)
{
    const struct trace *const trace = feed->trace;
    const struct cptrace_block_entry *const entry = trace->event_blocks[place];
    struct cptrace_block raw;
    block->entry = entry;
    block->next = NULL;
    block->error = (struct cptrace_error){0};
    block->after_skipped = trace->part.is_part && trace->part.after_skipped[place];
    block->status = cptrace_reader_read_block(feed->trace->reader, entry, &feed->buffer, &raw, &block->error);
    if (block->status == CPTRACE_OK)
        block->status = decode_events(block, &raw);
    if (block->status == CPTRACE_OK)
        keep_text(block);
    if (block->status == CPTRACE_OK)
        check_entry(feed, block, &raw);
    if (block->status == CPTRACE_OK)
        translate(trace, block);
}

static struct fed_block *take_spare(struct block_feed *feed)
{
    struct fed_block *block = feed->spare;
    if (block)
        feed->spare = block->next;
    return block;
}

static void decode_ahead(void *context)
{
    struct block_feed *feed = context;
    platform_gate_lock(feed->gate);
    while (feed->next_entry < feed->trace->event_block_count) {
        while (feed->ready_count >= FEED_AHEAD_MAX && !feed->stop)
            platform_gate_wait(feed->gate);
        if (feed->stop)
            break;
        const size_t place = feed->next_entry++;
        struct fed_block *block = take_spare(feed);
        platform_gate_unlock(feed->gate);
        if (!block)
            block = calloc(1, sizeof *block);
        if (block)
            decode(feed, block, place);
        platform_gate_lock(feed->gate);
        if (!block)
            break; /* the merge sees that blocks are missing */
        if (feed->ready_last)
            feed->ready_last->next = block;
        else
            feed->ready_first = block;
        feed->ready_last = block;
        ++feed->ready_count;
        platform_gate_wake(feed->gate);
    }
    feed->finished = true;
    platform_gate_wake(feed->gate);
    platform_gate_unlock(feed->gate);
}

struct block_feed *block_feed_open(const struct trace *trace)
{
    struct block_feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return NULL;
    feed->trace = trace;
    feed->gate = platform_gate_create();
    if (!feed->gate) {
        free(feed);
        return NULL;
    }
    if (trace->event_block_count >= FEED_THREAD_MIN_BLOCKS && !platform_thread_start(&feed->thread, decode_ahead, feed))
        feed->thread = NULL;
    return feed;
}

static struct fed_block *decode_next(struct block_feed *feed)
{
    if (feed->next_entry == feed->trace->event_block_count)
        return NULL;
    struct fed_block *block = take_spare(feed);
    if (!block)
        block = calloc(1, sizeof *block);
    if (block)
        decode(feed, block, feed->next_entry++);
    return block;
}

struct fed_block *block_feed_take(struct block_feed *feed)
{
    if (!feed->thread)
        return decode_next(feed);
    platform_gate_lock(feed->gate);
    while (!feed->ready_first && !feed->finished)
        platform_gate_wait(feed->gate);
    struct fed_block *block = feed->ready_first;
    if (block) {
        feed->ready_first = block->next;
        if (!feed->ready_first)
            feed->ready_last = NULL;
        --feed->ready_count;
        block->next = NULL;
        platform_gate_wake(feed->gate);
    }
    platform_gate_unlock(feed->gate);
    return block;
}

static void free_block(struct fed_block *block)
{
    cptrace_events_free(&block->events);
    free(block->text);
    free(block);
}

void block_feed_give_back(struct block_feed *feed, struct fed_block *block)
{
    if (!block)
        return;
    platform_gate_lock(feed->gate);
    block->next = feed->spare;
    feed->spare = block;
    platform_gate_unlock(feed->gate);
}

static void free_list(struct fed_block *first)
{
    while (first) {
        struct fed_block *next = first->next;
        free_block(first);
        first = next;
    }
}

uint64_t block_feed_close(struct block_feed *feed)
{
    if (!feed)
        return 0;
    platform_gate_lock(feed->gate);
    feed->stop = true;
    platform_gate_wake(feed->gate);
    platform_gate_unlock(feed->gate);
    platform_thread_join(feed->thread);
    free_list(feed->ready_first);
    free_list(feed->spare);
    const uint64_t decompressed_count = feed->buffer.decompressed_count;
    cptrace_block_buffer_free(&feed->buffer);
    platform_gate_free(feed->gate);
    free(feed);
    return decompressed_count;
}

#include "rewrite/rewrite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "replay/lane_merge.h"
#include "rewrite/passage.h"

/* As the recorder writes at most: where its blocks ended the timeline has a point, which ends a block here, too. */
#define BLOCK_EVENTS (1u << 17)

/* Open calls written for the sake of points only: so many for each that was read, and of those some for nothing. */
#define HEAVY_CALLS_PER_READ 8u
#define HEAVY_CALLS_FREE (4u << 20)

/* The output is a file of its own, so that no block of an input is ever taken for one of it. */
static uint32_t new_file_id(const struct rewrite_options *options)
{
    uint64_t hash = platform_clock_ns() ^ (uint64_t)(uintptr_t)options ^ options->start_ns << 20;
    for (size_t i = 0; i < 16; ++i)
        hash = (hash ^ options->run_id[i]) * 0x100000001B3u;
    const uint32_t id = (uint32_t)(hash ^ hash >> 32);
    return id ? id : 1;
}

static void look_at_next_point(struct rewrite *rewrite)
{
    const struct timeline *const timeline = rewrite->timeline;
    rewrite->next_point_tick = rewrite->next_point < timeline->count ? timeline->points[rewrite->next_point].ticks : UINT64_MAX;
}

enum cptrace_status rewrite_create(const struct rewrite_options *options, struct rewrite **created, struct cptrace_error *error)
{
    *created = NULL;
    struct rewrite *const rewrite = calloc(1, sizeof *rewrite);
    if (!rewrite) {
        *error = (struct cptrace_error){.status = CPTRACE_NO_MEMORY, .message = "no memory"};
        return CPTRACE_NO_MEMORY;
    }
    rewrite->timeline = options->timeline;
    rewrite->redaction = options->redaction;
    rewrite->next_point = options->start_ns == options->timeline->points[0].monotonic_ns; /* the header has that one */
    look_at_next_point(rewrite);
    struct cptrace_writer_options writer = {
        .file_id = new_file_id(options),
        .ns_per_tick_q32 = options->timeline->ns_per_tick_q32,
        .start = timeline_point(options->timeline, options->start_ns),
        .block_event_count = BLOCK_EVENTS,
    };
    memcpy(writer.run_id, options->run_id, sizeof writer.run_id);
    rewrite->writer = cptrace_writer_create(options->sink, &writer, error);
    if (!rewrite->writer) {
        free(rewrite);
        return error->status;
    }
    *created = rewrite;
    return CPTRACE_OK;
}

void rewrite_info(struct rewrite *rewrite, const struct cptrace_pair *pairs, size_t count)
{
    cptrace_writer_info(rewrite->writer, pairs, count);
}

const char *rewrite_keep_text(struct rewrite *rewrite, const char *text)
{
    if (rewrite->text_count == rewrite->text_capacity) {
        const size_t capacity = rewrite->text_capacity ? rewrite->text_capacity * 2 : 64;
        char **const texts = realloc(rewrite->texts, capacity * sizeof *texts);
        if (!texts) {
            rewrite->no_memory = true;
            return "";
        }
        rewrite->texts = texts;
        rewrite->text_capacity = capacity;
    }
    char *const kept = strdup(text);
    rewrite->no_memory |= !kept;
    if (kept)
        rewrite->texts[rewrite->text_count++] = kept;
    return kept ? kept : "";
}

/* Only blocks of deep stacks can take the point. An input where that is so over and over has written such blocks itself, or else its points
 * are not of the time of their blocks. */
static enum cptrace_status flush_heavy(struct rewrite *rewrite, struct cptrace_error *error)
{
    rewrite->heavy_call_count += rewrite->deep_call_count;
    if (rewrite->heavy_call_count / HEAVY_CALLS_PER_READ > HEAVY_CALLS_FREE + rewrite->read_open_count) {
        *error =
            (struct cptrace_error){.status = CPTRACE_CORRUPT, .message = "too many calibration points far from their blocks of events"};
        return CPTRACE_CORRUPT;
    }
    return cptrace_writer_flush(rewrite->writer, error);
}

/* Called before an event is written, one point for each: so every point comes into a block, and the times in it stay what they are. */
enum cptrace_status rewrite_pass_point(struct rewrite *rewrite, struct cptrace_error *error)
{
    bool only_heavy;
    enum cptrace_status status = cptrace_writer_flush_light(rewrite->writer, &only_heavy, error);
    if (status == CPTRACE_OK && only_heavy)
        status = flush_heavy(rewrite, error);
    if (status == CPTRACE_OK)
        cptrace_writer_calibrate(rewrite->writer, rewrite->timeline->points[rewrite->next_point++]);
    look_at_next_point(rewrite);
    return status;
}

static enum cptrace_status pass_all(struct passage *passage, struct lane_merge *merge, struct cptrace_error *error)
{
    const struct rewrite_input *const input = passage->input;
    const uint64_t event_count = trace_facts(input->trace)->event_count;
    uint64_t done = 0;
    struct lane_run run;
    enum cptrace_status status;
    while ((status = lane_merge_next(merge, &run, error)) == CPTRACE_OK) {
        status = passage_run(passage, &run);
        if (status != CPTRACE_OK)
            return status;
        done += (uint64_t)(run.end - run.begin);
        if (input->progress && run.block_begins)
            input->progress(input->progress_context, done, event_count);
    }
    return status == CPTRACE_END ? CPTRACE_OK : status;
}

/* A block that did not decode becomes damage of the trace when the merge is closed. */
static enum cptrace_status judge(const struct rewrite_input *input, struct cptrace_error *error)
{
    size_t count;
    const struct cptrace_damage *const damage = cptrace_reader_damage(input->trace->reader, &count);
    if (count == 0)
        return CPTRACE_OK;
    *error = damage[count - 1].error;
    return error->status = CPTRACE_CORRUPT;
}

static enum cptrace_status pass_trace(struct passage *passage, struct cptrace_error *error)
{
    passage->input->trace->keeps_ticks = true;
    struct lane_merge *const merge = lane_merge_open(passage->input->trace);
    if (!merge) {
        *error = (struct cptrace_error){.status = CPTRACE_NO_MEMORY, .message = "no memory to read the events"};
        return CPTRACE_NO_MEMORY;
    }
    enum cptrace_status status = pass_all(passage, merge, error);
    lane_merge_close(merge);
    if (status == CPTRACE_OK || status == CPTRACE_CORRUPT) {
        const enum cptrace_status verdict = judge(passage->input, error);
        if (verdict != CPTRACE_OK)
            return verdict;
    }
    if (status != CPTRACE_OK)
        return status;
    passage_define_tasks(passage);
    return cptrace_writer_flush(passage->rewrite->writer, error);
}

enum cptrace_status rewrite_add(struct rewrite *rewrite, const struct rewrite_input *input, struct cptrace_error *error)
{
    enum cptrace_status status = judge(input, error);
    if (status != CPTRACE_OK)
        return status;
    struct passage passage;
    status = passage_begin(&passage, rewrite, input, error);
    if (status == CPTRACE_OK)
        status = pass_trace(&passage, error);
    passage_end(&passage);
    return status;
}

enum cptrace_status rewrite_finish(struct rewrite *rewrite, uint64_t end_ns, const struct cptrace_pair *pairs, size_t count,
                                   struct cptrace_error *error)
{
    return cptrace_writer_finish(rewrite->writer, timeline_point(rewrite->timeline, end_ns), pairs, count, error);
}

uint64_t rewrite_event_count(const struct rewrite *rewrite) { return cptrace_writer_event_count(rewrite->writer); }

uint64_t rewrite_call_count(const struct rewrite *rewrite) { return cptrace_writer_call_count(rewrite->writer); }

void rewrite_free(struct rewrite *rewrite)
{
    if (!rewrite)
        return;
    cptrace_writer_free(rewrite->writer);
    function_pool_free(&rewrite->functions);
    for (size_t i = 0; i < rewrite->text_count; ++i)
        free(rewrite->texts[i]);
    free(rewrite->texts);
    free(rewrite);
}

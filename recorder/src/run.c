#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "drainer.h"
#include "thread.h"

/* A run begins with a small ring, which is all that most runs need; the first lanes that fill theirs get a large one. */
enum {
    FIRST_RING_SLOTS = 4096,
    LARGE_RING_SLOTS = 131072, /* 2 MiB: a block of the file is what is drained at once, half of it */
    MIDDLE_RING_SLOTS = 16384,
    LARGE_RING_LANES = 3, /* bounds memory: 3 × 2 MiB, then 256 KiB a lane */
};

static uint32_t last_epoch;

/* ---- errors ---- */

void rec_run_fail(struct rec_run *run, const char *what, const char *why)
{
    if (!atomic_load(&run->has_failed))
        snprintf(run->error, sizeof run->error, "%s: %s", what, why);
    atomic_store(&run->has_failed, true);
}

/* ---- draining ---- */

static int append_to_part(void *context, const void *bytes, size_t length)
{
    return rec_file_append(((struct rec_run *)context)->files.part_file, bytes, length);
}

/* With run->mutex held. */
static void drain(struct rec_run *run, struct rec_lane *lane)
{
    if (atomic_load(&run->has_failed) || !run->writer)
        return;
    struct cptrace_error error = {0};
    uint64_t consumed;
    cptrace_writer_calibrate(run->writer, rec_clock_calibrate());
    enum cptrace_status status = cptrace_transcoder_consume(run->transcoder, lane->ring, &consumed);
    if (status == CPTRACE_OK)
        status = cptrace_writer_flush(run->writer, &error);
    else
        cptrace_writer_flush(run->writer, &error);
    if (status == CPTRACE_OK)
        cptrace_ring_release(lane->ring, consumed);
    else
        rec_run_fail(run, run->files.part_path, error.message[0] ? error.message : cptrace_status_name(status));
}

static uint64_t used_slots(const struct rec_lane *lane)
{
    return atomic_load_explicit(&lane->ring->head, memory_order_acquire) - atomic_load_explicit(&lane->ring->tail, memory_order_relaxed);
}

void rec_run_drain_full_lanes(struct rec_run *run)
{
    rec_mutex_lock(run->mutex);
    for (struct rec_lane *lane = run->lanes; lane; lane = lane->next_of_run)
        if (!lane->may_grow && used_slots(lane) >= (lane->mask + 1) / 2)
            drain(run, lane);
    rec_mutex_unlock(run->mutex);
}

/* ---- rings ---- */

static size_t ring_bytes(uint64_t slot_count) { return CPTRACE_RING_HEADER_BYTES + slot_count * sizeof(struct cptrace_ring_slot); }

/* Appends a region to the ring file: 0 or an errno value. */
static int map_ring(struct rec_run *run, uint64_t slot_count, struct cptrace_ring **ring)
{
    void *address;
    int status = rec_map_shared(run->files.ring_file, run->ring_file_bytes, ring_bytes(slot_count), &address);
    if (status)
        return status;
    run->ring_file_bytes += ring_bytes(slot_count);
    *ring = address;
    (*ring)->file_id = run->file_id;
    (*ring)->capacity_slots = slot_count;
    return 0;
}

static void use_ring(struct rec_lane *lane, struct cptrace_ring *ring)
{
    uint64_t head = atomic_load(&ring->head);
    lane->ring = ring;
    lane->slots = cptrace_ring_slots(ring);
    lane->mask = ring->capacity_slots - 1;
    lane->ring_bytes = ring_bytes(ring->capacity_slots);
    lane->limit = head;
}

/* A larger ring in place of a full one, with what it held. The new region counts (magic) before the old one ceases to. When the disk has no
 * room for it, the small one serves on. */
static bool enlarge_ring(struct rec_run *run, struct rec_lane *lane)
{
    struct cptrace_ring *old = lane->ring, *larger;
    lane->may_grow = false;
    if (map_ring(run, lane->number < LARGE_RING_LANES ? LARGE_RING_SLOTS : MIDDLE_RING_SLOTS, &larger) != 0)
        return false;
    uint64_t head = atomic_load(&old->head), tail = atomic_load(&old->tail);
    for (uint64_t slot = tail; slot < head; slot++)
        cptrace_ring_slots(larger)[slot & (larger->capacity_slots - 1)] = lane->slots[slot & lane->mask];
    larger->lane = old->lane;
    larger->os_thread_id = old->os_thread_id;
    memcpy(larger->thread_name, old->thread_name, sizeof larger->thread_name);
    atomic_store(&larger->tail, tail);
    atomic_store(&larger->head, head);
    larger->magic = CPTRACE_RING_MAGIC;
    old->magic = 0;
    rec_unmap(old, lane->ring_bytes);
    use_ring(lane, larger);
    return true;
}

void rec_run_help(struct rec_lane *lane)
{
    struct rec_run *run = lane->run;
    rec_mutex_lock(run->mutex);
    if (!lane->may_grow || !enlarge_ring(run, lane)) {
        run->helped_count++;
        drain(run, lane);
    }
    rec_mutex_unlock(run->mutex);
}

struct rec_lane *rec_run_lane(struct rec_run *run, struct rec_thread *thread)
{
    if (thread->os_thread_id == 0)
        thread->os_thread_id = rec_platform_thread_id();
    const uint64_t thread_id = thread->os_thread_id;
    for (struct rec_lane *lane = run->lanes; lane; lane = lane->next_of_run)
        if (lane->thread == thread && lane->ring->os_thread_id == thread_id)
            return lane;
    struct rec_lane *lane = atomic_load(&run->has_failed) ? NULL : calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    rec_mutex_lock(run->mutex);
    struct cptrace_ring *ring = NULL;
    int status = map_ring(run, FIRST_RING_SLOTS, &ring);
    if (status)
        rec_run_fail(run, run->files.ring_path, strerror(status));
    else {
        lane->may_grow = true;
        ring->lane = lane->number = run->lane_count++;
        ring->os_thread_id = thread_id;
        rec_platform_thread_name(ring->thread_name, sizeof ring->thread_name);
        ring->magic = CPTRACE_RING_MAGIC;
        lane->run = run;
        lane->epoch = ++last_epoch;
        lane->thread = thread;
        use_ring(lane, ring);
        struct rec_lane **end = &run->lanes;
        while (*end)
            end = &(*end)->next_of_run;
        *end = lane;
    }
    rec_mutex_unlock(run->mutex);
    if (!ring) {
        free(lane);
        return NULL;
    }
    return lane;
}

static void free_lanes(struct rec_run *run)
{
    while (run->lanes) {
        struct rec_lane *lane = run->lanes;
        run->lanes = lane->next_of_run;
        rec_unmap(lane->ring, lane->ring_bytes);
        free(lane->defined);
        free(lane);
    }
}

/* ---- life ---- */

static bool create_writer(struct rec_run *run, const struct rec_run_options *options, struct cptrace_error *error)
{
    struct cptrace_writer_options writer_options = {
        .file_id = run->file_id,
        .ns_per_tick_q32 = rec_clock_ns_per_tick_q32(),
        .start = rec_clock_calibrate(),
        .block_event_count = LARGE_RING_SLOTS,
    };
    memcpy(writer_options.run_id, run->run_id, sizeof run->run_id);
    run->writer = cptrace_writer_create((struct cptrace_sink){append_to_part, run}, &writer_options, error);
    if (!run->writer)
        return false;
    cptrace_writer_info(run->writer, options->info, options->info_count);
    if (cptrace_writer_flush(run->writer, error) != CPTRACE_OK)
        return false;
    run->transcoder = cptrace_transcoder_create(run->writer);
    return run->transcoder != NULL;
}

static bool fill(struct rec_run *run, const struct rec_run_options *options, char error[REC_RUN_ERROR_MAX])
{
    run->mutex = rec_mutex_create();
    if (!run->mutex) {
        snprintf(error, REC_RUN_ERROR_MAX, "no memory");
        return false;
    }
    int status = rec_trace_files_create(&run->files, options->folder, options->name);
    if (status) {
        snprintf(error, REC_RUN_ERROR_MAX, "%s: %s", run->files.part_path ? run->files.part_path : options->folder, strerror(status));
        return false;
    }
    /* The ring of this thread first: the run's clock starts with the writer, and what is slow shall lie before that. */
    if (!rec_run_lane(run, &rec_this_thread)) {
        snprintf(error, REC_RUN_ERROR_MAX, "%s", run->error[0] ? run->error : "no memory");
        return false;
    }
    struct cptrace_error writer_error = {0};
    if (!create_writer(run, options, &writer_error)) {
        snprintf(error, REC_RUN_ERROR_MAX, "%s: %s", run->files.part_path, writer_error.message[0] ? writer_error.message : "no memory");
        return false;
    }
    status = rec_drainer_add(run);
    if (status)
        snprintf(error, REC_RUN_ERROR_MAX, "%s", strerror(status));
    return status == 0;
}

struct rec_run *rec_run_open(const struct rec_run_options *options, char error[REC_RUN_ERROR_MAX])
{
    struct rec_run *run = calloc(1, sizeof *run);
    if (!run) {
        snprintf(error, REC_RUN_ERROR_MAX, "no memory");
        return NULL;
    }
    run->files.part_file = run->files.ring_file = -1;
    run->owner = options->owner;
    run->pid = rec_platform_pid();
    do
        rec_platform_random(&run->file_id, sizeof run->file_id);
    while (run->file_id == 0);
    rec_platform_random(run->run_id, sizeof run->run_id);
    if (fill(run, options, error)) {
        run->is_open = true;
        return run;
    }
    rec_run_discard(run);
    return NULL;
}

static struct cptrace_pair text_pair(const char *key, const char *value)
{
    return (struct cptrace_pair){{key, (uint32_t)strlen(key)}, {value, (uint32_t)strlen(value)}};
}

/* Writes the end of the file; with run->mutex held. */
static void finish_writing(struct rec_run *run, const char *outcome)
{
    for (struct rec_lane *lane = run->lanes; lane; lane = lane->next_of_run)
        if (used_slots(lane) > 0)
            drain(run, lane);
    if (atomic_load(&run->has_failed))
        return;
    char helped[24], repaired[24];
    snprintf(helped, sizeof helped, "%llu", (unsigned long long)run->helped_count);
    snprintf(repaired, sizeof repaired, "%llu", (unsigned long long)cptrace_transcoder_repaired_count(run->transcoder));
    const struct cptrace_pair pairs[] = {text_pair("outcome", outcome), text_pair("helped_drains", helped),
                                         text_pair("repaired_calls", repaired), text_pair("warning", run->warning ? run->warning : "")};
    const size_t pair_count = sizeof pairs / sizeof *pairs - (run->warning == NULL);
    struct cptrace_error error = {0};
    if (cptrace_writer_finish(run->writer, rec_clock_calibrate(), pairs, pair_count, &error) != CPTRACE_OK)
        rec_run_fail(run, run->files.part_path, error.message);
}

int rec_run_close(struct rec_run *run, const char *outcome)
{
    if (!run->is_open)
        return 0;
    run->is_open = false;
    for (struct rec_lane *lane = run->lanes; lane; lane = lane->next_of_run)
        rec_thread_switch_off(lane);
    rec_drainer_remove(run);
    rec_mutex_lock(run->mutex);
    finish_writing(run, outcome);
    rec_mutex_unlock(run->mutex);
    rec_trace_files_close(&run->files);
    if (!atomic_load(&run->has_failed)) {
        int status = rec_trace_files_publish(&run->files);
        if (status)
            rec_run_fail(run, run->files.final_path, strerror(status));
        else
            rec_file_remove(run->files.ring_path);
    }
    free_lanes(run);
    return atomic_load(&run->has_failed) ? -1 : 0;
}

void rec_run_discard(struct rec_run *run)
{
    if (run->is_open) {
        run->is_open = false;
        rec_drainer_remove(run);
    }
    rec_trace_files_remove(&run->files);
    rec_run_free(run);
}

void rec_run_free(struct rec_run *run)
{
    if (!run)
        return;
    free_lanes(run);
    cptrace_transcoder_free(run->transcoder);
    cptrace_writer_free(run->writer);
    rec_mutex_free(run->mutex);
    rec_trace_files_free(&run->files);
    free(run);
}

void rec_run_abandon_all_after_fork(void)
{
    for (struct rec_run *run = rec_open_runs; run; run = run->next_open) {
        run->is_open = false;
        rec_trace_files_close(&run->files); /* our copies of the descriptors; the parent's stay open */
        run->lanes = NULL;                  /* the mappings are the parent's: they stay untouched until this process ends */
        run->mutex = NULL;
    }
}

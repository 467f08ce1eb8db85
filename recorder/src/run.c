#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "drain.h"
#include "drainer.h"
#include "lock.h"
#include "lost.h"
#include "ring_files.h"
#include "run_error.h"
#include "thread.h"

#define LARGE_RING_LANES 2 /* bounds memory: 2 × 4 MiB, then 256 KiB a lane */

static atomic_uint_fast64_t last_serial;

/* ---- the file: in memory first, on disk from the first drain or the end ---- */

static int create_part(struct rec_run *run)
{
    struct cptrace_ring_file *head = run->ring_file->head;
    int status = rec_trace_files_create_part(&run->files);
    if (status == 0) {
        status = rec_file_append(run->files.part_file, head->spool, atomic_load(&head->spool_bytes));
        if (status)
            rec_trace_files_remove(&run->files); /* the spool has it, and the part would be no use */
    }
    if (status == 0) {
        rec_ring_file_rename(run->ring_file, run->files.final_path); /* it may be another one by now */
        atomic_store(&head->spool_bytes, 0);
    }
    return status;
}

static int append(void *context, const void *bytes, size_t length)
{
    struct rec_run *run = context;
    run->bytes_written += length;
    if (run->files.part_file < 0) {
        if (rec_ring_file_spool(run->ring_file, bytes, length))
            return 0;
        int status = create_part(run);
        if (status)
            return status;
    }
    if (!rec_file_has_name(run->files.part_file))
        return ENOENT; /* somebody removed it */
    return rec_file_append(run->files.part_file, bytes, length);
}

/* ---- rings and lanes ---- */

static void use_region(struct rec_lane *lane, struct rec_region *region)
{
    lane->region = region;
    lane->ring = region->ring;
    lane->slots = cptrace_ring_slots(region->ring);
    lane->mask = region->ring->capacity_slots - 1;
    lane->limit = atomic_load(&region->ring->head);
    rec_lane_begin_ring(lane);
}

/* A larger ring in place of a full one, with what it held. The new region counts (magic) before the old one ceases to. When the disk has no
 * room for it, the small one serves on. */
static bool enlarge_ring(struct rec_run *run, struct rec_lane *lane)
{
    struct rec_region *old = lane->region, *larger;
    lane->may_grow = false;
    const bool is_large = run->large_ring_count < LARGE_RING_LANES;
    if (rec_ring_file_region(run->ring_file, is_large ? REC_LARGE_RING_SLOTS : REC_MIDDLE_RING_SLOTS, &larger) != 0)
        return false;
    run->large_ring_count += is_large;
    struct cptrace_ring *from = old->ring, *to = larger->ring;
    const uint64_t head = atomic_load(&from->head), tail = atomic_load(&from->tail);
    for (uint64_t slot = tail; slot < head; slot++)
        cptrace_ring_slots(to)[slot & (to->capacity_slots - 1)] = lane->slots[slot & lane->mask];
    to->file_id = from->file_id;
    to->lane = from->lane;
    to->os_thread_id = from->os_thread_id;
    memcpy(to->thread_name, from->thread_name, sizeof to->thread_name);
    atomic_store(&to->tail, tail);
    atomic_store(&to->head, head);
    to->magic = CPTRACE_RING_MAGIC;
    from->magic = 0;
    rec_ring_file_release_region(run->ring_file, old);
    use_region(lane, larger);
    return true;
}

/* With run->mutex held. A first ring is made larger; the drainer may have made room in a large one. */
static bool has_or_gets_room(struct rec_lane *lane, uint64_t slot_count)
{
    return (lane->may_grow && enlarge_ring(lane->run, lane)) || rec_lane_used_slots(lane) + slot_count <= lane->ring->capacity_slots;
}

/* The drainer is at it, or late. Other threads of Python run meanwhile, and may end the run: the lane stays. */
static void wait_for_room(struct rec_lane *lane, uint64_t slot_count)
{
    struct rec_run *run = lane->run;
    PyThreadState *const state = rec_thread_let_others_run();
    rec_mutex_lock(run->mutex);
    if (!has_or_gets_room(lane, slot_count)) {
        run->helped_count++;
        rec_drain(run, rec_clock_calibrate(), false);
    }
    rec_mutex_unlock(run->mutex);
    rec_thread_go_on(state);
}

void rec_run_help(struct rec_lane *lane, uint64_t slot_count)
{
    struct rec_run *run = lane->run;
    bool has_room = false;
    if (rec_mutex_try_lock(run->mutex)) {
        has_room = has_or_gets_room(lane, slot_count);
        rec_mutex_unlock(run->mutex);
    }
    if (!has_room)
        wait_for_room(lane, slot_count);
}

static void free_lane(struct rec_run *run, struct rec_lane *lane)
{
    run->large_ring_count -= lane->region->ring->capacity_slots == REC_LARGE_RING_SLOTS;
    rec_ring_file_release_region(run->ring_file, lane->region);
    free(lane->treatments);
    free(lane->spill);
    free(lane);
}

static bool has_finished_lane(const struct rec_run *run)
{
    for (const struct rec_lane *lane = run->lanes; lane; lane = lane->next_of_run)
        if (atomic_load_explicit(&lane->is_finished, memory_order_acquire))
            return true;
    return false;
}

/* Lanes whose threads have ended give their rings to those that come. With run->mutex held. */
static void collect_finished_lanes(struct rec_run *run)
{
    if (!has_finished_lane(run))
        return;
    rec_drain(run, rec_clock_calibrate(), false);
    for (struct rec_lane **link = &run->lanes; *link;) {
        struct rec_lane *lane = *link;
        if (!atomic_load_explicit(&lane->is_finished, memory_order_acquire)) {
            link = &lane->next_of_run;
            continue;
        }
        if (rec_lane_used_slots(lane) > 0) { /* it is not drained yet, or the run takes no more: what it has must stay */
            link = &lane->next_of_run;
            continue;
        }
        lane->ring->magic = 0;
        *link = lane->next_of_run;
        free_lane(run, lane);
    }
}

/* The first lane of a run is what it is for; without another it goes on. */
static void fail_to_make_lane(struct rec_run *run, const char *why)
{
    if (!run->lanes) {
        rec_run_fail(run, run->ring_file->path, why);
        return;
    }
    snprintf(run->no_lane_error, sizeof run->no_lane_error, "threads that began later were not recorded: %s: %s",
             rec_run_shown(run->ring_file->path), why);
    run->takes_no_lane = true;
    run->trouble = run->no_lane_error;
}

/* With run->mutex held. NULL when there is no room for it: none is made any more. */
static struct rec_lane *make_lane(struct rec_run *run, struct rec_thread *thread, const char *name)
{
    struct rec_lane *lane = calloc(1, sizeof *lane);
    struct rec_region *region = NULL;
    const int status = lane ? rec_ring_file_region(run->ring_file, REC_FIRST_RING_SLOTS, &region) : ENOMEM;
    if (status) {
        fail_to_make_lane(run, strerror(status));
        free(lane);
        return NULL;
    }
    region->ring->file_id = run->file_id;
    region->ring->lane = lane->number = run->lane_count++;
    region->ring->os_thread_id = rec_platform_thread_id();
    memcpy(region->ring->thread_name, name, sizeof region->ring->thread_name);
    region->ring->magic = CPTRACE_RING_MAGIC;
    lane->may_grow = true;
    lane->run = run;
    use_region(lane, region);
    rec_thread_remember_lane(thread, lane);
    struct rec_lane **end = &run->lanes;
    while (*end)
        end = &(*end)->next_of_run;
    *end = lane;
    return lane;
}

struct rec_lane *rec_run_lane(struct rec_run *run, struct rec_thread *thread)
{
    struct rec_lane *lane = rec_thread_lane(thread, run);
    if (lane)
        return lane;
    char name[CPTRACE_RING_NAME_MAX];
    rec_thread_name(name, sizeof name);
    atomic_fetch_add(&run->holder_count, 1); /* while others run, it may come to its end */
    rec_mutex_wait_for(run->mutex);
    if (rec_run_takes_no_more(run))
        run->misses_threads = true;
    else if (!run->has_stopped && !run->takes_no_lane) {
        collect_finished_lanes(run);
        lane = make_lane(run, thread, name);
    }
    rec_mutex_unlock(run->mutex);
    rec_run_free(run);
    return lane;
}

/* Lanes that another thread may be using stay with it; they hold the run, its rings and the mappings. */
static void let_lanes_go(struct rec_run *run)
{
    while (run->lanes) {
        struct rec_lane *lane = run->lanes;
        run->lanes = lane->next_of_run;
        atomic_fetch_add(&run->holder_count, 1);
        if (!rec_thread_release_lane(lane))
            continue;
        atomic_fetch_sub(&run->holder_count, 1);
        free_lane(run, lane);
    }
}

static bool is_in_part_alone(const struct rec_run *run) { return run->is_whole && atomic_load(&run->ring_file->head->spool_bytes) == 0; }

static void let_ring_file_go(struct rec_run *run)
{
    if (!run->ring_file)
        return;
    const bool is_needed = atomic_load(&run->has_failed) && !is_in_part_alone(run);
    if (atomic_load(&run->holder_count) > 1) {
        if (!is_needed)
            rec_ring_file_retire(run->ring_file);
    } else if (is_needed) {
        rec_ring_file_abandon(run->ring_file);
        run->ring_file = NULL;
    } else {
        rec_ring_file_give_back(run->ring_file);
        run->ring_file = NULL;
    }
}

/* ---- life ---- */

static bool create_writer(struct rec_run *run, const struct rec_run_options *options, struct cptrace_error *error)
{
    struct cptrace_writer_options writer_options = {
        .file_id = run->file_id,
        .ns_per_tick_q32 = rec_clock_ns_per_tick_q32(),
        .start = rec_clock_calibrate(),
        .block_event_count = REC_LARGE_RING_SLOTS,
    };
    run->last_point = writer_options.start;
    run->last_look_ns = writer_options.start.monotonic_ns;
    memcpy(writer_options.run_id, run->run_id, sizeof run->run_id);
    run->writer = cptrace_writer_create((struct cptrace_sink){append, run}, &writer_options, error);
    if (!run->writer)
        return false;
    cptrace_writer_info(run->writer, options->info, options->info_count);
    if (cptrace_writer_flush(run->writer, error) != CPTRACE_OK)
        return false;
    const struct cptrace_transcoder_options sieve = {.max_depth = run->wants.max_depth,
                                                     .min_call_ticks = rec_clock_ticks_of_ns(run->wants.min_call_ns)};
    run->transcoder = cptrace_transcoder_create(run->writer, &sieve);
    if (!run->transcoder)
        return false;
    rec_ring_file_begin(run->ring_file, run->bytes_written, &sieve);
    return true;
}

static bool take_ring_file(struct rec_run *run, const struct rec_run_options *options, char error[REC_RUN_ERROR_MAX])
{
    char *path = NULL;
    int status = rec_trace_files_plan(&run->files, options->folder, options->name);
    if (status == 0)
        status = rec_ring_file_take(options->folder, &run->ring_file, &path);
    if (status)
        snprintf(error, REC_RUN_ERROR_MAX, "%s: %s", rec_run_shown(path ? path : options->folder), strerror(status));
    else
        rec_ring_file_prepare(run->ring_file, run->file_id, run->files.final_path);
    free(path);
    return status == 0;
}

static bool fill(struct rec_run *run, const struct rec_run_options *options, char error[REC_RUN_ERROR_MAX])
{
    run->mutex = rec_mutex_create();
    if (!run->mutex) {
        snprintf(error, REC_RUN_ERROR_MAX, "no memory");
        return false;
    }
    if (!take_ring_file(run, options, error))
        return false;
    struct cptrace_error writer_error = {0};
    if (!create_writer(run, options, &writer_error)) {
        snprintf(error, REC_RUN_ERROR_MAX, "%s: %s", rec_run_shown(run->files.part_path),
                 writer_error.message[0] ? writer_error.message : "no memory");
        return false;
    }
    const int status = rec_drainer_add(run);
    if (status)
        snprintf(error, REC_RUN_ERROR_MAX, "%s", strerror(status));
    return status == 0;
}

struct rec_run *rec_run_open(const struct rec_run_options *options, char error[REC_RUN_ERROR_MAX])
{
    struct rec_run *run = calloc(1, sizeof *run);
    if (!run) {
        snprintf(error, REC_RUN_ERROR_MAX, "no memory");
        rec_filter_free(options->filter);
        return NULL;
    }
    run->files.part_file = -1;
    run->holder_count = 1;
    run->owner = options->owner;
    run->wants = options->wants;
    run->filter = options->filter;
    run->pid = rec_platform_pid();
    run->serial = atomic_fetch_add(&last_serial, 1) + 1;
    do
        rec_platform_random(&run->file_id, sizeof run->file_id);
    while (run->file_id == 0);
    rec_platform_random(run->run_id, sizeof run->run_id);
    if (fill(run, options, error)) {
        run->is_open = true;
        return run;
    }
    if (run->mutex) {
        rec_run_discard(run);
        rec_run_let_go(run);
    }
    rec_run_free(run);
    return NULL;
}

void rec_run_stop(struct rec_run *run)
{
    if (!run->is_open)
        return;
    run->is_open = false;
    rec_drainer_remove(run);
    rec_mutex_wait_for(run->mutex);
    run->has_stopped = true;
    bool are_detached = true;
    for (struct rec_lane *lane = run->lanes; lane; lane = lane->next_of_run)
        are_detached &= rec_thread_detach_lane(lane);
    if (!are_detached) { /* what other threads put from here on does not count: they may hear of some things, and not of others */
        rec_drain(run, rec_clock_calibrate(), false);
        atomic_store(&run->is_full, true);
    }
    rec_mutex_unlock(run->mutex);
}

/* Writes the end of the file; with run->mutex held. */
static void finish_writing(struct rec_run *run, const char *outcome, const struct cptrace_pair *more, size_t more_count)
{
    const struct cptrace_calibration end = rec_clock_calibrate();
    rec_drain(run, end, true);
    if (atomic_load(&run->has_failed))
        return;
    cptrace_transcoder_finish(run->transcoder, end.ticks);
    char helped[24], repaired[24], cut_short[100];
    snprintf(helped, sizeof helped, "%llu", (unsigned long long)run->helped_count);
    snprintf(repaired, sizeof repaired, "%llu", (unsigned long long)cptrace_transcoder_repaired_count(run->transcoder));
    const struct rec_lost_calls lost = rec_lost_calls(run);
    snprintf(cut_short, sizeof cut_short, "max_bytes was reached: what came after is not recorded, %llu calls",
             (unsigned long long)(lost.overwritten + lost.in_rings_alone));
    struct cptrace_pair *pairs = calloc(more_count + 6, sizeof *pairs);
    if (!pairs) {
        rec_run_fail(run, run->files.part_path, "no memory");
        return;
    }
    size_t count = 0;
    pairs[count++] = rec_text_pair("outcome", outcome);
    pairs[count++] = rec_text_pair("helped_drains", helped);
    pairs[count++] = rec_text_pair("repaired_calls", repaired);
    if (run->trouble)
        pairs[count++] = rec_text_pair("warning", run->trouble);
    if (run->warning)
        pairs[count++] = rec_text_pair("warning", run->warning);
    if (run->was_cut_short)
        pairs[count++] = rec_text_pair("warning", cut_short);
    if (more_count)
        memcpy(pairs + count, more, more_count * sizeof *pairs);
    struct cptrace_error error = {0};
    if (cptrace_writer_finish(run->writer, end, pairs, count + more_count, &error) != CPTRACE_OK)
        rec_run_fail(run, run->files.part_path, error.message);
    free(pairs);
}

static void publish(struct rec_run *run)
{
    int status = run->files.part_file < 0 ? create_part(run) : 0;
    const bool is_in_part = run->files.part_file >= 0 && rec_file_has_name(run->files.part_file);
    const bool is_in_spool = run->files.part_file < 0 && rec_file_has_name(run->ring_file->file);
    const int closing = rec_trace_files_close(&run->files);
    if (status == 0)
        status = closing ? closing : rec_trace_files_publish(&run->files);
    if (status)
        rec_run_tell_unpublished(run, status, is_in_part, is_in_spool, closing == 0);
}

/* The large part of a run; nobody drains any more. */
static void free_writer(struct rec_run *run)
{
    rec_mutex_lock(run->mutex);
    cptrace_transcoder_free(run->transcoder);
    cptrace_writer_free(run->writer);
    run->transcoder = NULL;
    run->writer = NULL;
    rec_mutex_unlock(run->mutex);
}

int rec_run_save(struct rec_run *run, const char *outcome, const struct cptrace_pair *pairs, size_t pair_count)
{
    rec_mutex_lock(run->mutex);
    finish_writing(run, outcome, pairs, pair_count);
    if (atomic_load(&run->has_failed))
        rec_run_tell_missing(run);
    atomic_store(&run->is_full, true); /* whoever still puts events goes round */
    rec_mutex_unlock(run->mutex);
    if (!atomic_load(&run->has_failed))
        publish(run);
    rec_trace_files_close(&run->files);
    return atomic_load(&run->has_failed) ? -1 : 0;
}

void rec_run_discard(struct rec_run *run)
{
    rec_run_stop(run);
    atomic_store(&run->is_full, true);
    rec_trace_files_remove(&run->files);
}

void rec_run_let_go(struct rec_run *run)
{
    rec_mutex_wait_for(run->mutex); /* a thread that waited for room in its ring may still be at the ring file */
    let_lanes_go(run);
    rec_mutex_unlock(run->mutex);
    let_ring_file_go(run);
    free_writer(run);
}

void rec_run_free(struct rec_run *run)
{
    if (!run || atomic_fetch_sub(&run->holder_count, 1) > 1)
        return;
    if (run->ring_file)
        rec_ring_file_abandon(run->ring_file);
    rec_mutex_free(run->mutex);
    rec_trace_files_free(&run->files);
    free(run->drained_rings);
    free(run->drained_slots);
    rec_filter_free(run->filter);
    free(run);
}

void rec_run_free_lane(struct rec_lane *lane)
{
    struct rec_run *run = lane->run;
    rec_mutex_lock(run->mutex); /* two threads may let go at once */
    free_lane(run, lane);
    rec_mutex_unlock(run->mutex);
    rec_run_free(run);
}

void rec_run_abandon_all_after_fork(void)
{
    for (struct rec_run *run = rec_open_runs; run; run = run->next_open) {
        run->is_open = false;
        rec_trace_files_close(&run->files); /* our copies of the descriptors; the parent's stay open */
        rec_ring_file_forget_after_fork(run->ring_file);
        run->ring_file = NULL;
        run->lanes = NULL; /* the mappings are the parent's: they stay untouched until this process ends */
        run->mutex = NULL;
    }
}

/* A run: one execution of a profiled function, one trace file. With the GIL for all that is not said to be the drainer's. */
#ifndef REC_RUN_H
#define REC_RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cptrace/writer.h"
#include "lane.h"
#include "platform.h"
#include "trace_files.h"

#define REC_RUN_ERROR_MAX 300

struct rec_run {
    uint32_t pid;
    const void *owner; /* what was decorated: a call of it within its own run starts no other */
    bool is_open;
    atomic_bool has_failed;
    char error[REC_RUN_ERROR_MAX]; /* the first thing that went wrong, for one warning */

    struct rec_trace_files files;
    uint64_t ring_file_bytes;
    uint32_t file_id;
    uint8_t run_id[16];

    struct rec_mutex *mutex; /* guards what follows, between the drainer and the threads that help */
    struct cptrace_writer *writer;
    struct cptrace_transcoder *transcoder;
    struct rec_lane *lanes;
    uint32_t lane_count;
    uint64_t helped_count; /* drains by a recording thread */
    const char *warning;   /* what is wrong with what was recorded, or NULL; not owned */

    struct rec_run *next_open;
};

struct rec_run_options {
    const char *folder;
    const char *name; /* of the file; sanitised by the caller */
    const void *owner;
    const struct cptrace_pair *info;
    size_t info_count;
};

/* Opens the files and writes the first blocks. NULL on failure with the reason in error. */
struct rec_run *rec_run_open(const struct rec_run_options *options, char error[REC_RUN_ERROR_MAX]);

/* Ends the run: drains, writes the end and publishes the file. 0, or -1 with run->error set. The file that was saved (or the .part that
 * remains) is run->files.final_path / part_path. Closing twice is fine. */
int rec_run_close(struct rec_run *run, const char *outcome);
void rec_run_free(struct rec_run *run); /* closed before */

/* Removes the files of a run in which nothing was recorded, and frees it. */
void rec_run_discard(struct rec_run *run);

/* This thread's lane in the run, made when it is new; NULL when the run has failed or there is no memory. */
struct rec_lane *rec_run_lane(struct rec_run *run, struct rec_thread *thread);

/* A full ring, seen by the thread that fills it: gives a first ring more room, drains a large one. */
void rec_run_help(struct rec_lane *lane);

/* The drainer's round: encodes, compresses and appends what the rings hold that are at least half full. */
void rec_run_drain_full_lanes(struct rec_run *run);

void rec_run_fail(struct rec_run *run, const char *what, const char *why);

/* After a fork, in the child: runs of the parent are let go without touching their files. */
void rec_run_abandon_all_after_fork(void);

extern struct rec_run *rec_open_runs; /* the drainer's list; changed with the GIL */

#endif

/* A run: one execution of a profiled function, one trace file. With the recorder's lock for all that is not said to be the drainer's. */
#ifndef REC_RUN_H
#define REC_RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cptrace/writer.h"
#include "filter.h"
#include "lane.h"
#include "platform.h"
#include "trace_files.h"

#define REC_RUN_ERROR_MAX 640

static inline struct cptrace_pair rec_text_pair(const char *key, const char *value)
{
    return (struct cptrace_pair){{key, (uint32_t)strlen(key)}, {value, (uint32_t)strlen(value)}};
}

struct rec_ring_file;
struct rec_run_object;

/* What a run records beyond Python calls, and what it leaves out. */
struct rec_wants {
    bool c_calls, arguments;
    bool threads;         /* also those that the run starts */
    bool processes;       /* children record into files of their own */
    uint32_t max_depth;   /* 0: no limit */
    uint64_t min_call_ns; /* shorter calls are left out */
    uint64_t max_bytes;   /* of the file; 0: no limit */
};

struct rec_run {
    uint32_t pid;
    uint64_t serial;               /* unique in the process */
    struct rec_run_object *object; /* of Python; borrowed */
    bool was_on_in_fork;           /* in a child: on the thread that forked */
    const void *owner;             /* what was decorated: a call of it within its own run starts no other */
    atomic_bool is_open;
    atomic_bool has_failed;
    atomic_bool is_full;           /* max_bytes was reached */
    char error[REC_RUN_ERROR_MAX]; /* the first thing that went wrong, and what is missing by it, for one warning */
    bool is_whole;                 /* though it failed: all is written, but not where it should be */

    struct rec_wants wants;
    struct rec_filter *filter; /* owned; NULL: nothing is left out */
    struct rec_trace_files files;
    struct rec_ring_file *ring_file; /* NULL once given back */
    uint32_t file_id;
    uint8_t run_id[16];

    struct rec_mutex *mutex; /* guards what follows, between the drainer and the threads that help */
    struct cptrace_writer *writer;
    struct cptrace_transcoder *transcoder;
    bool has_stopped; /* no lane is made any more */
    struct rec_lane *lanes;
    uint32_t lane_count;
    uint32_t large_ring_count;
    struct cptrace_ring **drained_rings; /* of one round of draining: scratch */
    uint64_t *drained_slots;
    size_t drained_capacity;
    struct cptrace_calibration last_point;
    uint64_t last_look_ns; /* the drainer's; monotonic */
    uint64_t bytes_written;
    uint64_t released_slots;
    uint64_t released_call_count; /* in the file when rings were released last */
    uint64_t helped_count;        /* drains by a recording thread */
    const char *trouble;          /* what was missed, or NULL: told to the user, too; not owned */
    const char *warning;          /* what is wrong with what was recorded, or NULL; not owned */
    bool was_cut_short;           /* max_bytes was reached */
    bool takes_no_lane;           /* one could not be made */
    bool misses_threads;          /* that began when the run took no more events */
    char no_lane_error[REC_RUN_ERROR_MAX];

    struct rec_run *next_open;
    atomic_uint holder_count; /* who may still look at it: its Python object, and lanes that are left to their threads */
};

struct rec_run_options {
    const char *folder;
    const char *name; /* of the file; sanitised by the caller */
    const void *owner;
    struct rec_wants wants;
    struct rec_filter *filter; /* taken over, even on failure */
    const struct cptrace_pair *info;
    size_t info_count;
};

/* Takes a ring and begins the trace, in memory. NULL on failure with the reason in error. */
struct rec_run *rec_run_open(const struct rec_run_options *options, char error[REC_RUN_ERROR_MAX]);

/* Ends recording: no event comes in any more. What was recorded waits for rec_run_save or rec_run_discard. */
void rec_run_stop(struct rec_run *run);

/* Drains, writes the end and publishes the file of a stopped run. 0, or -1 with run->error set. The file that was saved (or the .part that
 * remains) is run->files.final_path / part_path. pairs: further pairs of the end block. Needs no interpreter: other threads may run. */
int rec_run_save(struct rec_run *run, const char *outcome, const struct cptrace_pair *pairs, size_t pair_count);

/* In place of that: stopped, and no file of it remains. */
void rec_run_discard(struct rec_run *run);

/* Saved or discarded: gives back its rings, and what it wrote with. */
void rec_run_let_go(struct rec_run *run);

void rec_run_free(struct rec_run *run);        /* let go before; NULL is fine. Its memory stays while others hold it */
void rec_run_free_lane(struct rec_lane *lane); /* one that was left to its thread */

/* This thread's lane in the run, made when it is new; NULL when the run has failed, or there is no room for a ring. */
struct rec_lane *rec_run_lane(struct rec_run *run, struct rec_thread *thread);

/* A ring without room for slot_count more, seen by the thread that fills it: makes a first ring larger, drains a large one. */
void rec_run_help(struct rec_lane *lane, uint64_t slot_count);

void rec_run_fail(struct rec_run *run, const char *what, const char *why);

/* Events are of no use to the run any more. */
static inline bool rec_run_takes_no_more(struct rec_run *run)
{
    return atomic_load_explicit(&run->has_failed, memory_order_relaxed) || atomic_load_explicit(&run->is_full, memory_order_relaxed);
}

/* After a fork, in the child: runs of the parent are let go without touching their files. */
void rec_run_abandon_all_after_fork(void);

extern struct rec_run *rec_open_runs; /* the drainer's list */

#endif

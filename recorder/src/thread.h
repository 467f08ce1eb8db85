/* What the recorder knows of each OS thread, and which runs are on there. */
#ifndef REC_THREAD_H
#define REC_THREAD_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "lane.h"

struct rec_thread {
    struct rec_lane *lane;  /* the innermost run that is on, or NULL: the first thing that a hook looks at */
    struct rec_lane *muted; /* what `lane` was, while our own Python code runs */
    unsigned mute_count;
    const void *context; /* the context that was looked at last, and its version */
    uint64_t context_version;
    uint64_t os_thread_id; /* 0: not asked yet */
    bool is_known;         /* its end is watched */
    unsigned hook_count;   /* setprofile back end: runs that want the hook on this thread */
};

/* Thread-local access without a call into the loader, where the C library keeps room for it. */
#if defined(__GLIBC__) && defined(__GNUC__)
#define REC_TLS_MODEL __attribute__((tls_model("initial-exec")))
#else
#define REC_TLS_MODEL
#endif
extern _Thread_local struct rec_thread rec_this_thread REC_TLS_MODEL;

int rec_threads_start(void); /* once per process */

/* Switches a lane on or off on this thread. Off is right in any order. */
void rec_thread_switch_on(struct rec_thread *thread, struct rec_lane *lane);
void rec_thread_switch_off(struct rec_lane *lane);
bool rec_thread_is_recording(const struct rec_thread *thread, const struct rec_run *run);
/* Whether a run of this owner is on. */
bool rec_thread_records_owner(const struct rec_thread *thread, const void *owner);

/* What callprofiler's own Python code does is nobody's business: no run hears of it. Nests. */
void rec_thread_mute(struct rec_thread *thread);
void rec_thread_unmute(struct rec_thread *thread);

/* The interpreter frame that runs now: its address is the identity of a generator or coroutine while it lives. */
const void *rec_current_frame(void);

#endif

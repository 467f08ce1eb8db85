/* What the recorder knows of each OS thread, and which runs are on there. */
#ifndef REC_THREAD_H
#define REC_THREAD_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "lane.h"

struct rec_callable_cache;
struct rec_word_cache;

struct rec_thread {
    /* What the fast path looks at first: the only run that is on, or NULL: none is, or it is not that simple (several are, the clock is
     * slow; for leaves: the run goes off with one of the frames that are left). Follow from `lane`: see thread.c, set_fast_lanes. */
    struct rec_lane *enter_lane, *leave_lane;
    const void *last_callable;            /* the C callable that was called last, if it is a plain function to enter_lane; else NULL */
    struct rec_callable_cache *callables; /* in front of the table of C callables */
    uint64_t last_c_return;               /* what its return puts */

    struct rec_word_cache *words; /* NULL: none of its lanes has words yet */
    uint64_t word_lane_count;     /* lanes that got a key for them */

    struct rec_lane *lane;  /* the innermost run that is on, or NULL */
    struct rec_lane *muted; /* what `lane` was, while our own Python code runs */
    unsigned mute_count;
    const void *context; /* the context that was looked at last, and its version */
    uint64_t context_version;
    const void *announced_frame; /* of the coroutine that the task that was created last will run: an eager one starts within its creator */
    struct rec_lane *lanes;      /* all that it has, on or off */
    atomic_bool has_closed_lanes; /* some of them belong to runs that are over */
    bool is_known;                /* its end is watched */
    bool is_waiting;              /* others have the GIL, in the middle of an event: none may take a lane of it away */
    bool locals_are_written_back; /* the interpreter will, when this event is over: nobody may touch a frame's locals */
};

/* Thread-local access without a call into the loader, where the C library keeps room for it. */
#if defined(__GLIBC__) && defined(__GNUC__)
#define REC_TLS_MODEL __attribute__((tls_model("initial-exec")))
#else
#define REC_TLS_MODEL
#endif
extern _Thread_local struct rec_thread rec_this_thread REC_TLS_MODEL;

int rec_threads_start(void); /* once per process; 0 or an errno value */

/* Puts another list of lanes in the place of what is on; the old one is returned. */
struct rec_lane *rec_thread_swap_lanes(struct rec_thread *thread, struct rec_lane *lane);

/* Switches a lane of the calling thread on or off. root_frame, of root_code: it goes off when this frame ends or suspends; NULL, both: when
 * it is told. Off is right in any order, and when it is off already. */
void rec_thread_switch_on(struct rec_thread *thread, struct rec_lane *lane, const void *root_frame, const PyCodeObject *root_code);
void rec_thread_switch_off(struct rec_lane *lane);
bool rec_thread_is_recording(const struct rec_thread *thread, const struct rec_run *run);
/* Whether a run of this owner is on. */
bool rec_thread_records_owner(const struct rec_thread *thread, const void *owner);

/* The thread's lanes: each run that it ever had a part in. A thread that ends leaves its lanes to their runs, as finished. */
struct rec_lane *rec_thread_lane(struct rec_thread *thread, const struct rec_run *run); /* NULL: none yet */
void rec_thread_remember_lane(struct rec_thread *thread, struct rec_lane *lane);
/* For a lane that no run has. By the thread itself, as all that makes lanes. */
void rec_thread_give_words(struct rec_thread *thread, struct rec_lane *lane);

/* Takes the lane from its thread, which can be any, so that no event goes there any more. False: that
 * is another, and its hooks may be looking at it (there is no GIL, or it has let go of it). */
bool rec_thread_detach_lane(struct rec_lane *lane);

/* Does so at last, before it is freed. False, for the same reason: that thread frees it with rec_run_free_lane once it has noticed. */
bool rec_thread_release_lane(struct rec_lane *lane);

/* By the calling thread, in the middle of an event or of the end of a run: others have the GIL, until it takes it back. None of its lanes
 * goes away meanwhile. */
PyThreadState *rec_thread_let_others_run(void);
void rec_thread_go_on(PyThreadState *state);

/* What callprofiler's own Python code does is nobody's business: no run hears of it. Nests. */
void rec_thread_mute(struct rec_thread *thread);
void rec_thread_unmute(struct rec_thread *thread);

/* The name that Python knows the calling thread by, else the system's; NUL-terminated, cut between characters. Runs no Python code. */
void rec_thread_name(char *name, size_t capacity);

/* The threading.Thread of the calling thread; borrowed. NULL while there is none. Runs no Python code, leaves no exception. */
PyObject *rec_thread_object(void);

#endif

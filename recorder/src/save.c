#include "save.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "platform.h"
#include "run.h"
#include "thread.h"

static atomic_uint save_count;        /* saves that others may see the middle of */
static struct rec_bell *save_over;    /* rung when one of them is; NULL in a forked child without memory */
static _Atomic uint64_t last_save_ns; /* 0: none yet */
static _Atomic uint64_t last_opening_ns;

int rec_saves_start(void)
{
    save_over = rec_bell_create();
    return save_over ? 0 : ENOMEM;
}

/* While a run is saved, others wait for the GIL. Where that is shorter than they make each other wait anyway (5 ms, the switch interval),
 * it harms nobody; to ask for the GIL again would cost this thread up to that interval while others compute. A slow disk is another matter.
 */
static bool lets_others_run(void)
{
#ifdef Py_GIL_DISABLED
    return true; /* nobody has to wait, unless the world is to be stopped */
#else
    enum { SLOW_NS = 2000000 };
    const uint64_t last_ns = atomic_load(&last_save_ns);
    return (last_ns ? last_ns : atomic_load(&last_opening_ns)) > SLOW_NS;
#endif
}

struct rec_run *rec_save_open(const struct rec_run_options *options, char error[REC_RUN_ERROR_MAX])
{
    const uint64_t begin_ns = rec_platform_monotonic_ns();
    struct rec_run *const run = rec_run_open(options, error);
    atomic_store(&last_opening_ns, rec_platform_monotonic_ns() - begin_ns);
    return run;
}

static int save(struct rec_run *run, const char *outcome, const struct cptrace_pair *pairs, size_t pair_count)
{
    const uint64_t begin_ns = rec_platform_monotonic_ns();
    const int status = rec_run_save(run, outcome, pairs, pair_count);
    atomic_store(&last_save_ns, rec_platform_monotonic_ns() - begin_ns);
    return status;
}

static int save_while_others_run(struct rec_run *run, const char *outcome, const struct cptrace_pair *pairs, size_t pair_count)
{
    atomic_fetch_add(&save_count, 1);
    PyThreadState *const state = rec_thread_let_others_run();
    const int status = save(run, outcome, pairs, pair_count);
    rec_thread_go_on(state);
    rec_run_let_go(run);
    atomic_fetch_sub(&save_count, 1);
    if (save_over)
        rec_bell_ring(save_over);
    return status;
}

int rec_save(struct rec_run *run, const char *outcome, const struct cptrace_pair *pairs, size_t pair_count)
{
    if (lets_others_run())
        return save_while_others_run(run, outcome, pairs, pair_count);
    const int status = save(run, outcome, pairs, pair_count);
    rec_run_let_go(run);
    return status;
}

void rec_saves_wait(void)
{
    while (save_over && atomic_load(&save_count) > 0) {
        PyThreadState *const state = rec_thread_let_others_run();
        rec_bell_wait(save_over, REC_FOREVER_NS);
        rec_thread_go_on(state);
    }
    if (save_over)
        rec_bell_ring(save_over); /* for whoever waits besides */
}

void rec_saves_forget_after_fork(void)
{
    atomic_store(&save_count, 0);
    save_over = rec_bell_create();
}

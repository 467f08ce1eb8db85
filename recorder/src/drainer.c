#include "drainer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "drain.h"
#include "platform.h"
#include "run.h"

/* One list of open runs: guarded by `mutex`, which nobody holds while a disk is waited for. */
static struct rec_mutex *mutex;
static struct rec_bell *bell;
static struct rec_mutex *start_mutex; /* guards `thread` */
static struct rec_os_thread *thread;  /* NULL: not running */
static atomic_bool must_end;
struct rec_run *rec_open_runs;

static bool is_listed(const struct rec_run *run)
{
    const struct rec_run *at = rec_open_runs;
    while (at && at != run)
        at = at->next_open;
    return at != NULL;
}

/* With `mutex`, which is let go meanwhile. The next run of the round; when this one was removed, the first again. A run that somebody else
 * is at is left to him: he drains it, or its ring gets full, and then whoever fills it does. */
static struct rec_run *look_and_go_on(struct rec_run *run, uint64_t *next_look_ns)
{
    if (!rec_mutex_try_lock(run->mutex))
        return run->next_open;
    rec_mutex_unlock(mutex);
    const uint64_t its_next_ns = rec_drain_look(run);
    *next_look_ns = its_next_ns < *next_look_ns ? its_next_ns : *next_look_ns;
    rec_mutex_lock(mutex);
    struct rec_run *next = is_listed(run) ? run->next_open : rec_open_runs;
    rec_mutex_unlock(run->mutex); /* whoever removed it waits for that */
    return next;
}

static void drain_until_told(void)
{
    uint64_t next_look_ns = REC_FOREVER_NS;
    while (!atomic_load(&must_end)) {
        rec_bell_wait(bell, next_look_ns);
        next_look_ns = REC_FOREVER_NS;
        rec_mutex_lock(mutex);
        for (struct rec_run *run = rec_open_runs; run;)
            run = look_and_go_on(run, &next_look_ns);
        rec_mutex_unlock(mutex);
    }
}

int rec_drainer_start(void)
{
    if (!mutex)
        mutex = rec_mutex_create();
    if (!start_mutex)
        start_mutex = rec_mutex_create();
    if (!bell)
        bell = rec_bell_create();
    return mutex && start_mutex && bell ? 0 : ENOMEM;
}

int rec_drainer_add(struct rec_run *run)
{
    if (rec_drainer_start() != 0)
        return ENOMEM;
    rec_mutex_lock(mutex);
    run->next_open = rec_open_runs;
    rec_open_runs = run;
    rec_mutex_unlock(mutex);
    return 0;
}

void rec_drainer_remove(struct rec_run *run)
{
    rec_mutex_lock(mutex);
    struct rec_run **link = &rec_open_runs;
    while (*link && *link != run)
        link = &(*link)->next_open;
    if (*link)
        *link = run->next_open;
    rec_mutex_unlock(mutex);
}

struct rec_run *rec_drainer_find(uint64_t serial)
{
    rec_mutex_lock(mutex);
    struct rec_run *run = rec_open_runs;
    while (run && run->serial != serial)
        run = run->next_open;
    if (run)
        atomic_fetch_add(&run->holder_count, 1);
    rec_mutex_unlock(mutex);
    return run;
}

void rec_drainer_wake(void)
{
    if (!rec_mutex_try_lock(start_mutex))
        return; /* another thread wakes it, or is about to fork: then rings get full, and who fills them drains them */
    if (!thread) {
        atomic_store(&must_end, false);
        if (rec_os_thread_start(drain_until_told, &thread) != 0)
            thread = NULL;
    }
    if (thread)
        rec_bell_ring(bell);
    rec_mutex_unlock(start_mutex);
}

bool rec_drainer_is_awake(void)
{
    rec_mutex_lock(start_mutex);
    const bool is_awake = thread != NULL;
    rec_mutex_unlock(start_mutex);
    return is_awake;
}

void rec_drainer_pause(void)
{
    if (!start_mutex)
        return;
    rec_mutex_lock(start_mutex);
    if (thread) {
        atomic_store(&must_end, true);
        rec_bell_ring(bell);
        rec_os_thread_join(thread);
        thread = NULL;
    }
    rec_mutex_unlock(start_mutex);
}

void rec_drainer_forget_after_fork(void)
{
    thread = NULL;
    mutex = start_mutex = NULL; /* they may have been held */
    bell = NULL;
    rec_open_runs = NULL;
}

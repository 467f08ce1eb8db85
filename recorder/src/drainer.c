#include "drainer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "platform.h"
#include "run.h"

/* One list of open runs: guarded by `mutex`, which is held during a round, so that removing a run waits for the round to end. */
static struct rec_mutex *mutex;
static struct rec_bell *bell;
static struct rec_mutex *start_mutex; /* guards `thread` */
static struct rec_os_thread *thread;  /* NULL: not running */
static atomic_bool must_end;
struct rec_run *rec_open_runs;

static void drain_until_told(void)
{
    while (!atomic_load(&must_end)) {
        rec_bell_wait(bell);
        rec_mutex_lock(mutex);
        for (struct rec_run *run = rec_open_runs; run; run = run->next_open)
            rec_run_drain_when_full(run);
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
    rec_mutex_lock(start_mutex);
    if (!thread) {
        atomic_store(&must_end, false);
        if (rec_os_thread_start(drain_until_told, &thread) != 0)
            thread = NULL;
    }
    if (thread)
        rec_bell_ring(bell);
    rec_mutex_unlock(start_mutex);
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

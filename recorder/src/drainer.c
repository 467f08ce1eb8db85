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
static struct rec_os_thread *thread; /* NULL: not running. Changed with the GIL */
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

int rec_drainer_add(struct rec_run *run)
{
    if (!mutex && !(mutex = rec_mutex_create()))
        return ENOMEM;
    if (!bell && !(bell = rec_bell_create()))
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

void rec_drainer_wake(void)
{
    if (!thread) {
        atomic_store(&must_end, false);
        if (rec_os_thread_start(drain_until_told, &thread) != 0)
            return;
    }
    rec_bell_ring(bell);
}

void rec_drainer_pause(void)
{
    if (!thread)
        return;
    atomic_store(&must_end, true);
    rec_bell_ring(bell);
    rec_os_thread_join(thread);
    thread = NULL;
}

void rec_drainer_forget_after_fork(void)
{
    thread = NULL;
    mutex = NULL; /* it may have been held */
    bell = NULL;
    rec_open_runs = NULL;
}

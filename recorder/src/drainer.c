#include "drainer.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "platform.h"
#include "run.h"

/* One list of open runs: guarded by `mutex`, which is held during a round, so that removing a run waits for the round to end. */
static struct rec_mutex *mutex;
static struct rec_bell *bell;
static bool is_running;
struct rec_run *rec_open_runs;

static void drain_forever(void *unused)
{
    (void)unused;
    for (;;) {
        rec_bell_wait(bell, 0);
        rec_mutex_lock(mutex);
        for (struct rec_run *run = rec_open_runs; run; run = run->next_open)
            rec_run_drain_full_lanes(run);
        rec_mutex_unlock(mutex);
    }
}

static int start(void)
{
    if (!mutex)
        mutex = rec_mutex_create();
    if (!bell)
        bell = rec_bell_create();
    if (!mutex || !bell)
        return ENOMEM;
    int status = rec_thread_start(drain_forever, NULL);
    is_running = status == 0;
    return status;
}

int rec_drainer_add(struct rec_run *run)
{
    int status = is_running ? 0 : start();
    if (status)
        return status;
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

void rec_drainer_wake(void) { rec_bell_ring(bell); }

/* The thread does not exist in the child, and the locks may have been held: they are left behind. */
void rec_drainer_forget_after_fork(void)
{
    is_running = false;
    mutex = NULL;
    bell = NULL;
    rec_open_runs = NULL;
}

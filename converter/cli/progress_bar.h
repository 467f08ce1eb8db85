/* A progress bar on standard error, when that is a terminal; drawn at most ten times a second, and not at all for short work. */
#ifndef CLI_PROGRESS_BAR_H
#define CLI_PROGRESS_BAR_H

#include <stdbool.h>
#include <stdint.h>

struct progress_bar {
    bool enabled, drawn;
    uint64_t begin_ns, last_draw_ns;
    const char *what; /* the unit counted: "events" */
};

void progress_bar_begin(struct progress_bar *bar, const char *what, bool wanted);
/* Fits trace_replay's progress argument, with the bar as context. */
void progress_bar_update(void *bar, uint64_t done, uint64_t all);
void progress_bar_end(struct progress_bar *bar); /* wipes it */

#endif

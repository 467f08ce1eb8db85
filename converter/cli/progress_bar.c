#include "cli/progress_bar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"

enum { PROGRESS_INTERVAL_NS = 100000000, PROGRESS_QUIET_NS = 300000000, PROGRESS_WIDTH = 30 };

void progress_bar_begin(struct progress_bar *bar, const char *what, bool wanted)
{
    *bar = (struct progress_bar){.enabled = wanted && platform_is_terminal(stderr), .what = what};
    if (bar->enabled)
        bar->begin_ns = bar->last_draw_ns = platform_clock_ns();
}

static void draw(struct progress_bar *bar, uint64_t done, uint64_t all, uint64_t now_ns)
{
    static const char full[] = "##############################";
    const double share = all ? (double)done / (double)all : 0;
    const int filled = (int)((share > 1 ? 1 : share) * PROGRESS_WIDTH);
    const double seconds = (double)(now_ns - bar->begin_ns) * 1e-9;
    char line[160];
    snprintf(line, sizeof line, "[%-*.*s] %3.0f %%  %" PRIu64 " of %" PRIu64 " %s  %.1f s", PROGRESS_WIDTH, filled, full, share * 100, done,
             all, bar->what, seconds);
    const unsigned columns = platform_terminal_columns(stderr);
    fprintf(stderr, "\r%.*s\033[K", (int)(columns > 1 ? columns - 1 : 1), line);
    fflush(stderr);
    bar->drawn = true;
    bar->last_draw_ns = now_ns;
}

void progress_bar_update(void *context, uint64_t done, uint64_t all)
{
    struct progress_bar *bar = context;
    if (!bar->enabled)
        return;
    const uint64_t now_ns = platform_clock_ns();
    if (now_ns - bar->begin_ns >= PROGRESS_QUIET_NS && now_ns - bar->last_draw_ns >= PROGRESS_INTERVAL_NS)
        draw(bar, done, all, now_ns);
}

void progress_bar_end(struct progress_bar *bar)
{
    if (bar->drawn)
        fputs("\r\033[K", stderr);
    bar->enabled = bar->drawn = false;
}

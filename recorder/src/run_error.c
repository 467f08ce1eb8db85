#include "run_error.h"

#include <stdio.h>
#include <string.h>

#include "lost.h"
#include "ring_files.h"

const char *rec_run_shown(const char *path)
{
    enum { SHOWN_BYTES = 400 };
    const size_t length = strlen(path);
    return length > SHOWN_BYTES ? path + length - SHOWN_BYTES : path;
}

void rec_run_fail(struct rec_run *run, const char *what, const char *why)
{
    if (!atomic_load(&run->has_failed))
        snprintf(run->error, sizeof run->error, "%s: %s", rec_run_shown(what), why);
    atomic_store(&run->has_failed, true);
}

static void add_to_error(struct rec_run *run, const char *more)
{
    const size_t length = strlen(run->error);
    snprintf(run->error + length, sizeof run->error - length, "; %s", more);
}

/* A part that was removed has nothing of what was written. */
static uint64_t gone_call_count(const struct rec_run *run)
{
    const int part_file = run->files.part_file;
    return run->writer && part_file >= 0 && !rec_file_has_name(part_file) ? cptrace_writer_saved_call_count(run->writer) : 0;
}

static void tell_missing_count(struct rec_run *run, uint64_t call_count)
{
    char missing[100];
    snprintf(missing, sizeof missing, "%llu calls are missing%s", (unsigned long long)call_count,
             run->misses_threads ? ", and those of threads that began later" : "");
    add_to_error(run, missing);
    if (run->trouble)
        add_to_error(run, run->trouble);
}

/* What the rings still have is not missing: it is found by whoever reads the part. */
void rec_run_tell_missing(struct rec_run *run)
{
    const uint64_t gone_count = gone_call_count(run);
    const struct rec_lost_calls lost = rec_lost_calls(run);
    const bool rings_count = gone_count == 0 && rec_ring_file_is_recoverable(run->ring_file);
    tell_missing_count(run, rings_count ? lost.overwritten : lost.overwritten + lost.in_rings_alone + gone_count);
    if (rings_count)
        add_to_error(run, "`cptrace recover` makes a trace of what is there");
}

/* The file has all that was recorded, but not its name. */
static void tell_where_it_is(struct rec_run *run, const char *path)
{
    char where[REC_RUN_ERROR_MAX];
    snprintf(where, sizeof where, "all of it is in %s%s", rec_file_exists(path) ? "" : "what was ",
             rec_run_shown(path)); /* moved, with its folder */
    add_to_error(run, where);
    run->is_whole = true;
}

/* A trace that did not come to its place is still in its part, or in the spool; unless somebody removed that. */
void rec_run_tell_unpublished(struct rec_run *run, int status, bool is_in_part, bool is_in_spool, bool is_closed)
{
    rec_run_fail(run, run->files.final_path, strerror(status));
    if (!is_closed)
        add_to_error(run, "some of it may be missing");
    else if (is_in_part || is_in_spool)
        tell_where_it_is(run, is_in_part ? run->files.part_path : run->ring_file->path);
    else
        tell_missing_count(run, cptrace_writer_call_count(run->writer));
}

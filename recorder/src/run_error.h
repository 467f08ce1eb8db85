/* What a run that failed says, in its one warning: what went wrong, how much is missing, and where the rest is. With the run's mutex. */
#ifndef REC_RUN_ERROR_H
#define REC_RUN_ERROR_H

#include "run.h"

/* A path, or as much of its end as leaves room for what went wrong with it. */
const char *rec_run_shown(const char *path);

/* Of a run that has failed before its end. */
void rec_run_tell_missing(struct rec_run *run);

/* Of one whose trace is written, but could not get its name: errno value; where it is; whether closing it succeeded. */
void rec_run_tell_unpublished(struct rec_run *run, int status, bool is_in_part, bool is_in_spool, bool is_closed);

#endif

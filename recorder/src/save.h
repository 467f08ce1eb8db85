/* Begin and end of a run, as far as a disk can make them long. */
#ifndef REC_SAVE_H
#define REC_SAVE_H

#include <stddef.h>

#include "run.h"

int rec_saves_start(void); /* once per process: 0 or an errno value */

/* rec_run_open; what it takes is all that is known of the disk before a run is saved. */
struct rec_run *rec_save_open(const struct rec_run_options *options, char error[REC_RUN_ERROR_MAX]);

/* rec_run_save and rec_run_let_go, with its arguments and result. Other threads of Python may run meanwhile. */
int rec_save(struct rec_run *run, const char *outcome, const struct cptrace_pair *pairs, size_t pair_count);

/* Until no thread saves: for the end of the process, so that files are whole, and no ring files are left. */
void rec_saves_wait(void);

void rec_saves_forget_after_fork(void); /* in the child, which has none of these threads */

#endif

/* The one background thread of the process that empties rings. Plain C: it never touches Python. */
#ifndef REC_DRAINER_H
#define REC_DRAINER_H

struct rec_run;

int rec_drainer_add(struct rec_run *run); /* starts the thread at first; 0 or an errno value */
void rec_drainer_remove(struct rec_run *run); /* returns when the drainer does not use it any more */
void rec_drainer_wake(void);
void rec_drainer_forget_after_fork(void);

#endif

/* Garbage collections as calls: what triggers one waits for it, and what finalizers do belongs below it. */
#ifndef REC_COLLECTOR_H
#define REC_COLLECTOR_H

/* While at least one run is open: gc.callbacks tells of collections. No exception remains when that fails: collections are then not seen.
 */
void rec_collector_hold(void);
void rec_collector_release(void);

/* As those of the back end (backend.h), around a fork. */
void rec_collector_forget_holders(void);
void rec_collector_end_unless_held(void);

#endif

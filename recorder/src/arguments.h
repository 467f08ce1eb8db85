/* args=True: the arguments of a call, as bounded text. */
#ifndef REC_ARGUMENTS_H
#define REC_ARGUMENTS_H

#include "thread.h"

/* Puts those of the frame that just started, of this function, on all lanes that want them. Whatever a repr of the program's does, nothing
 * of it leaves here; but it may end runs, so a lane that was known before may be gone after. */
void rec_arguments_put(struct rec_thread *thread, const struct rec_function *function, uint64_t tick);

#endif

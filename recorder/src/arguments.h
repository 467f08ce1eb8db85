/* args=True: the arguments of a call, as bounded text. */
#ifndef REC_ARGUMENTS_H
#define REC_ARGUMENTS_H

#include "lane.h"

/* Puts those of the frame that just started. Whatever a repr of the program's does, nothing of it leaves here. */
void rec_arguments_put(struct rec_lane *lane, uint64_t tick);

#endif

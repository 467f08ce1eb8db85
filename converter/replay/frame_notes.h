/* What annotations say of an open call; few calls have any. */
#ifndef REPLAY_FRAME_NOTES_H
#define REPLAY_FRAME_NOTES_H

#include <stdint.h>

struct frame_notes {
    uint64_t waiting_ns;       /* off the CPU while it was on the stack, in slices that have ended */
    uint64_t slice_waiting_ns; /* in the current one */
    uint64_t self_waiting_ns;  /* while it was on top */
    uint64_t omitted_call_count, omitted_ns;
    char *arguments; /* owned; NULL: not recorded */
    uint32_t argument_bytes;
};

#endif

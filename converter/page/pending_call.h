/* Calls on their way into a block, and calls that were open when theirs was written. For the files of this folder only. */
#ifndef PAGE_PENDING_CALL_H
#define PAGE_PENDING_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pending_call {
    uint64_t parent_id; /* in the numbers of the replay */
    uint64_t start_ns, end_ns, self_ns, suspended_ns;
    uint64_t folded_calls, folded_ns; /* below it, not embedded */
    uint32_t path, lane;
    uint32_t note;    /* place + 1 among the pending notes; 0: none */
    uint32_t ordinal; /* among the embedded calls of the block, once it is known who is kept */
    uint8_t outcome;
    bool ended, kept;
};

/* Its place in the page is known; the rest is filled in when it ends. */
struct late_call {
    uint64_t id, number; /* of the replay, of the page */
    uint64_t end_ns, self_ns, suspended_ns;
    uint64_t folded_calls, folded_ns;
    uint32_t path;
    uint8_t outcome;
};

/* By rising id. */
struct late_calls {
    struct late_call *calls;
    size_t count, capacity;
};

void late_calls_free(struct late_calls *late);
bool late_calls_add(struct late_calls *late, struct late_call call);
struct late_call *late_calls_find(const struct late_calls *late, uint64_t id); /* NULL: not there */

#endif

/* Feeds the events blocks of a trace, decoded, in the order of their first ticks. A helper thread decodes ahead, so that reading and
 * replaying take two cores. */
#ifndef REPLAY_BLOCK_FEED_H
#define REPLAY_BLOCK_FEED_H

#include "replay/trace.h"

/* A decoded block. In it every tick is already ns since the start of the run (unless trace->keeps_ticks), and every function has a
 * definition.
 */
struct fed_block {
    struct cptrace_events events;
    const struct cptrace_block_entry *entry;
    char *text; /* of its annotations, which the raw block does not outlive */
    size_t text_capacity;
    bool after_skipped;         /* the lane has blocks right before that are not part of what is read */
    enum cptrace_status status; /* CORRUPT: no events, the block counts as damage */
    struct cptrace_error error; /* also when status is OK, but the index told something else of the block */
    struct fed_block *next;
};

struct block_feed;

/* NULL: no memory. */
struct block_feed *block_feed_open(const struct trace *trace);

/* The next block, or NULL at the end (or, when fewer came than the trace has, for want of memory). It belongs to the caller until
 * block_feed_give_back. */
struct fed_block *block_feed_take(struct block_feed *feed);
void block_feed_give_back(struct block_feed *feed, struct fed_block *block);

/* Stops the helper; blocks still taken are freed with it once given back, so give back first. NULL is fine. Returns how many blocks were
 * decompressed. */
uint64_t block_feed_close(struct block_feed *feed);

#endif

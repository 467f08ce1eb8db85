/* What reads rings for one run; shared by ring.c (rings) and ring_record.c (their records). */
#ifndef CPTRACE_TRANSCODER_H
#define CPTRACE_TRANSCODER_H

#include "byte_buffer.h"
#include "lane_stack.h"

struct cptrace_transcoder {
    struct run_frames run;
    struct cptrace_transcoder_options options;
    bool sieving;               /* lanes have sieves */
    uint32_t *function_numbers; /* by process-wide number: the file's (or with FUNCTION_LEFT_OUT) + 1; 0: undefined */
    size_t function_capacity;
    uint32_t function_number_max; /* process-wide; the table goes by them */
    struct lane_stack *lanes;
    size_t lane_count;
    uint8_t *payload; /* of the record at hand, where it cannot wrap; grows to the largest */
    size_t payload_capacity;
    struct ring_reading *readings; /* of the round at hand */
    size_t reading_capacity;
    struct byte_buffer checkpoint; /* the last one */
};

/* The slots of a ring that are read now. */
struct ring_reading {
    struct lane_stack *lane;
    const struct cptrace_ring_slot *slots;
    uint64_t mask;
    uint64_t at;      /* the next record; not below lane->taken */
    uint64_t settled; /* a head of the ring: all that happened before these slots is in the rings too, up to their heads */
    uint64_t head;
};

static inline uint64_t ring_reading_tick(const struct ring_reading *reading) { return reading->slots[reading->at & reading->mask].tick; }

/* Takes records up to slot number end, but none of a later tick. CORRUPT, NO_MEMORY or the writer's status. */
enum cptrace_status cptrace_transcoder_read(struct cptrace_transcoder *transcoder, struct ring_reading *reading, uint64_t end,
                                            uint64_t last_tick);

/* Takes records from slot number `at` on, up to the first that is not one of the common ones, in the state that they come in nearly always;
 * returns the number behind them. */
uint64_t cptrace_ring_take_common(struct cptrace_transcoder *transcoder, const struct ring_reading *reading, uint64_t at, uint64_t end,
                                  uint64_t last_tick);

/* false: no memory. */
bool cptrace_transcoder_begin_sieving(struct cptrace_transcoder *transcoder);

#endif

/* Which column each delta of a block goes to: contexts whose deltas are of like distribution, as a sample tells, share one, which has a
 * code of its own (prefix_code.h). SPEC.md 4.3. */
#ifndef CPTRACE_DELTA_COLUMNS_H
#define CPTRACE_DELTA_COLUMNS_H

#include "byte_buffer.h"
#include "bytes.h"
#include "frame.h"

/* What is known of the contexts of a block. */
struct delta_contexts {
    uint8_t columns[CONTEXT_COUNT];  /* of those sampled; | CONTEXT_NEW as long as no delta had it */
    uint16_t numbers[CONTEXT_COUNT]; /* of those sampled, from 1 on, and by this number: */
    uint16_t sampled[CONTEXT_COUNT + 1];
    uint64_t totals[CONTEXT_COUNT + 1]; /* deltas << 32 | sum of their logarithms */
    uint8_t chosen[CONTEXT_COUNT + 1];  /* columns */
};
#define CONTEXT_NEW 0x80u
#define CONTEXT_UNSAMPLED 0xFFu
static_assert(DELTA_COLUMNS_MAX < CONTEXT_NEW, "a bit is free");

struct delta_columns {
    struct delta_contexts *known; /* NULL: no block had so many deltas yet that they are divided */
    uint32_t sampled_contexts;
    uint16_t *sample_numbers; /* of contexts, per delta of the sample */
    uint8_t *sample_logs;     /* their logarithms */
    size_t sample_count, sample_numbers_capacity, sample_logs_capacity;
    uint32_t column_count;
    uint8_t middle;  /* the column of what the sample says nothing of */
    uint8_t *deltas; /* the columns; each has room for all deltas, and a little more */
    size_t room, deltas_capacity;
};

/* Where the next delta of each column goes. */
struct delta_sink {
    uint8_t *to[DELTA_COLUMNS_MAX];
    const uint8_t *columns; /* by context */
};

/* For a block of so many deltas. *divides tells whether they are worth more than one column: then a sample is put before it is chosen.
 * False: no memory. */
bool cptrace_delta_columns_begin(struct delta_columns *columns, size_t count, bool *divides);
bool cptrace_delta_columns_choose(struct delta_columns *columns, size_t count, struct delta_sink *sink);

/* The column of a context that no delta had yet, which is also written to *context_at. */
uint32_t cptrace_delta_columns_take(struct delta_columns *columns, uint32_t context, uint8_t **context_at);

/* Codes each column. False: no memory. */
bool cptrace_delta_columns_encode(const struct delta_columns *columns, const struct delta_sink *sink, struct byte_buffer *code,
                                  struct byte_buffer *bits);

static inline uint32_t delta_columns_count(const struct delta_columns *columns, const struct delta_sink *sink, uint32_t column)
{
    return (uint32_t)(sink->to[column] - (columns->deltas + column * columns->room));
}

void cptrace_delta_columns_free(struct delta_columns *columns);

/* Deltas count by their logarithm, in 16ths of a power of two: a few that are long say nothing of the others. Between powers of two it
 * rises evenly. */
#define DELTA_LOG_SHIFT 4
#define DELTA_LOG_MAX (8u << DELTA_LOG_SHIFT)

static inline uint32_t delta_log(uint32_t delta)
{
    const uint32_t power = highest_bit(delta + 1);
    return (power << DELTA_LOG_SHIFT) + (((delta + 1) << DELTA_LOG_SHIFT >> power) & ((1u << DELTA_LOG_SHIFT) - 1));
}

static inline void delta_columns_sample(struct delta_columns *columns, uint32_t context, uint8_t delta)
{
    struct delta_contexts *const known = columns->known;
    if (known->numbers[context] == 0) {
        known->numbers[context] = (uint16_t)++columns->sampled_contexts;
        known->sampled[columns->sampled_contexts] = (uint16_t)context;
        known->totals[columns->sampled_contexts] = 0;
    }
    const uint16_t number = known->numbers[context];
    const uint32_t log = delta_log(delta);
    known->totals[number] += (UINT64_C(1) << 32) + log;
    columns->sample_numbers[columns->sample_count] = number;
    columns->sample_logs[columns->sample_count++] = (uint8_t)log;
}

#endif

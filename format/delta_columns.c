/* Contexts are sorted by the means of their deltas and divided into groups of neighbours, each with about as many deltas; then those two
 * neighbours become one, again and again, that lose least by it: as many bits as their deltas take more with a code in common, less what a
 * code takes. */
#include "delta_columns.h"

#include <stdlib.h>
#include <string.h>

#include "prefix_code.h"

#define GROUPS_MAX 128u
/* Deltas that pay for a column, and how many columns are worth the time at most. */
#define DELTAS_PER_COLUMN 512u
#define COLUMNS_WRITTEN 32u
static_assert(COLUMNS_WRITTEN <= DELTA_COLUMNS_MAX, "SPEC.md 4.3");

/* Means of logarithms are told apart in eighths of their unit. */
#define MEAN_STEPS 8u
#define MEAN_COUNT (DELTA_LOG_MAX * MEAN_STEPS + 1)

/* What groups hold is counted by levels, a quarter as precise as logarithms. */
#define LEVEL_COUNT (DELTA_LOG_MAX / 4 + 1)

/* Columns a power of two apart would take turns in the same lines of the cache. */
#define ROOM_BETWEEN_COLUMNS 320u

/* Bits count in 256ths, as integers: all machines shall write the same bytes. */
#define BITS(bits) ((int64_t)((bits) * 256))

/* What a column takes besides its deltas: lengths of streams, and the lengths of codes, which zstd makes smaller. */
#define COLUMN_BITS BITS(48)
#define LEVEL_BITS BITS(2.8)
/* By how many bits a sample seems to take less than what it was taken from, for each level that it has (Miller, Note on the bias of
 * information estimates, 1955): else groups would stay apart that differ by chance. */
#define SAMPLED_LEVEL_BITS BITS(0.72)

struct group {
    uint32_t levels[LEVEL_COUNT];
    uint32_t count;
    uint32_t end; /* one behind the last of the groups that it was made of: the number of the next one */
    int64_t bits; /* that its deltas take in a column of their own, with it */
    int64_t loss; /* if the next one is taken in */
};

struct grouping {
    struct group groups[GROUPS_MAX];   /* what was taken in stays where it is, unused */
    uint32_t first_count, group_count; /* at first, and now */
    uint8_t group_of_mean[MEAN_COUNT]; /* at first */
    int64_t weight;                    /* of a delta of the sample: so many of the block, in 16ths */
};

static bool reserve_sample(struct delta_columns *columns, size_t count)
{
    if (!columns->known)
        columns->known = malloc(sizeof *columns->known);
    return columns->known &&
           cptrace_array_renew(&columns->sample_numbers, &columns->sample_numbers_capacity, count, sizeof *columns->sample_numbers) &&
           cptrace_array_renew(&columns->sample_logs, &columns->sample_logs_capacity, count, sizeof *columns->sample_logs);
}

bool cptrace_delta_columns_begin(struct delta_columns *columns, size_t count, bool *divides)
{
    columns->column_count = 1;
    columns->sample_count = columns->sampled_contexts = 0;
    *divides = count >= DELTAS_PER_COLUMN;
    if (!*divides)
        return true;
    if (!reserve_sample(columns, count))
        return false;
    memset(columns->known->columns, CONTEXT_UNSAMPLED, sizeof columns->known->columns);
    memset(columns->known->numbers, 0, sizeof columns->known->numbers);
    return true;
}

static uint32_t count_of(uint64_t total) { return (uint32_t)(total >> 32); }
static uint32_t mean_of(uint64_t total) { return (uint32_t)((total & UINT32_MAX) * MEAN_STEPS / count_of(total)); }

static void group_by_mean(struct grouping *grouping, const struct delta_columns *columns)
{
    uint32_t counts[MEAN_COUNT] = {0};
    for (uint32_t i = 1; i <= columns->sampled_contexts; i++)
        counts[mean_of(columns->known->totals[i])] += count_of(columns->known->totals[i]);
    uint64_t before = 0, share = 0;
    uint32_t used = 0;
    for (size_t mean = 0; mean < MEAN_COUNT; mean++) {
        if (counts[mean] == 0)
            continue;
        const uint64_t its_share = (before + counts[mean] / 2) * GROUPS_MAX / columns->sample_count;
        used += used == 0 || its_share != share;
        share = its_share;
        before += counts[mean];
        grouping->group_of_mean[mean] = (uint8_t)(used - 1);
    }
    grouping->first_count = grouping->group_count = used;
    for (uint32_t i = 0; i < used; i++)
        grouping->groups[i] = (struct group){.end = i + 1};
    for (uint32_t i = 1; i <= columns->sampled_contexts; i++) {
        const uint64_t total = columns->known->totals[i];
        columns->known->chosen[i] = grouping->group_of_mean[mean_of(total)];
        grouping->groups[columns->known->chosen[i]].count += count_of(total);
    }
}

static void count_levels(struct grouping *grouping, const struct delta_columns *columns)
{
    for (size_t i = 0; i < columns->sample_count; i++) {
        struct group *const group = &grouping->groups[columns->known->chosen[columns->sample_numbers[i]]];
        group->levels[columns->sample_logs[i] / 4]++;
    }
}

/* n log2 n in 256ths, n up to 2^19 (an eighth of the largest block), to some 256ths of n: a float has the whole part of the logarithm, and
 * the rest is nearly a parabola. */
static inline uint32_t entropy_term(uint32_t n)
{
    const float value = (float)(int32_t)n;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t log = (bits - (127u << 23)) >> 15, fraction = log & 0xFF;
    return n * (log + (fraction * (256 - fraction) * 89 >> 16));
}

static int64_t bits_together(const struct grouping *grouping, const struct group *a, const struct group *b)
{
    uint32_t terms = 0, levels = 0; /* sums that a compiler may take in any order, several at once */
    for (size_t level = 0; level < LEVEL_COUNT; level++) {
        const uint32_t n = a->levels[level] + b->levels[level];
        terms += entropy_term(n);
        levels += n != 0;
    }
    const int64_t sampled_bits = (int64_t)entropy_term(a->count + b->count) - terms + levels * SAMPLED_LEVEL_BITS;
    return sampled_bits * grouping->weight / 16 + levels * LEVEL_BITS + COLUMN_BITS;
}

/* Of taking in the next one. */
static void measure_loss(struct grouping *grouping, struct group *group)
{
    if (group->end == grouping->first_count) {
        group->loss = INT64_MAX;
        return;
    }
    const struct group *const next = &grouping->groups[group->end];
    group->loss = bits_together(grouping, group, next) - group->bits - next->bits;
}

static void take_in_next(struct grouping *grouping, struct group *before, struct group *group)
{
    const struct group *const next = &grouping->groups[group->end];
    group->bits += group->loss + next->bits;
    group->count += next->count;
    for (size_t level = 0; level < LEVEL_COUNT; level++)
        group->levels[level] += next->levels[level];
    group->end = next->end;
    grouping->group_count--;
    measure_loss(grouping, group);
    if (before)
        measure_loss(grouping, before);
}

/* False: none that is worth it, and no more than the limit are left. */
static bool merge_two(struct grouping *grouping, uint32_t limit)
{
    struct group *before = NULL, *least = &grouping->groups[0], *before_least = NULL;
    for (uint32_t i = 0; i < grouping->first_count; i = grouping->groups[i].end) {
        struct group *const group = &grouping->groups[i];
        if (group->loss < least->loss) {
            least = group;
            before_least = before;
        }
        before = group;
    }
    if (grouping->group_count == 1 || (grouping->group_count <= limit && least->loss > 0))
        return false;
    take_in_next(grouping, before_least, least);
    return true;
}

static void merge_groups(struct grouping *grouping, uint32_t limit)
{
    static const struct group nothing = {.count = 0};
    for (uint32_t i = 0; i < grouping->first_count; i++)
        grouping->groups[i].bits = bits_together(grouping, &grouping->groups[i], &nothing);
    for (uint32_t i = 0; i < grouping->first_count; i++)
        measure_loss(grouping, &grouping->groups[i]);
    while (merge_two(grouping, limit))
        continue;
}

static void name_columns(const struct grouping *grouping, struct delta_columns *columns)
{
    struct delta_contexts *const known = columns->known;
    uint8_t names[GROUPS_MAX], column = 0;
    for (uint32_t i = 0; i < grouping->first_count; i = grouping->groups[i].end)
        memset(names + i, column++, grouping->groups[i].end - i);
    for (uint32_t i = 1; i <= columns->sampled_contexts; i++)
        known->columns[known->sampled[i]] = names[known->chosen[i]] | CONTEXT_NEW;
    columns->column_count = column;
    columns->middle = column / 2;
}

static void group_contexts(struct delta_columns *columns, size_t count)
{
    const size_t wanted = count / DELTAS_PER_COLUMN + 1;
    const uint32_t limit = wanted < COLUMNS_WRITTEN ? (uint32_t)wanted : COLUMNS_WRITTEN;
    struct grouping grouping;
    grouping.weight = (int64_t)(count * 16 / columns->sample_count);
    group_by_mean(&grouping, columns);
    count_levels(&grouping, columns);
    merge_groups(&grouping, limit);
    name_columns(&grouping, columns);
}

bool cptrace_delta_columns_choose(struct delta_columns *columns, size_t count, struct delta_sink *sink)
{
    static const uint8_t all_in_one[CONTEXT_COUNT] = {0};
    if (columns->sample_count)
        group_contexts(columns, count);
    columns->room = count + ROOM_BETWEEN_COLUMNS;
    if (!cptrace_array_renew(&columns->deltas, &columns->deltas_capacity, columns->column_count * columns->room, 1))
        return false;
    for (uint32_t i = 0; i < columns->column_count; i++)
        sink->to[i] = columns->deltas + i * columns->room;
    sink->columns = columns->column_count > 1 ? columns->known->columns : all_in_one;
    return true;
}

uint32_t cptrace_delta_columns_take(struct delta_columns *columns, uint32_t context, uint8_t **context_at)
{
    uint8_t *const column = &columns->known->columns[context];
    *column = *column == CONTEXT_UNSAMPLED ? columns->middle : *column & (CONTEXT_NEW - 1);
    *(*context_at)++ = *column;
    return *column;
}

bool cptrace_delta_columns_encode(const struct delta_columns *columns, const struct delta_sink *sink, struct byte_buffer *code,
                                  struct byte_buffer *bits)
{
    for (uint32_t i = 0; i < columns->column_count; i++)
        if (!cptrace_prefix_encode(columns->deltas + i * columns->room, delta_columns_count(columns, sink, i), code, bits))
            return false;
    return true;
}

void cptrace_delta_columns_free(struct delta_columns *columns)
{
    free(columns->known);
    free(columns->sample_numbers);
    free(columns->sample_logs);
    free(columns->deltas);
}

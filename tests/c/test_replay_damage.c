/* A trace of three lanes and many blocks, damaged in thousands of ways: always told; a call that is said to be complete is one that was
 * recorded, with its times; and a call that touches no gap is said as if nothing had happened. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cptrace/writer.h"
#include "platform/platform.h"
#include "replay/replay.h"

enum { LANES = 3, ROUNDS = 700, FUNCTIONS = 9, CALLS_MAX = 20000, BLOCKS_MAX = 400, NS_PER_TICK = 4, BITS_PER_TEST = 2500 };

struct bytes {
    uint8_t *at;
    size_t length, capacity;
};

/* What was recorded, found by start: no two calls begin at the same time. */
struct calls {
    struct replay_call *calls;
    size_t count;
};

struct extent {
    uint64_t offset, length;
};

static struct bytes original, other;
static struct calls truth;
static struct extent blocks[BLOCKS_MAX];
static size_t block_count;
static uint32_t random_state;
static char *path;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % limit;
}

/* ---- files in memory ---- */

static void add(struct bytes *to, const void *bytes, size_t length)
{
    if (to->length + length > to->capacity) {
        to->capacity = (to->length + length) * 2;
        to->at = realloc(to->at, to->capacity);
        cr_assert(to->at);
    }
    memcpy(to->at + to->length, bytes, length);
    to->length += length;
}

static int append(void *context, const void *bytes, size_t length)
{
    add(context, bytes, length);
    return 0;
}

static void add_block(struct bytes *to, size_t block) { add(to, original.at + blocks[block].offset, blocks[block].length); }

static uint64_t begin_of(size_t block) { return blocks[block].offset; }
static uint64_t end_of(size_t block) { return blocks[block].offset + blocks[block].length; }

static void add_from(struct bytes *to, uint64_t from, uint64_t end) { add(to, original.at + from, end - from); }

/* ---- the trace ---- */

static void define(struct cptrace_writer *writer, struct cptrace_lane_writer *lanes[LANES])
{
    for (uint32_t i = 0; i < FUNCTIONS; ++i) {
        const struct cptrace_function function = {.qualified_name = {"f0f1f2f3f4f5f6f7f8" + 2 * i, 2},
                                                  .file = CPTRACE_NO_NUMBER,
                                                  .line = i,
                                                  .category = CPTRACE_CATEGORY_USER,
                                                  .flags = i == 0 ? CPTRACE_FUNCTION_GENERATOR : 0};
        cptrace_writer_define_function(writer, &function);
    }
    for (uint32_t i = 0; i < LANES; ++i)
        lanes[i] = cptrace_writer_define_lane(writer, i, (struct cptrace_string){"lane", 4});
}

/* A generator goes on in one lane after another; beside it stacks grow and shrink. Each event has a tick of its own. */
static void write_trace(struct bytes *file, uint32_t file_id)
{
    const struct cptrace_writer_options options = {
        .file_id = file_id, .ns_per_tick_q32 = (uint64_t)NS_PER_TICK << 32, .block_event_count = 40};
    struct cptrace_writer *writer = cptrace_writer_create((struct cptrace_sink){append, file}, &options, NULL);
    struct cptrace_lane_writer *lanes[LANES];
    cptrace_writer_info(writer, NULL, 0);
    define(writer, lanes);
    uint64_t tick = 10;
    random_state = 12345;
    cptrace_lane_call(lanes[0], ++tick, 1);
    const uint32_t generator = cptrace_lane_start(lanes[0], ++tick, 0);
    cptrace_lane_suspend(lanes[0], ++tick);
    for (uint32_t round = 0; round < ROUNDS; ++round) {
        struct cptrace_lane_writer *lane = lanes[random_below(LANES)];
        tick += random_below(50);
        for (uint32_t calls = random_below(6); calls > 0; --calls)
            cptrace_lane_call(lane, ++tick, 1 + random_below(FUNCTIONS - 1));
        if (round % 5 == 0 && cptrace_lane_resume(lane, ++tick, generator)) {
            cptrace_lane_call(lane, ++tick, 2);
            cptrace_lane_return(lane, ++tick);
            cptrace_lane_suspend(lane, ++tick);
        }
        const uint32_t depth = cptrace_lane_depth(lane), kept = lane == lanes[0];
        for (uint32_t ends = depth > kept ? random_below(depth + 1 - kept) : 0; ends > 0; --ends) {
            ++tick;
            (random_below(8) ? cptrace_lane_return : cptrace_lane_unwind)(lane, tick);
        }
        cptrace_writer_calibrate(writer, (struct cptrace_calibration){tick, tick * NS_PER_TICK, tick * NS_PER_TICK});
    }
    const struct cptrace_calibration end = {tick + 1, (tick + 1) * NS_PER_TICK, (tick + 1) * NS_PER_TICK};
    cr_assert_eq(cptrace_writer_finish(writer, end, NULL, 0, NULL), CPTRACE_OK);
    cptrace_writer_free(writer);
}

/* ---- reading ---- */

static int remember_call(void *context, const struct replay_call *call)
{
    struct calls *calls = context;
    cr_assert_lt(calls->count, (size_t)CALLS_MAX);
    calls->calls[calls->count++] = *call;
    return 0;
}

static int by_start(const void *left, const void *right)
{
    const uint64_t a = ((const struct replay_call *)left)->start_ns, b = ((const struct replay_call *)right)->start_ns;
    return a < b ? -1 : a > b;
}

static const struct replay_call *find(const struct calls *calls, uint64_t start_ns)
{
    const struct replay_call key = {.start_ns = start_ns};
    return bsearch(&key, calls->calls, calls->count, sizeof key, by_start);
}

/* The replayed trace, still open; calls sorted by start. NULL: it was refused. */
static struct trace *read_trace(const struct bytes *file, struct calls *calls)
{
    FILE *stream = fopen(path, "wb");
    cr_assert(stream);
    cr_assert_eq(fwrite(file->at, 1, file->length, stream), file->length);
    cr_assert_eq(fclose(stream), 0);
    struct trace *trace;
    struct cptrace_error error = {0};
    if (trace_open(path, &trace, &error) != CPTRACE_OK) {
        cr_assert(error.message[0]);
        return NULL;
    }
    calls->count = 0;
    const struct replay_visitor visitor = {.context = calls, .leave = remember_call};
    struct replay_result result;
    cr_assert_eq(trace_replay(trace, &visitor, 1, NULL, NULL, &result, &error), 0, "%s", error.message);
    qsort(calls->calls, calls->count, sizeof *calls->calls, by_start);
    return trace;
}

/* ---- gaps ---- */

struct gaps {
    uint64_t begin_ns[LANES][BLOCKS_MAX], end_ns[LANES][BLOCKS_MAX];
    size_t count[LANES];
};

/* As `cptrace check` tells them: on each lane between the blocks around the damaged stretch; and what a cut file lacks. */
static void add_gap(struct gaps *gaps, const struct trace *trace, uint32_t lane, uint64_t offset)
{
    const struct trace_facts *facts = trace_facts(trace);
    uint64_t begin_ns = 0, end_ns = UINT64_MAX;
    for (size_t i = 0; i < facts->block_count && end_ns == UINT64_MAX; ++i) {
        const struct cptrace_block_entry *block = &facts->blocks[i];
        if (block->kind != CPTRACE_BLOCK_EVENTS || block->lane != lane || block->offset == offset)
            continue;
        if (block->offset < offset)
            begin_ns = trace_run_ns(trace, block->last_tick);
        else
            end_ns = trace_run_ns(trace, block->first_tick);
    }
    cr_assert_lt(gaps->count[lane], (size_t)BLOCKS_MAX);
    gaps->begin_ns[lane][gaps->count[lane]] = begin_ns;
    gaps->end_ns[lane][gaps->count[lane]++] = end_ns;
}

static void find_gaps(struct gaps *gaps, const struct trace *trace)
{
    const struct trace_facts *facts = trace_facts(trace);
    memset(gaps->count, 0, sizeof gaps->count);
    for (uint32_t lane = 0; lane < LANES; ++lane) {
        for (size_t i = 0; i < facts->damage_count; ++i)
            add_gap(gaps, trace, lane, facts->damage[i].offset);
        if (!facts->end->present)
            add_gap(gaps, trace, lane, UINT64_MAX);
    }
}

static bool touches(const struct gaps *gaps, uint32_t lane, const struct replay_call *call)
{
    for (size_t i = 0; i < gaps->count[lane]; ++i)
        if (call->start_ns <= gaps->end_ns[lane][i] && call->end_ns >= gaps->begin_ns[lane][i])
            return true;
    return false;
}

/* A generator may have been anywhere. */
static bool touches_its_gaps(const struct gaps *gaps, const struct replay_call *call)
{
    if (call->function != 0)
        return touches(gaps, call->lane, call);
    bool found = false;
    for (uint32_t lane = 0; lane < LANES; ++lane)
        found |= touches(gaps, lane, call);
    return found;
}

/* ---- what must hold ---- */

static bool is_unknown(const struct trace *trace, uint32_t function) { return !trace_facts(trace)->definitions->functions[function].known; }

static void check_complete(const struct trace *trace, const struct replay_call *call, const char *how)
{
    const struct replay_call *recorded = find(&truth, call->start_ns);
    cr_assert(recorded, "%s: a call from %llu to %llu that was never made", how, (unsigned long long)call->start_ns,
              (unsigned long long)call->end_ns);
    cr_assert_eq(call->end_ns, recorded->end_ns, "%s: another end", how);
    cr_assert_eq(call->outcome, recorded->outcome, "%s: another outcome", how);
    cr_assert(call->function == recorded->function || is_unknown(trace, call->function), "%s: another function", how);
}

static void check_untouched(const struct calls *calls, const struct replay_call *recorded, const char *how)
{
    const struct replay_call *call = find(calls, recorded->start_ns);
    cr_assert(call, "%s: the call at %llu, far from all damage, is missing", how, (unsigned long long)recorded->start_ns);
    cr_assert_eq(call->end_ns, recorded->end_ns, "%s: far from all damage", how);
    cr_assert_eq(call->outcome, recorded->outcome, "%s: far from all damage", how);
    cr_assert_eq(call->self_ns, recorded->self_ns, "%s: far from all damage", how);
    cr_assert_eq(call->running_ns, recorded->running_ns, "%s: far from all damage", how);
    cr_assert_eq(call->lane, recorded->lane, "%s: far from all damage", how);
}

/* How many calls are untouched. */
static size_t check_damaged(const struct bytes *file, const char *how)
{
    static struct gaps gaps;
    static struct calls calls;
    if (!calls.calls)
        calls.calls = malloc(CALLS_MAX * sizeof *calls.calls);
    struct trace *trace = read_trace(file, &calls);
    if (!trace)
        return 0;
    const struct trace_facts *facts = trace_facts(trace);
    cr_assert(facts->damage_count > 0 || facts->cut || !facts->has_index, "%s: is not seen", how);
    for (size_t i = 0; i < facts->damage_count; ++i)
        cr_assert(facts->damage[i].error.message[0] && facts->damage[i].offset <= file->length, "%s: a damage without a reason", how);
    cr_assert_not(facts->complete, "%s: is taken for complete", how);
    find_gaps(&gaps, trace);
    for (size_t i = 0; i < calls.count; ++i)
        if (calls.calls[i].outcome != REPLAY_UNFINISHED)
            check_complete(trace, &calls.calls[i], how);
    size_t untouched = 0;
    for (size_t i = 0; i < truth.count; ++i) {
        if (touches_its_gaps(&gaps, &truth.calls[i]))
            continue;
        check_untouched(&calls, &truth.calls[i], how);
        ++untouched;
    }
    trace_close(trace);
    return untouched;
}

static void find_blocks(const struct trace *trace)
{
    const struct trace_facts *facts = trace_facts(trace);
    cr_assert_leq(facts->block_count, (size_t)BLOCKS_MAX);
    for (block_count = 0; block_count < facts->block_count; ++block_count)
        blocks[block_count] = (struct extent){facts->blocks[block_count].offset, facts->blocks[block_count].compressed_bytes};
}

static void begin(void)
{
    FILE *stream = platform_temporary_file(NULL, &path);
    cr_assert(stream);
    fclose(stream);
    write_trace(&original, 7);
    write_trace(&other, 8);
    truth.calls = malloc(CALLS_MAX * sizeof *truth.calls);
    struct trace *trace = read_trace(&original, &truth);
    cr_assert(trace && trace_facts(trace)->complete);
    find_blocks(trace);
    trace_close(trace);
    cr_assert_gt(block_count, 60);
    for (size_t i = 1; i < truth.count; ++i)
        cr_assert_lt(truth.calls[i - 1].start_ns, truth.calls[i].start_ns);
}

static void end(void)
{
    platform_remove_file(path);
    free(path);
    free(truth.calls);
    free(original.at);
    free(other.at);
}

TestSuite(replay_damage, .init = begin, .fini = end, .timeout = 400);

static void check_random_bits(uint32_t seed)
{
    struct bytes file = {0};
    add(&file, original.at, original.length);
    random_state = seed;
    size_t untouched = 0;
    char how[60];
    for (int i = 0; i < BITS_PER_TEST; ++i) {
        const uint32_t bit = random_below((uint32_t)original.length * 8);
        snprintf(how, sizeof how, "bit %u of byte %u", bit % 8, bit / 8);
        file.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        untouched += check_damaged(&file, how);
        file.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    cr_assert_gt(untouched / BITS_PER_TEST, truth.count / 2, "a bit costs too much");
    free(file.at);
}

Test(replay_damage, random_bits_1) { check_random_bits(1); }
Test(replay_damage, random_bits_2) { check_random_bits(2); }
Test(replay_damage, random_bits_3) { check_random_bits(3); }
Test(replay_damage, random_bits_4) { check_random_bits(4); }

/* From block `first` to block `last`, in another way; the rest as it was. */
enum change {
    REMOVED,
    REPEATED,
    ZEROED,
    SWAPPED_WITH_NEXT,
    OF_ANOTHER_FILE,
    GARBAGE_BEFORE,
    FRAME_STARTS_BEFORE,
    MOVED_TO_THE_END,
    CHANGES
};

static void add_changed(struct bytes *file, enum change change, size_t first, size_t last)
{
    static const uint8_t zeros[1 << 16], frame_starts[] = {0x28, 0xb5, 0x2f, 0xfd, 0x28, 0xb5, 0x2f, 0xfd, 0x28, 0xb5, 0x2f, 0xfd};
    const uint64_t from = begin_of(first), to = end_of(last);
    uint8_t garbage[200];
    for (size_t i = 0; i < sizeof garbage; ++i)
        garbage[i] = (uint8_t)random_below(256);
    if (change == REPEATED)
        add_from(file, from, to);
    if (change == ZEROED)
        add(file, zeros, to - from < sizeof zeros ? to - from : sizeof zeros);
    if (change == SWAPPED_WITH_NEXT && last + 1 < block_count)
        add_block(file, last + 1);
    if (change == OF_ANOTHER_FILE)
        add(file, other.at + from, to - from);
    if (change == GARBAGE_BEFORE)
        add(file, garbage, 1 + random_below(sizeof garbage));
    if (change == FRAME_STARTS_BEFORE)
        add(file, frame_starts, 1 + random_below(sizeof frame_starts));
    if (change == REPEATED || change == GARBAGE_BEFORE || change == FRAME_STARTS_BEFORE || change == SWAPPED_WITH_NEXT)
        add_from(file, from, to);
}

static void check_changed(enum change change, size_t first, size_t last)
{
    char how[80];
    struct bytes file = {0};
    snprintf(how, sizeof how, "change %d of blocks %zu to %zu", (int)change, first, last);
    add_from(&file, 0, begin_of(first));
    add_changed(&file, change, first, last);
    add_from(&file, change == SWAPPED_WITH_NEXT && last + 1 < block_count ? end_of(last + 1) : end_of(last), end_of(block_count - 1));
    if (change == MOVED_TO_THE_END)
        add_from(&file, begin_of(first), end_of(last));
    add_from(&file, end_of(block_count - 1), original.length);
    if (file.length != original.length || memcmp(file.at, original.at, file.length) != 0)
        check_damaged(&file, how);
    free(file.at);
}

Test(replay_damage, each_block_in_each_way)
{
    for (int change = 0; change < CHANGES; ++change)
        for (size_t block = 0; block < block_count; ++block)
            check_changed((enum change)change, block, block);
}

Test(replay_damage, stretches_of_blocks_in_each_way)
{
    random_state = 99;
    for (int i = 0; i < 600; ++i) {
        const size_t first = random_below((uint32_t)block_count), length = random_below(12);
        check_changed((enum change)(i % CHANGES), first, first + length < block_count ? first + length : block_count - 1);
    }
}

/* The beginning of the file, up to anywhere, and its end, from anywhere on. */
Test(replay_damage, splices)
{
    random_state = 77;
    for (int i = 0; i < 1500; ++i) {
        char how[80];
        struct bytes file = {0};
        const uint32_t until = 80 + random_below((uint32_t)original.length - 80), from = random_below((uint32_t)original.length);
        snprintf(how, sizeof how, "spliced: up to %u, from %u", until, from);
        add_from(&file, 0, until);
        add_from(&file, from, original.length);
        if (until != from)
            check_damaged(&file, how);
        free(file.at);
    }
}

Test(replay_damage, files_one_after_the_other)
{
    struct bytes file = {0};
    add(&file, original.at, original.length);
    add(&file, original.at, original.length);
    check_damaged(&file, "the same file twice");
    file.length = original.length;
    add(&file, other.at, other.length);
    check_damaged(&file, "another file behind");
    file.length = end_of(block_count / 2);
    add(&file, other.at, other.length);
    check_damaged(&file, "another file behind half of it");
    free(file.at);
}

/* Its index is not ours, and ends nothing. */
Test(replay_damage, a_file_within_another_costs_nothing)
{
    for (size_t block = 1; block < block_count; block += 7) {
        struct bytes file = {0};
        add_from(&file, 0, begin_of(block));
        add(&file, other.at, other.length);
        add_from(&file, begin_of(block), original.length);
        cr_assert_gt(check_damaged(&file, "another file within it"), truth.count / 2);
        free(file.at);
    }
}

Test(replay_damage, blocks_in_another_order)
{
    random_state = 55;
    for (int i = 0; i < 100; ++i) {
        size_t order[BLOCKS_MAX];
        struct bytes file = {0};
        for (size_t block = 0; block < block_count; ++block)
            order[block] = block;
        for (size_t block = block_count - 1; block > 0; --block) {
            const size_t with = random_below((uint32_t)block + 1), moved = order[block];
            order[block] = order[with];
            order[with] = moved;
        }
        add_from(&file, 0, begin_of(0));
        for (size_t block = 0; block < block_count; ++block)
            add_block(&file, order[block]);
        add_from(&file, end_of(block_count - 1), original.length);
        check_damaged(&file, "all blocks in another order");
        free(file.at);
    }
}

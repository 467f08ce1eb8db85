/* Files whose checksums are right and whose blocks lie: contents of a good trace with bytes changed, blocks left out, repeated or in
 * another order, and framed anew. Whatever the replay makes of them, it must hold its own promises, and the sanitizers must be silent. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "cptrace/writer.h"
#include "platform/platform.h"
#include "replay/replay.h"

enum { HOSTILE_BLOCKS_MAX = 64, HOSTILE_HEADER_BYTES = 80, HOSTILE_CALLS_MAX = 100000 };

struct content {
    uint8_t bytes[4096];
    size_t length;
};

struct seed_file {
    uint8_t header[HOSTILE_HEADER_BYTES];
    struct content blocks[HOSTILE_BLOCKS_MAX];
    size_t block_count;
};

static uint32_t random_state;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % limit;
}

static int append_to_file(void *context, const void *bytes, size_t length)
{
    return fwrite(bytes, 1, length, context) == length ? 0 : errno;
}

/* Generators that wander between two lanes, in blocks of five events. */
static void write_seed(FILE *file)
{
    const struct cptrace_writer_options options = {.file_id = 7, .ns_per_tick_q32 = (uint64_t)4 << 32, .block_event_count = 5};
    struct cptrace_error error;
    struct cptrace_writer *writer = cptrace_writer_create((struct cptrace_sink){append_to_file, file}, &options, &error);
    cr_assert(writer);
    cptrace_writer_info(writer, NULL, 0);
    for (uint32_t i = 0; i < 4; ++i) {
        const struct cptrace_function function = {
            .qualified_name = {"f", 1}, .file = CPTRACE_NO_NUMBER, .line = i, .category = CPTRACE_CATEGORY_USER};
        cptrace_writer_define_function(writer, &function);
    }
    struct cptrace_lane_writer *lanes[2];
    for (uint32_t i = 0; i < 2; ++i)
        lanes[i] = cptrace_writer_define_lane(writer, i, (struct cptrace_string){"lane", 4});
    uint64_t tick = 0;
    for (uint32_t round = 0; round < 8; ++round) {
        struct cptrace_lane_writer *lane = lanes[round % 2], *other = lanes[(round + 1) % 2];
        cptrace_lane_cpu(lane, tick += 3, round * 50, round);
        cptrace_lane_call(lane, tick, 0);
        const uint32_t activation = cptrace_lane_start(lane, tick += 3, 1);
        cptrace_lane_arguments(lane, tick, (struct cptrace_string){"x=1", 3});
        cptrace_lane_omitted(lane, tick += 3, 2, 2);
        cptrace_lane_call(lane, tick += 3, 2);
        cptrace_lane_cpu(lane, tick += 30, round * 50 + 20, round);
        cptrace_lane_mark(lane, tick, (struct cptrace_string){"mark", 4});
        cptrace_lane_counter(lane, tick, 0.5, (struct cptrace_string){"n", 1});
        cptrace_lane_unwind(lane, tick += 3);
        cptrace_lane_suspend(lane, tick += 3);
        cptrace_lane_call(other, tick += 3, 3);
        cptrace_lane_resume(other, tick += 3, activation);
        cptrace_lane_throw(other, tick);
        cptrace_lane_return(other, tick += 3);
        cptrace_lane_return(lane, tick += 3);
    }
    const struct cptrace_calibration end = {tick, tick * 4, tick * 4};
    cr_assert_eq(cptrace_writer_finish(writer, end, NULL, 0, &error), CPTRACE_OK);
    cptrace_writer_free(writer);
}

static void load_seed(struct seed_file *seed)
{
    char *path;
    FILE *file = platform_temporary_file(NULL, &path);
    cr_assert(file);
    write_seed(file);
    rewind(file);
    cr_assert_eq(fread(seed->header, 1, HOSTILE_HEADER_BYTES, file), HOSTILE_HEADER_BYTES);
    cr_assert_eq(fclose(file), 0);
    struct cptrace_reader *reader;
    struct cptrace_block block;
    cr_assert_eq(cptrace_reader_open(path, &reader, NULL), CPTRACE_OK);
    while (cptrace_reader_next(reader, &block, NULL) == CPTRACE_OK) {
        cr_assert_lt(seed->block_count, HOSTILE_BLOCKS_MAX);
        struct content *content = &seed->blocks[seed->block_count++];
        cr_assert_leq(block.content_bytes, sizeof content->bytes);
        memcpy(content->bytes, block.content, block.content_bytes);
        content->length = block.content_bytes;
    }
    cptrace_reader_close(reader);
    platform_remove_file(path);
    free(path);
}

/* Changes a few bytes, mostly behind the block's own header, where the lies are. */
static void change_bytes(struct content *content)
{
    static const uint8_t values[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 17, 0x7F, 0x80, 0xFF};
    for (uint32_t changes = 1 + random_below(3); changes > 0; --changes) {
        const uint32_t first = random_below(20) && content->length > 13 ? 12 : 0;
        const uint32_t at = first + random_below((uint32_t)content->length - first);
        content->bytes[at] = random_below(3) ? values[random_below(sizeof values)] : (uint8_t)random_below(256);
    }
}

static void renumber(struct seed_file *file)
{
    for (uint32_t i = 0; i < file->block_count; ++i) {
        for (int byte = 0; byte < 4; ++byte)
            file->blocks[i].bytes[8 + byte] = (uint8_t)(i >> 8 * byte);
    }
}

static void move_blocks(struct seed_file *file)
{
    const uint32_t from = random_below((uint32_t)file->block_count), to = random_below((uint32_t)file->block_count);
    const struct content moved = file->blocks[from];
    switch (random_below(3)) {
    case 0: /* swap */
        file->blocks[from] = file->blocks[to];
        file->blocks[to] = moved;
        break;
    case 1: /* repeat */
        file->blocks[to] = moved;
        break;
    default: /* leave out */
        memmove(&file->blocks[from], &file->blocks[from + 1], (file->block_count - from - 1) * sizeof file->blocks[0]);
        --file->block_count;
    }
    if (random_below(2))
        renumber(file);
}

static void write_file(const struct seed_file *seed, FILE *file)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    fwrite(seed->header, 1, HOSTILE_HEADER_BYTES, file);
    for (size_t i = 0; i < seed->block_count; ++i) {
        uint8_t frame[8192];
        const size_t length = ZSTD_compress2(context, frame, sizeof frame, seed->blocks[i].bytes, seed->blocks[i].length);
        cr_assert_not(ZSTD_isError(length));
        fwrite(frame, 1, length, file);
    }
    ZSTD_freeCCtx(context);
}

struct promises {
    bool open[HOSTILE_CALLS_MAX];
    uint64_t entered, left;
    size_t function_count, lane_count;
    uint64_t text_bytes;
};

static int check_enter(void *context, const struct replay_call *call)
{
    struct promises *promises = context;
    cr_assert_eq(call->id, promises->entered++);
    cr_assert_lt(call->id, HOSTILE_CALLS_MAX);
    cr_assert(call->parent_id == REPLAY_NO_CALL || call->parent_id < call->id);
    cr_assert_lt(call->function, promises->function_count);
    cr_assert_lt(call->lane, promises->lane_count);
    promises->open[call->id] = true;
    return 0;
}

static int check_leave(void *context, const struct replay_call *call)
{
    struct promises *promises = context;
    cr_assert(promises->open[call->id]);
    promises->open[call->id] = false;
    ++promises->left;
    cr_assert_leq(call->start_ns, call->end_ns);
    cr_assert_leq(call->running_ns, call->end_ns - call->start_ns);
    cr_assert_leq(call->self_ns, call->running_ns);
    cr_assert_leq(call->waiting_ns, call->running_ns);
    cr_assert_leq(call->self_waiting_ns, call->self_ns);
    cr_assert_leq(call->omitted_ns, call->running_ns - call->self_ns);
    promises->text_bytes += call->arguments.length;
    return 0;
}

static int check_mark(void *context, const struct replay_mark *mark)
{
    struct promises *promises = context;
    cr_assert_lt(mark->lane, promises->lane_count);
    cr_assert(mark->call_id == REPLAY_NO_CALL || mark->call_id < promises->entered);
    for (uint32_t i = 0; i < mark->text.length; ++i)
        promises->text_bytes += mark->text.bytes[i] != 0; /* the sanitizer sees whether it is there */
    return 0;
}

static void check_file(const char *path)
{
    struct trace *trace;
    struct cptrace_error error = {0};
    if (trace_open(path, &trace, &error) != CPTRACE_OK)
        return;
    struct promises *promises = calloc(1, sizeof *promises);
    promises->function_count = trace_facts(trace)->definitions->function_count;
    promises->lane_count = trace_facts(trace)->definitions->lane_count;
    const struct replay_visitor visitor = {.context = promises, .enter = check_enter, .leave = check_leave, .mark = check_mark};
    struct replay_result result;
    if (trace_replay(trace, &visitor, 1, NULL, NULL, &result, &error) == 0) {
        cr_assert_eq(promises->entered, result.call_count);
        cr_assert_eq(promises->left, result.call_count);
        for (size_t i = 1; i < result.path_count; ++i)
            cr_assert_lt(result.paths[i].parent, i);
    }
    free(promises);
    trace_close(trace);
}

Test(replay_hostile, blocks_that_lie)
{
    struct seed_file *seed = calloc(1, sizeof *seed), *changed = malloc(sizeof *changed);
    load_seed(seed);
    for (uint32_t i = 1; i <= 3000; ++i) {
        random_state = i * 2654435761u;
        *changed = *seed;
        for (uint32_t blocks = 1 + random_below(3); blocks > 0; --blocks)
            change_bytes(&changed->blocks[random_below((uint32_t)changed->block_count)]);
        if (random_below(3) == 0)
            move_blocks(changed);
        char *path;
        FILE *file = platform_temporary_file(NULL, &path);
        cr_assert(file);
        write_file(changed, file);
        cr_assert_eq(fclose(file), 0);
        check_file(path);
        platform_remove_file(path);
        free(path);
    }
    free(changed);
    free(seed);
}

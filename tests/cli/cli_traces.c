/* Makes the traces of the CLI cases and the replay tests: small runs whose truth is written beside the events. One tick is 10 ns, the run
 * starts at tick 1000; so an event at tick 1000 + t is at t * 10 ns of the run.
 *
 * Usage: cli_traces FOLDER */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cptrace/writer.h"

enum { TRACE_START_TICK = 1000, TRACE_NS_PER_TICK = 10 };

struct maker {
    FILE *file;
    struct cptrace_writer *writer;
    struct cptrace_lane_writer *lane;
};

static struct cptrace_string text(const char *bytes) { return (struct cptrace_string){.bytes = bytes, .length = (uint32_t)strlen(bytes)}; }

static struct cptrace_calibration point_at(uint64_t t)
{
    return (struct cptrace_calibration){
        .ticks = TRACE_START_TICK + t,
        .monotonic_ns = 5000000000u + t * TRACE_NS_PER_TICK,
        .utc_ns = 1764000000000000000u + t * TRACE_NS_PER_TICK,
    };
}

static uint64_t at(uint64_t t) { return TRACE_START_TICK + t; }

static void die(const char *what)
{
    fprintf(stderr, "cli_traces: %s\n", what);
    exit(1);
}

static int append_to_file(void *context, const void *bytes, size_t length)
{
    return fwrite(bytes, 1, length, context) == length ? 0 : errno;
}

static struct maker create(const char *folder, const char *name, struct cptrace_writer_options options)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.cptrace", folder, name);
    struct maker maker = {.file = fopen(path, "wb")};
    if (!maker.file)
        die(path);
    options.ns_per_tick_q32 = (uint64_t)TRACE_NS_PER_TICK << 32;
    struct cptrace_error error;
    maker.writer = cptrace_writer_create((struct cptrace_sink){append_to_file, maker.file}, &options, &error);
    if (!maker.writer)
        die(error.message);
    return maker;
}

static struct maker begin(const char *folder, const char *name, uint32_t block_event_count)
{
    const struct cptrace_writer_options options = {
        .file_id = 0x1234abcd,
        .run_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
        .start = point_at(0),
        .block_event_count = block_event_count,
    };
    struct maker maker = create(folder, name, options);
    const struct cptrace_pair info[] = {
        {text("name"), text(name)},      {text("kind"), text("script")},       {text("argv"), text("app.py")},
        {text("argv"), text("--fast")},  {text("python"), text("3.14.0")},     {text("host"), text("box")},
        {text("backend"), text("none")}, {text("label:route"), text("/a\"b")},
    };
    cptrace_writer_info(maker.writer, info, sizeof info / sizeof info[0]);
    maker.lane = cptrace_writer_define_lane(maker.writer, 77, text("main"));
    return maker;
}

static void finish_with(struct maker *maker, uint64_t t, const struct cptrace_pair *pairs, size_t pair_count)
{
    struct cptrace_error error;
    if (cptrace_writer_finish(maker->writer, point_at(t), pairs, pair_count, &error) != CPTRACE_OK)
        die(error.message);
    cptrace_writer_free(maker->writer);
    fclose(maker->file);
}

static void finish(struct maker *maker, uint64_t t)
{
    const struct cptrace_pair pairs[] = {{text("outcome"), text("returned")}};
    finish_with(maker, t, pairs, 1);
}

/* A killed program: no end. */
static void abandon(struct maker *maker)
{
    struct cptrace_error error;
    if (cptrace_writer_flush(maker->writer, &error) != CPTRACE_OK)
        die(error.message);
    cptrace_writer_free(maker->writer);
    fclose(maker->file);
}

static uint32_t user_function(struct maker *maker, const char *name, uint32_t line, uint8_t flags)
{
    const uint32_t file = cptrace_writer_define_file(maker->writer, text("/app/app.py"), 1234, 99);
    const struct cptrace_function function = {
        .qualified_name = text(name),
        .module = text("app"),
        .library = text(""),
        .file = file,
        .line = line,
        .category = CPTRACE_CATEGORY_USER,
        .flags = flags,
    };
    return cptrace_writer_define_function(maker->writer, &function);
}

static uint32_t c_function(struct maker *maker, const char *name)
{
    const struct cptrace_function function = {
        .qualified_name = text(name),
        .module = text("builtins"),
        .library = text("builtins"),
        .file = CPTRACE_NO_NUMBER,
        .category = CPTRACE_CATEGORY_BUILTIN,
        .flags = CPTRACE_FUNCTION_C,
    };
    return cptrace_writer_define_function(maker->writer, &function);
}

/* main 0..100 { f 10..40 { len 20..30 }, f 50..60 } */
static void make_nested(const char *folder)
{
    struct maker m = begin(folder, "nested", 0);
    const uint32_t main_ = user_function(&m, "main", 1, 0), f = user_function(&m, "Klass.f", 5, 0), len = c_function(&m, "len");
    cptrace_lane_call(m.lane, at(0), main_);
    cptrace_lane_call(m.lane, at(10), f);
    cptrace_lane_call(m.lane, at(20), len);
    cptrace_lane_return(m.lane, at(30));
    cptrace_lane_return(m.lane, at(40));
    cptrace_lane_call(m.lane, at(50), f);
    cptrace_lane_return(m.lane, at(60));
    cptrace_lane_return(m.lane, at(100));
    finish(&m, 120);
}

/* main 0..100 { f 10..40 raises out of { g 20..30 raises } } */
static void make_exceptions(const char *folder)
{
    struct maker m = begin(folder, "exceptions", 0);
    const uint32_t main_ = user_function(&m, "main", 1, 0), f = user_function(&m, "f", 5, 0), g = user_function(&m, "g", 9, 0);
    cptrace_lane_call(m.lane, at(0), main_);
    cptrace_lane_call(m.lane, at(10), f);
    cptrace_lane_call(m.lane, at(20), g);
    cptrace_lane_unwind(m.lane, at(30));
    cptrace_lane_unwind(m.lane, at(40));
    cptrace_lane_return(m.lane, at(100));
    finish(&m, 100);
}

/* A generator that yields twice, resumed the second time from another function, and a second one that is thrown into and dropped:
 * main 0..100 { gen 10..20 | 30..40 { len 32..34 } | f 50..80 { gen 60..70 returned } ; gen 84..86 | thrown 90..92 } */
static void make_generator(const char *folder, const char *name, uint32_t block_event_count)
{
    struct maker m = begin(folder, name, block_event_count);
    const uint32_t main_ = user_function(&m, "main", 1, 0), gen = user_function(&m, "gen", 5, CPTRACE_FUNCTION_GENERATOR);
    const uint32_t f = user_function(&m, "f", 9, 0), len = c_function(&m, "len");
    cptrace_lane_call(m.lane, at(0), main_);
    const uint32_t first = cptrace_lane_start(m.lane, at(10), gen);
    cptrace_lane_suspend(m.lane, at(20));
    cptrace_lane_resume(m.lane, at(30), first);
    cptrace_lane_call(m.lane, at(32), len);
    cptrace_lane_return(m.lane, at(34));
    cptrace_lane_suspend(m.lane, at(40));
    cptrace_lane_call(m.lane, at(50), f);
    cptrace_lane_resume(m.lane, at(60), first);
    cptrace_lane_return(m.lane, at(70));
    cptrace_lane_return(m.lane, at(80));
    const uint32_t second = cptrace_lane_start(m.lane, at(84), gen);
    cptrace_lane_suspend(m.lane, at(86));
    cptrace_lane_resume(m.lane, at(90), second);
    cptrace_lane_throw(m.lane, at(90));
    cptrace_lane_suspend(m.lane, at(92));
    cptrace_lane_return(m.lane, at(100));
    finish(&m, 100);
}

/* Two coroutines of one thread: main 0..100 { a 10..20, b 20..30, a 40..50 { c 44..46 }, b 60..70 raises, a 80..90 returns } */
static void make_coroutines(const char *folder)
{
    struct maker m = begin(folder, "coroutines", 0);
    const uint32_t main_ = user_function(&m, "main", 1, 0), c = user_function(&m, "c", 12, 0);
    const uint32_t a = user_function(&m, "a", 5, CPTRACE_FUNCTION_COROUTINE), b = user_function(&m, "b", 9, CPTRACE_FUNCTION_COROUTINE);
    cptrace_lane_call(m.lane, at(0), main_);
    const uint32_t first = cptrace_lane_start(m.lane, at(10), a);
    cptrace_lane_suspend(m.lane, at(20));
    const uint32_t second = cptrace_lane_start(m.lane, at(20), b);
    cptrace_lane_suspend(m.lane, at(30));
    cptrace_lane_resume(m.lane, at(40), first);
    cptrace_lane_call(m.lane, at(44), c);
    cptrace_lane_return(m.lane, at(46));
    cptrace_lane_suspend(m.lane, at(50));
    cptrace_lane_resume(m.lane, at(60), second);
    cptrace_lane_unwind(m.lane, at(70));
    cptrace_lane_resume(m.lane, at(80), first);
    cptrace_lane_return(m.lane, at(90));
    cptrace_lane_return(m.lane, at(100));
    finish(&m, 100);
}

/* Two threads, and a generator that the first starts and the second resumes, at the very tick of its suspend:
 * lane 0: main 0..100 { gen 10..40 }; lane 1: worker 20..90 { gen 40..60 returns } */
static void make_two_lanes(const char *folder)
{
    struct maker m = begin(folder, "two_lanes", 0);
    struct cptrace_lane_writer *other = cptrace_writer_define_lane(m.writer, 78, text("worker"));
    const uint32_t main_ = user_function(&m, "main", 1, 0), worker = user_function(&m, "worker", 5, 0);
    const uint32_t gen = user_function(&m, "gen", 9, CPTRACE_FUNCTION_GENERATOR);
    cptrace_lane_call(m.lane, at(0), main_);
    const uint32_t first = cptrace_lane_start(m.lane, at(10), gen);
    cptrace_lane_call(other, at(20), worker);
    cptrace_lane_suspend(m.lane, at(40));
    cptrace_lane_resume(other, at(40), first);
    cptrace_lane_return(other, at(60));
    cptrace_lane_return(other, at(90));
    cptrace_lane_return(m.lane, at(100));
    finish(&m, 100);
}

/* main 0.. { f 10.. { gen 20..30 | } }: all open at the end, at 50 */
static void make_unfinished(const char *folder, const char *name, int cut)
{
    struct maker m = begin(folder, name, 0);
    const uint32_t main_ = user_function(&m, "main", 1, 0), f = user_function(&m, "f", 5, 0);
    const uint32_t gen = user_function(&m, "gen", 9, CPTRACE_FUNCTION_GENERATOR);
    cptrace_lane_call(m.lane, at(0), main_);
    cptrace_lane_call(m.lane, at(10), f);
    cptrace_lane_start(m.lane, at(20), gen);
    cptrace_lane_suspend(m.lane, at(30));
    if (cut)
        abandon(&m);
    else
        finish(&m, 50);
}

/* left out 2..10 { main 10.. { left out 20..30 { f 30.. { g 40..50; left out: 2 calls, 5 in them } } } }: all open at the end, at 100. The
 * one at 20 called another one, too. */
static void make_left_out_open(const char *folder)
{
    struct maker m = begin(folder, "left_out_open", 0);
    const uint32_t main_ = user_function(&m, "main", 1, 0), f = user_function(&m, "f", 5, 0), g = user_function(&m, "g", 9, 0);
    cptrace_lane_call(m.lane, at(10), main_);
    cptrace_lane_call(m.lane, at(30), f);
    cptrace_lane_call(m.lane, at(40), g);
    cptrace_lane_return(m.lane, at(50));
    cptrace_lane_omitted(m.lane, at(100), 2, 5);
    cptrace_lane_omitted_outer(m.lane, at(100), 1, 2, 10);
    cptrace_lane_omitted_outer(m.lane, at(100), 2, 1, 8);
    finish(&m, 100);
}

/* f calls itself: depth calls, one tick apart each way. */
static void make_deep(const char *folder, const char *name, uint64_t depth)
{
    struct maker m = begin(folder, name, 0);
    const uint32_t f = user_function(&m, "f", 1, 0);
    for (uint64_t i = 0; i < depth; ++i)
        cptrace_lane_call(m.lane, at(i), f);
    for (uint64_t i = 0; i < depth; ++i)
        cptrace_lane_return(m.lane, at(depth + i));
    finish(&m, depth * 2);
}

/* Blocks of 4 events. Losing the third one (30..60 of the run) loses the end of f, all of g, and the start of h:
 * main 0..100 { f 10..30 { len 12..14 }, ... } */
static void make_many_blocks(const char *folder)
{
    struct maker m = begin(folder, "many_blocks", 4);
    const uint32_t main_ = user_function(&m, "main", 1, 0), f = user_function(&m, "f", 5, 0);
    const uint32_t g = user_function(&m, "g", 9, 0), h = user_function(&m, "h", 13, 0), len = c_function(&m, "len");
    cptrace_lane_call(m.lane, at(0), main_); /* first block */
    cptrace_lane_call(m.lane, at(10), f);
    cptrace_lane_call(m.lane, at(12), len);
    cptrace_lane_return(m.lane, at(14));
    cptrace_lane_return(m.lane, at(30)); /* second: the one that the damaged copy loses */
    cptrace_lane_call(m.lane, at(40), g);
    cptrace_lane_return(m.lane, at(50));
    cptrace_lane_call(m.lane, at(60), h);
    cptrace_lane_call(m.lane, at(70), len); /* third */
    cptrace_lane_return(m.lane, at(72));
    cptrace_lane_return(m.lane, at(80));
    cptrace_lane_return(m.lane, at(100));
    finish(&m, 100);
}

/* Names as only an attacker would choose them. */
static void make_hostile(const char *folder)
{
    struct maker m = begin(folder, "hostile", 0);
    const uint32_t tag = user_function(&m, "</script><b>\"quoted\\\"\x1b[31m\n\x7f", 1, 0);
    const uint32_t broken = user_function(&m, "bad\xff\xc0\xaf|\xed\xa0\x80|\xe2\x80\xa8|\xf0\x9f\x90\x8d", 2, 0);
    cptrace_lane_call(m.lane, at(0), tag);
    cptrace_lane_call(m.lane, at(1), broken);
    cptrace_lane_return(m.lane, at(2));
    cptrace_lane_return(m.lane, at(3));
    finish(&m, 4);
}

/* Everything that annotations say. The thread sleeps 400 of the 500 ns of `len`, and 200 of the 300 before the end of handler's second
 * slice: main 0..200 { handler 10..30 | 60..110 { request 12..30 | 60..100 { len 14..28 ; 3 calls of 40 ns left out } }, child 120..150 | }
 */
static void make_annotated(const char *folder, const char *name, uint32_t block_event_count)
{
    struct maker m = begin(folder, name, block_event_count);
    const uint32_t main_ = user_function(&m, "main", 1, 0), handler = user_function(&m, "handler", 5, CPTRACE_FUNCTION_COROUTINE);
    const uint32_t request = user_function(&m, "GET /a", 0, CPTRACE_FUNCTION_SPAN), len = c_function(&m, "len");
    const uint32_t child = user_function(&m, "child", 9, CPTRACE_FUNCTION_COROUTINE);
    cptrace_lane_cpu(m.lane, at(0), 5000, 1);
    cptrace_lane_call(m.lane, at(0), main_);
    const uint32_t first = cptrace_lane_start(m.lane, at(10), handler);
    cptrace_lane_arguments(m.lane, at(10), text("self=<Handler>, path='/a\"b'"));
    cptrace_writer_define_task(m.writer, text("Task-1"), first, CPTRACE_NO_NUMBER);
    const uint32_t span = cptrace_lane_start(m.lane, at(12), request);
    cptrace_lane_call(m.lane, at(14), len);
    cptrace_lane_cpu(m.lane, at(28), 5000 + 180, 2); /* 280 ns passed; 140 of them since the call of len */
    cptrace_lane_return(m.lane, at(28));
    cptrace_lane_suspend(m.lane, at(30));
    cptrace_lane_suspend(m.lane, at(30));
    cptrace_lane_mark(m.lane, at(40), text("warm\n"));
    cptrace_lane_counter(m.lane, at(40), 2.5, text("queue"));
    cptrace_lane_resume(m.lane, at(60), first);
    cptrace_lane_resume(m.lane, at(60), span);
    cptrace_lane_omitted(m.lane, at(90), 3, 4);
    cptrace_lane_cpu(m.lane, at(100), 5000 + 180 + 520, 3); /* 720 passed, the last 100 since the annotation before */
    cptrace_lane_return(m.lane, at(100));
    cptrace_lane_return(m.lane, at(110));
    const uint32_t second = cptrace_lane_start(m.lane, at(120), child);
    cptrace_writer_define_task(m.writer, text("Task-2"), second, first);
    cptrace_lane_suspend(m.lane, at(150));
    cptrace_lane_return(m.lane, at(200));
    cptrace_lane_omitted(m.lane, at(220), 1, 10);
    cptrace_lane_mark(m.lane, at(230), text("after"));
    const struct cptrace_pair pairs[] = {{text("outcome"), text("returned")},
                                         {text("cost_ns:python_call"), text("48.3")},
                                         {text("cost_ns:c_call"), text("33.0")},
                                         {text("cost_ns:resume"), text("20")}};
    finish_with(&m, 240, pairs, 4);
}

/* --- processes of one run: the parent has run id 10101010..., its children say so --- */

enum { PROCESS_PARENT = 0x10, PROCESS_CHILD = 0x20, PROCESS_GRANDCHILD = 0x30 };

/* The process begins at t of the parent's time; its own clock starts elsewhere. */
static struct maker begin_process(const char *folder, const char *name, uint8_t id, uint64_t t, const char *pid, const char *parent_run)
{
    const struct cptrace_calibration parent_time = point_at(t);
    struct cptrace_writer_options options = {.file_id = id, .start = {TRACE_START_TICK, 777000, parent_time.utc_ns}};
    memset(options.run_id, id, sizeof options.run_id);
    if (id == PROCESS_PARENT)
        options.start = parent_time;
    struct maker maker = create(folder, name, options);
    const struct cptrace_pair info[] = {
        {text("name"), text("app")},
        {text("python"), text("3.14.0")},
        {text("pid"), text(pid)},
        {text("argv"), text(id == PROCESS_PARENT ? "app.py" : "-c")},
        {text("argv"), text("--token=s3cret-argv")},
        {text("host"), text("s3cret-host")},
        {text("cwd"), text("/home/s3cret-folder")},
        {text("label:user"), text("s3cret-label")},
        {text("something:new"), text("s3cret-unknown")},
        {text("parent_run"), text(parent_run)},
    };
    cptrace_writer_info(maker.writer, info, sizeof info / sizeof info[0] - (id == PROCESS_PARENT));
    maker.lane = cptrace_writer_define_lane(maker.writer, id, text("MainThread"));
    return maker;
}

static struct cptrace_calibration child_point_at(uint64_t start_t, uint64_t t)
{
    return (struct cptrace_calibration){TRACE_START_TICK + t, 777000 + t * TRACE_NS_PER_TICK, point_at(start_t + t).utc_ns};
}

static uint32_t module_function(struct maker *maker, const char *name, const char *module, const char *path)
{
    const uint32_t file = cptrace_writer_define_file(maker->writer, text(path), 1234, 99);
    const struct cptrace_function function = {text(name), text(module), text(""), file, 7, CPTRACE_CATEGORY_USER, 0};
    return cptrace_writer_define_function(maker->writer, &function);
}

/* main 0..100 { GET 10..90 { handle 20..80: a coroutine that suspends 30..60 }, mark, counter }; second thread: work 5..95 */
static void make_parent_process(const char *folder)
{
    struct maker m = begin_process(folder, "process_parent", PROCESS_PARENT, 0, "100", "");
    struct cptrace_lane_writer *other = cptrace_writer_define_lane(m.writer, 0x11, text("s3cret-thread"));
    const uint32_t main_ = module_function(&m, "main", "__main__", "/home/s3cret-folder/app.py");
    const uint32_t work = module_function(&m, "work", "pool.tasks", "/home/s3cret-folder/pool/tasks.py");
    const uint32_t handle = user_function(&m, "handle", 9, CPTRACE_FUNCTION_COROUTINE);
    const uint32_t get = user_function(&m, "GET /s3cret-span", 0, CPTRACE_FUNCTION_SPAN);
    cptrace_lane_cpu(m.lane, at(0), 500, 1);
    cptrace_lane_call(m.lane, at(0), main_);
    cptrace_lane_call(other, at(5), work);
    const uint32_t span = cptrace_lane_start(m.lane, at(10), get);
    const uint32_t coroutine = cptrace_lane_start(m.lane, at(20), handle);
    cptrace_lane_arguments(m.lane, at(20), text("password='s3cret-argument'"));
    cptrace_writer_define_task(m.writer, text("s3cret-task"), coroutine, span);
    cptrace_lane_suspend(m.lane, at(30));
    cptrace_lane_mark(m.lane, at(40), text("s3cret-mark"));
    cptrace_lane_counter(m.lane, at(45), 2.5, text("s3cret-counter"));
    cptrace_lane_resume(m.lane, at(60), coroutine);
    cptrace_lane_omitted(m.lane, at(70), 3, 4);
    cptrace_lane_return(m.lane, at(80));
    cptrace_lane_return(m.lane, at(90));
    cptrace_lane_return(other, at(95));
    cptrace_lane_return(m.lane, at(100));
    const struct cptrace_pair pairs[] = {{text("outcome"), text("returned")}, {text("warning"), text("no s3cret-warning.py")}};
    finish_with(&m, 120, pairs, 2);
}

/* Begins at 30 of the parent's time: main 0..100 { work 10.. raises 20, gen 30..40 | 60..70 }, or killed at 40. */
static void make_child_process(const char *folder, const char *name, uint8_t id, uint64_t start_t, const char *pid, bool killed)
{
    struct maker m = begin_process(folder, name, id, start_t, pid, "10101010101010101010101010101010");
    const uint32_t main_ = module_function(&m, "main", "__main__", "/home/s3cret-folder/app.py");
    const uint32_t gen = user_function(&m, "gen", 9, CPTRACE_FUNCTION_GENERATOR);
    const uint32_t work = module_function(&m, "work", "pool.tasks", "/home/s3cret-folder/pool/tasks.py");
    cptrace_lane_call(m.lane, at(0), main_);
    cptrace_lane_call(m.lane, at(10), work);
    cptrace_lane_unwind(m.lane, at(20));
    const uint32_t activation = cptrace_lane_start(m.lane, at(30), gen);
    cptrace_lane_suspend(m.lane, at(40));
    if (killed) {
        abandon(&m);
        return;
    }
    cptrace_lane_resume(m.lane, at(60), activation);
    cptrace_lane_return(m.lane, at(70));
    cptrace_lane_return(m.lane, at(100));
    const struct cptrace_pair pairs[] = {{text("outcome"), text("raised")}};
    struct cptrace_error error;
    if (cptrace_writer_finish(m.writer, child_point_at(start_t, 110), pairs, 1, &error) != CPTRACE_OK)
        die(error.message);
    cptrace_writer_free(m.writer);
    fclose(m.file);
}

static void make_empty_run(const char *folder)
{
    struct maker m = begin(folder, "no_calls", 0);
    finish(&m, 10);
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 2)
        die("usage: cli_traces FOLDER");
    const char *folder = arguments[1];
    make_nested(folder);
    make_exceptions(folder);
    make_generator(folder, "generator", 0);
    make_generator(folder, "generator_small_blocks", 1);
    make_coroutines(folder);
    make_two_lanes(folder);
    make_unfinished(folder, "unfinished", 0);
    make_unfinished(folder, "killed", 1);
    make_left_out_open(folder);
    make_deep(folder, "deep", 10000);
    make_many_blocks(folder);
    make_hostile(folder);
    make_empty_run(folder);
    make_annotated(folder, "annotated", 0);
    make_annotated(folder, "annotated_small_blocks", 3);
    make_parent_process(folder);
    make_child_process(folder, "process_child", PROCESS_CHILD, 30, "101", false);
    make_child_process(folder, "process_killed", PROCESS_GRANDCHILD, 20, "102", true);
    return 0;
}

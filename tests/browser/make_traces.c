/* Makes the traces of the browser tests: small.cptrace, hostile.cptrace, deep.cptrace, cut.cptrace, large.cptrace (1 M calls) in a folder.
 * annotated.cptrace has one of everything that annotations say.
 * Usage: make_traces FOLDER [calls-of-large]
 * Written with the public writer, so that the reports go the whole way: trace, replay, page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cptrace/writer.h"

struct maker {
    FILE *file;
    struct cptrace_writer *writer;
    struct cptrace_lane_writer *lane;
    uint64_t tick; /* 1 ns each */
    uint64_t random;
};

static struct cptrace_string text(const char *bytes) { return (struct cptrace_string){bytes, (uint32_t)strlen(bytes)}; }

static int append(void *context, const void *bytes, size_t length) { return fwrite(bytes, 1, length, context) == length ? 0 : 5; }

static uint64_t random_below(struct maker *maker, uint64_t limit)
{
    maker->random = maker->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (maker->random >> 33) % limit;
}

static struct maker open_trace(const char *folder, const char *name, const char *argument)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.cptrace", folder, name);
    struct maker maker = {.file = fopen(path, "wb"), .tick = 1000, .random = 7};
    if (!maker.file)
        exit(1);
    const struct cptrace_writer_options options = {
        .file_id = 0x1234567,
        .ns_per_tick_q32 = UINT64_C(1) << 32,
        .start = {.ticks = 1000, .monotonic_ns = 1000, .utc_ns = UINT64_C(1795442527123456789)},
    };
    maker.writer = cptrace_writer_create((struct cptrace_sink){append, maker.file}, &options, NULL);
    const struct cptrace_pair info[] = {
        {text("name"), text("main")},
        {text("argv"), text("app.py")},
        {text("argv"), text(argument)},
        {text("python"), text("3.14.2")},
        {text("implementation"), text("CPython")},
        {text("os"), text("Linux")},
    };
    cptrace_writer_info(maker.writer, info, sizeof info / sizeof info[0]);
    maker.lane = cptrace_writer_define_lane(maker.writer, 4242, text("MainThread"));
    return maker;
}

static void close_trace_with(struct maker *maker, const struct cptrace_pair *end, size_t end_count)
{
    const struct cptrace_calibration point = {maker->tick, maker->tick, UINT64_C(1795442527123456789) + maker->tick - 1000};
    cptrace_writer_finish(maker->writer, point, end, end_count, NULL);
    cptrace_writer_free(maker->writer);
    if (fclose(maker->file))
        exit(1);
}

static void close_trace(struct maker *maker)
{
    const struct cptrace_pair end[] = {{text("outcome"), text("returned")}};
    close_trace_with(maker, end, 1);
}

static uint32_t define(struct maker *maker, const char *name, const char *library, const char *path, uint32_t line, uint8_t category,
                       uint8_t flags)
{
    const uint32_t file = *path ? cptrace_writer_define_file(maker->writer, text(path), 0, 0) : CPTRACE_NO_NUMBER;
    return cptrace_writer_define_function(maker->writer, &(struct cptrace_function){
                                                             .qualified_name = text(name),
                                                             .module = text(*library ? library : "app"),
                                                             .library = text(library),
                                                             .file = file,
                                                             .line = line,
                                                             .category = category,
                                                             .flags = flags,
                                                         });
}

static void call(struct maker *maker, uint32_t function, uint64_t ns)
{
    cptrace_lane_call(maker->lane, maker->tick, function);
    maker->tick += ns;
}

static void leave(struct maker *maker, uint64_t ns)
{
    maker->tick += ns;
    cptrace_lane_return(maker->lane, maker->tick);
    maker->tick += 20;
}

struct program {
    uint32_t main, run, load, parse, loads, scan, get, send, render, len, append, sleep, worker, coroutine;
};

static struct program define_program(struct maker *m)
{
    return (struct program){
        .main = define(m, "main", "", "/srv/app/app.py", 10, CPTRACE_CATEGORY_USER, 0),
        .run = define(m, "Job.run", "", "/srv/app/jobs/job.py", 44, CPTRACE_CATEGORY_USER, 0),
        .load = define(m, "Job.load", "", "/srv/app/jobs/job.py", 71, CPTRACE_CATEGORY_USER, 0),
        .parse = define(m, "parse_document", "", "/srv/app/jobs/parse.py", 88, CPTRACE_CATEGORY_USER, 0),
        .loads = define(m, "loads", "json", "/usr/lib/python3.14/json/__init__.py", 299, CPTRACE_CATEGORY_STDLIB, 0),
        .scan = define(m, "scanner.__call__", "_json", "", 0, CPTRACE_CATEGORY_STDLIB, CPTRACE_FUNCTION_C),
        .get = define(m, "Session.get", "requests", "/srv/venv/lib/python3.14/site-packages/requests/sessions.py", 593,
                      CPTRACE_CATEGORY_THIRD_PARTY, 0),
        .send = define(m, "HTTPAdapter.send", "requests", "/srv/venv/lib/python3.14/site-packages/requests/adapters.py", 590,
                       CPTRACE_CATEGORY_THIRD_PARTY, 0),
        .render = define(m, "Report.render", "", "/srv/app/report.py", 12, CPTRACE_CATEGORY_USER, 0),
        .len = define(m, "len", "builtins", "", 0, CPTRACE_CATEGORY_BUILTIN, CPTRACE_FUNCTION_C),
        .append = define(m, "list.append", "builtins", "", 0, CPTRACE_CATEGORY_BUILTIN, CPTRACE_FUNCTION_C),
        .sleep = define(m, "sleep", "time", "", 0, CPTRACE_CATEGORY_BUILTIN, CPTRACE_FUNCTION_C),
        .worker = define(m, "worker", "", "/srv/app/worker.py", 5, CPTRACE_CATEGORY_USER, 0),
        .coroutine = define(m, "stream_rows", "", "/srv/app/stream.py", 30, CPTRACE_CATEGORY_USER, CPTRACE_FUNCTION_GENERATOR),
    };
}

/* One document: 4 + 2 × rows calls. */
static void one_document(struct maker *m, const struct program *p, uint64_t rows)
{
    call(m, p->load, 900);
    call(m, p->parse, 700);
    call(m, p->loads, 400);
    call(m, p->scan, 2000 + random_below(m, 9000) * (1 + rows / 8));
    leave(m, 50);
    leave(m, 120);
    for (uint64_t row = 0; row < rows; ++row) {
        call(m, p->len, 20 + random_below(m, 60));
        leave(m, 10);
        call(m, p->append, 15 + random_below(m, 40));
        leave(m, 10);
    }
    leave(m, 300);
    leave(m, 100);
}

static void fetch(struct maker *m, const struct program *p, int raises)
{
    call(m, p->get, 5000);
    call(m, p->send, 8000);
    call(m, p->sleep, 150000 + random_below(m, 90000));
    leave(m, 0);
    if (raises)
        cptrace_lane_unwind(m->lane, m->tick += 400);
    else
        leave(m, 400);
    leave(m, 900);
}

static void stream(struct maker *m, const struct program *p)
{
    const uint32_t activation = cptrace_lane_start(m->lane, m->tick += 500, p->coroutine);
    for (int slice = 0; slice < 5; ++slice) {
        call(m, p->len, 100);
        leave(m, 10);
        cptrace_lane_suspend(m->lane, m->tick += 300);
        m->tick += 40000;
        cptrace_lane_resume(m->lane, m->tick, activation);
    }
    cptrace_lane_return(m->lane, m->tick += 100);
}

static void make_program(const char *folder, const char *name, uint64_t calls, int cut)
{
    struct maker m = open_trace(folder, name, "--fast");
    const struct program p = define_program(&m);
    call(&m, p.main, 12000);
    call(&m, p.run, 4000);
    while (cptrace_writer_call_count(m.writer) + 30 < calls) {
        one_document(&m, &p, 5 + random_below(&m, 20));
        if (random_below(&m, 12) == 0)
            fetch(&m, &p, random_below(&m, 4) == 0);
    }
    stream(&m, &p);
    leave(&m, 2000);
    call(&m, p.render, 90000);
    leave(&m, 0);
    struct cptrace_lane_writer *const main_lane = m.lane;
    m.lane = cptrace_writer_define_lane(m.writer, 4243, text("worker-1"));
    call(&m, p.worker, 30000);
    one_document(&m, &p, 4);
    leave(&m, 1000);
    m.lane = main_lane;
    leave(&m, 4000);
    if (!cut) {
        close_trace(&m);
        return;
    }
    cptrace_writer_flush(m.writer, NULL);
    cptrace_writer_free(m.writer);
    if (fclose(m.file))
        exit(1);
}

static void make_hostile(const char *folder)
{
    struct maker m = open_trace(folder, "hostile", "</script><script>window.pwned=1</script><!--<img src=x onerror=window.pwned=1>");
    static const char *const names[] = {
        "</script><script>window.pwned=1</script>",
        "<img src=x onerror=window.pwned=1>",
        "<!--<script>",
        "\"'`${window.pwned=1}",
        "a\xE2\x80\xAE"
        "evil\xE2\x80\xA8\xE2\x80\xA9",
        "\xFF\xFE not utf-8 \xC0\x80",
        "]]></noscript><script>window.pwned=1</script>",
        "__proto__",
        "",
    };
    const uint32_t root = define(&m, "main", "", "/x/</title><script>window.pwned=1</script>.py", 1, CPTRACE_CATEGORY_USER, 0);
    call(&m, root, 1000);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i) {
        call(&m, define(&m, names[i], names[i], names[i], (uint32_t)i, CPTRACE_CATEGORY_THIRD_PARTY, 0), 1000 * (i + 1));
        leave(&m, 10);
    }
    char *const longest = malloc(100001);
    if (!longest)
        exit(1);
    memset(longest, 'x', 100000);
    longest[100000] = 0;
    call(&m, define(&m, longest, "", longest, 1, CPTRACE_CATEGORY_USER, 0), 20000);
    leave(&m, 10);
    free(longest);
    leave(&m, 100);
    close_trace(&m);
}

static void make_deep(const char *folder)
{
    enum { DEPTH = 10000 };
    struct maker m = open_trace(folder, "deep", "--deep");
    const uint32_t down = define(&m, "descend", "", "/srv/app/deep.py", 3, CPTRACE_CATEGORY_USER, 0);
    for (int i = 0; i < DEPTH; ++i)
        call(&m, down, 50);
    for (int i = 0; i < DEPTH; ++i)
        leave(&m, 5);
    close_trace(&m);
}

/* main { handler { request { sleep, of which 900 of 1000 µs off the CPU; 40 calls of 200 µs together are left out } }, query } */
static void make_annotated(const char *folder)
{
    struct maker m = open_trace(folder, "annotated", "--annotated");
    const struct program p = define_program(&m);
    const uint32_t request = define(&m, "GET /items", "", "", 0, CPTRACE_CATEGORY_USER, CPTRACE_FUNCTION_SPAN);
    const uint32_t handler = define(&m, "handle", "", "/srv/app/web.py", 8, CPTRACE_CATEGORY_USER, CPTRACE_FUNCTION_COROUTINE);
    call(&m, p.main, 1000);
    const uint32_t activation = cptrace_lane_start(m.lane, m.tick, handler);
    cptrace_lane_arguments(m.lane, m.tick, text("self=<App>, path='/items</script><b>'"));
    cptrace_writer_define_task(m.writer, text("Task-1"), activation, CPTRACE_NO_NUMBER);
    const uint32_t span = cptrace_lane_start(m.lane, m.tick += 500, request);
    cptrace_lane_cpu(m.lane, m.tick, 1000, 0);
    call(&m, p.sleep, 1000 * 1000);
    cptrace_lane_cpu(m.lane, m.tick, 1000 + 100 * 1000, 1);
    leave(&m, 0);
    cptrace_lane_mark(m.lane, m.tick, text("slept"));
    cptrace_lane_counter(m.lane, m.tick, 3, text("queue"));
    cptrace_lane_omitted(m.lane, m.tick += 300 * 1000, 40, 200 * 1000);
    cptrace_lane_suspend(m.lane, m.tick);
    cptrace_lane_suspend(m.lane, m.tick);
    call(&m, p.get, 5000);
    leave(&m, 0);
    cptrace_lane_resume(m.lane, m.tick, activation);
    cptrace_lane_resume(m.lane, m.tick, span);
    leave(&m, 100);
    leave(&m, 100);
    leave(&m, 1000);
    const struct cptrace_pair end[] = {{text("outcome"), text("returned")}, {text("cost_ns:python_call"), text("50.0")}};
    close_trace_with(&m, end, 2);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: make_traces FOLDER [calls-of-large]\n");
        return 2;
    }
    make_program(argv[1], "small", 400, 0);
    make_program(argv[1], "cut", 400, 1);
    make_hostile(argv[1]);
    make_deep(argv[1]);
    make_annotated(argv[1]);
    make_program(argv[1], "large", argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000, 0);
    return 0;
}

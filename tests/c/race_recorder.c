/* The recorder's rings, drainer and files, driven by several threads at once, without an interpreter: to be run under TSan, too.
 * A plain program, because Criterion does not start under TSan. Every event that a thread put must be in the file. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "cptrace/reader.h"
#include "drainer.h"
#include "lane.h"
#include "run.h"
#include "thread.h"

enum { THREADS = 4, CALLS_PER_THREAD = 400000, FUNCTIONS = 50 };

/* What thread.c does with an interpreter, without one. */
_Thread_local struct rec_thread rec_this_thread REC_TLS_MODEL;
void rec_thread_switch_off(struct rec_lane *lane) { lane->is_on = false; }

static pthread_mutex_t interpreter_lock = PTHREAD_MUTEX_INITIALIZER; /* what the GIL guards: joining a run, first definitions, waking */
static struct rec_run *run;

#define REQUIRE(condition)                                                                                                                 \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                                \
            exit(1);                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

static void make_function(struct rec_function *function, uint32_t number)
{
    char name[32];
    struct cptrace_ring_function fixed = {.number = number, .category = CPTRACE_CATEGORY_USER};
    fixed.qualified_name_bytes = (uint16_t)snprintf(name, sizeof name, "function_%u", number);
    *function = (struct rec_function){.number = number, .definition_bytes = (uint32_t)(sizeof fixed + fixed.qualified_name_bytes)};
    function->definition = malloc(function->definition_bytes);
    REQUIRE(function->definition);
    memcpy(function->definition, &fixed, sizeof fixed);
    memcpy((char *)function->definition + sizeof fixed, name, fixed.qualified_name_bytes);
}

/* What a hook does, with the GIL held as a hook holds it. */
static void put_event(struct rec_lane *lane, struct rec_function *function, enum cptrace_ring_op op)
{
    rec_lane_define(lane, function);
    rec_lane_put(lane, rec_clock_ticks(), (uint64_t)function->number << 8 | op);
}

static void *record(void *unused)
{
    (void)unused;
    struct rec_function functions[FUNCTIONS]; /* of this thread: epochs are guarded by the GIL, which is not here */
    for (uint32_t i = 0; i < FUNCTIONS; i++)
        make_function(&functions[i], i);
    pthread_mutex_lock(&interpreter_lock);
    struct rec_lane *lane = rec_run_lane(run, &rec_this_thread);
    pthread_mutex_unlock(&interpreter_lock);
    REQUIRE(lane);
    for (uint32_t done = 0; done < CALLS_PER_THREAD; done++) {
        const bool is_slow = lane->limit - atomic_load_explicit(&lane->ring->head, memory_order_relaxed) < 16 || done < FUNCTIONS;
        if (is_slow)
            pthread_mutex_lock(&interpreter_lock);
        put_event(lane, &functions[done % FUNCTIONS], CPTRACE_RING_CALL);
        put_event(lane, &functions[done % FUNCTIONS], CPTRACE_RING_RETURN);
        if (is_slow)
            pthread_mutex_unlock(&interpreter_lock);
    }
    for (uint32_t i = 0; i < FUNCTIONS; i++)
        free(functions[i].definition);
    return NULL;
}

static void check_file(const char *path)
{
    struct cptrace_reader *reader;
    struct cptrace_block block;
    struct cptrace_events events = {0};
    enum cptrace_status status;
    uint64_t event_count = 0;
    REQUIRE(cptrace_reader_open(path, &reader, NULL) == CPTRACE_OK);
    while ((status = cptrace_reader_next(reader, &block, NULL)) == CPTRACE_OK) {
        if (block.kind != CPTRACE_BLOCK_EVENTS)
            continue;
        REQUIRE(cptrace_events_decode(&block, &events, NULL) == CPTRACE_OK);
        event_count += events.event_count;
    }
    REQUIRE(status == CPTRACE_END);
    REQUIRE(event_count == 2ull * THREADS * CALLS_PER_THREAD);
    REQUIRE(cptrace_reader_definitions(reader)->function_count == FUNCTIONS);
    REQUIRE(cptrace_reader_definitions(reader)->lane_count == THREADS);
    cptrace_events_free(&events);
    cptrace_reader_close(reader);
}

int main(void)
{
    char folder[] = "/tmp/callprofiler-race-XXXXXX";
    REQUIRE(mkdtemp(folder));
    rec_clock_choose();
    char error[REC_RUN_ERROR_MAX] = "";
    run = rec_run_open(&(struct rec_run_options){.folder = folder, .name = "race"}, error);
    REQUIRE(run);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, record, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    rec_drainer_pause();
    REQUIRE(rec_run_close(run, "returned") == 0);
    check_file(run->files.final_path);
    remove(run->files.final_path);
    rec_run_free(run);
    REQUIRE(rmdir(folder) == 0);
    printf("%d events, all there\n", 2 * THREADS * CALLS_PER_THREAD);
    return 0;
}

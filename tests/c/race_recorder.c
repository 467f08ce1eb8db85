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
#include "ring_files.h"
#include "run.h"
#include "thread.h"

enum { THREADS = 4, CALLS_PER_THREAD = 400000, FUNCTIONS = 50, SHORT_RUNS = 40, CALLS_PER_SHORT_RUN = 70000 };

/* What thread.c does with an interpreter, without one. */
_Thread_local struct rec_thread rec_this_thread REC_TLS_MODEL;
struct rec_lane *rec_thread_lane(struct rec_thread *thread, const struct rec_run *of)
{
    struct rec_lane *lane = thread->lanes;
    while (lane && lane->run != of)
        lane = lane->next_of_thread;
    return lane;
}
void rec_thread_remember_lane(struct rec_thread *thread, struct rec_lane *lane)
{
    lane->next_of_thread = thread->lanes;
    thread->lanes = lane;
}
bool rec_thread_detach_lane(struct rec_lane *lane)
{
    lane->is_on = false;
    return true;
}
bool rec_thread_release_lane(struct rec_lane *lane)
{
    struct rec_lane **link = &rec_this_thread.lanes;
    while (*link && *link != lane)
        link = &(*link)->next_of_thread;
    if (*link)
        *link = lane->next_of_thread;
    return !lane->is_on;
}
PyThreadState *rec_thread_let_others_run(void) { return NULL; }
void rec_thread_go_on(PyThreadState *state) { (void)state; }
void rec_thread_name(char *name, size_t capacity) { snprintf(name, capacity, "racer"); }

static struct rec_run *run;
static struct rec_function functions[FUNCTIONS]; /* of all threads, as without a GIL */

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

/* What a hook does. */
static void put_event(struct rec_lane *lane, struct rec_function *function, enum cptrace_ring_op op)
{
    if (rec_lane_treatment(lane, function) == REC_RECORDED)
        rec_lane_put(lane, rec_clock_ticks(), rec_function_word(function, op));
    else
        rec_lane_put_unusual(lane, function, rec_clock_ticks(), op, NULL);
}

static struct rec_lane *put_calls(struct rec_run *to, uint32_t count)
{
    struct rec_lane *lane = rec_run_lane(to, &rec_this_thread);
    REQUIRE(lane);
    for (uint32_t done = 0; done < count; done++) {
        put_event(lane, &functions[done % FUNCTIONS], CPTRACE_RING_CALL);
        put_event(lane, &functions[done % FUNCTIONS], CPTRACE_RING_RETURN);
    }
    return lane;
}

static void *record(void *unused)
{
    (void)unused;
    atomic_store(&put_calls(run, CALLS_PER_THREAD)->is_finished, true);
    return NULL;
}

/* Runs that come and go while the drainer goes through all of them; each ends when it has just been woken for it. */
static void *begin_and_end(void *folder)
{
    for (int i = 0; i < SHORT_RUNS; i++) {
        char error[REC_RUN_ERROR_MAX] = "";
        struct rec_run *own = rec_run_open(&(struct rec_run_options){.folder = folder, .name = "short"}, error);
        REQUIRE(own);
        put_calls(own, CALLS_PER_SHORT_RUN);
        rec_run_discard(own);
        rec_run_let_go(own);
        rec_run_free(own);
    }
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
        event_count += events.event_count - events.annotation_count; /* CPU times */
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
    REQUIRE(rec_drainer_start() == 0);
    for (uint32_t i = 0; i < FUNCTIONS; i++)
        make_function(&functions[i], i);
    char error[REC_RUN_ERROR_MAX] = "";
    run = rec_run_open(&(struct rec_run_options){.folder = folder, .name = "race"}, error);
    REQUIRE(run);
    pthread_t threads[THREADS + 1];
    for (int i = 0; i <= THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, i < THREADS ? record : begin_and_end, folder) == 0);
    for (int i = 0; i <= THREADS; i++)
        pthread_join(threads[i], NULL);
    rec_drainer_pause();
    rec_run_stop(run);
    REQUIRE(rec_run_save(run, "returned", NULL, 0) == 0);
    rec_run_let_go(run);
    check_file(run->files.final_path);
    remove(run->files.final_path);
    rec_run_free(run);
    rec_ring_files_remove_idle();
    for (uint32_t i = 0; i < FUNCTIONS; i++)
        free(functions[i].definition);
    REQUIRE(rmdir(folder) == 0);
    printf("%d events, all there\n", 2 * THREADS * CALLS_PER_THREAD);
    return 0;
}

#include "cost.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "clock.h"
#include "lock.h"
#include "run.h"
#include "thread.h"

#define PROBE_CALLS 400
#define PROBE_ROUNDS 3
#define PROBE_ATTEMPTS 8 /* a neighbour on the processor can slow the turns without recording and not those with it */
#define PROBE_AGE_NS UINT64_C(10000000000)
#define PROBED_RUN_NS UINT64_C(50000000) /* runs shorter than this are not followed by a probe */
#define LEAST_COST_NS 2.0                /* less than this is no measurement: events do not arrive here */

static const char probe_source[] = "def empty():\n"
                                   "    pass\n"
                                   "def python_call(count):\n"
                                   "    for _ in range(count):\n"
                                   "        empty()\n"
                                   "def c_call(count, function=abs):\n"
                                   "    for _ in range(count):\n"
                                   "        function(0)\n"
                                   "def slices(count):\n"
                                   "    for number in range(count):\n"
                                   "        yield number\n"
                                   "def resume(count):\n"
                                   "    for _ in slices(count):\n"
                                   "        pass\n";

static const char *const kinds[REC_COST_PAIRS_MAX] = {"python_call", "c_call", "resume"};

static double costs_ns[REC_COST_PAIRS_MAX]; /* 0: not measured */
static uint64_t probed_at_ns;
static char texts[REC_COST_PAIRS_MAX][24];

/* ---- a lane that leads nowhere ---- */

struct scratch {
    struct rec_run run;
    struct rec_lane lane;
    struct cptrace_ring *ring;
};

static bool make_scratch(struct scratch *scratch)
{
    enum { SLOTS = 1024 };
    scratch->ring = calloc(1, CPTRACE_RING_HEADER_BYTES + SLOTS * sizeof(struct cptrace_ring_slot));
    if (!scratch->ring)
        return false;
    scratch->run.is_full = true; /* the ring goes round */
    scratch->run.wants.c_calls = true;
    scratch->lane = (struct rec_lane){.ring = scratch->ring,
                                      .slots = cptrace_ring_slots(scratch->ring),
                                      .mask = SLOTS - 1,
                                      .run = &scratch->run,
                                      .thread = &rec_this_thread,
                                      .is_on = true};
    rec_thread_give_words(&rec_this_thread, &scratch->lane);
    return true;
}

static void free_scratch(struct scratch *scratch)
{
    free(scratch->lane.treatments);
    free(scratch->ring);
}

/* ---- measuring ---- */

/* Lowers *least_ns to the nanoseconds of one turn, the shortest of some rounds. False after an exception. */
static bool time_turns(PyObject *function, double *least_ns)
{
    for (int round = 0; round < PROBE_ROUNDS; round++) {
        const uint64_t start = rec_clock_ticks();
        PyObject *result = PyObject_CallFunction(function, "i", PROBE_CALLS);
        const double ns = (double)rec_clock_ns_of_ticks(rec_clock_ticks() - start) / PROBE_CALLS;
        Py_XDECREF(result);
        if (!result)
            return false;
        if (ns < *least_ns)
            *least_ns = ns;
    }
    return true;
}

static PyObject *probe_functions(void)
{
    static PyObject *names;
    if (names)
        return names;
    PyObject *fresh = PyDict_New();
    PyObject *code = Py_CompileString(probe_source, "<callprofiler>", Py_file_input);
    PyObject *none = NULL;
    if (fresh && code && PyDict_SetItemString(fresh, "__builtins__", PyEval_GetBuiltins()) == 0)
        none = PyEval_EvalCode(code, fresh, fresh);
    if (none)
        names = fresh;
    else
        Py_XDECREF(fresh);
    Py_XDECREF(none);
    Py_XDECREF(code);
    return names;
}

struct turns {
    double plain_ns[REC_COST_PAIRS_MAX];
    double recorded_ns[REC_COST_PAIRS_MAX];
};

static bool time_plain(PyObject *functions, struct turns *least)
{
    bool is_whole = true;
    for (size_t i = 0; is_whole && i < REC_COST_PAIRS_MAX; i++)
        is_whole = time_turns(PyDict_GetItemString(functions, kinds[i]), &least->plain_ns[i]);
    return is_whole;
}

/* False where the back end is not to be had, too: another profiler holds it. */
static bool time_recorded(PyObject *functions, struct scratch *scratch, struct turns *least)
{
    struct rec_thread *thread = &rec_this_thread;
    rec_lock_back_end();
    bool is_whole = rec_backend_hold(thread, true) == 0;
    rec_unlock_back_end();
    if (!is_whole)
        return false;
    struct rec_lane *before = rec_thread_swap_lanes(thread, &scratch->lane);
    for (size_t i = 0; is_whole && i < REC_COST_PAIRS_MAX; i++)
        is_whole = time_turns(PyDict_GetItemString(functions, kinds[i]), &least->recorded_ns[i]);
    rec_thread_swap_lanes(thread, before);
    rec_lock_back_end();
    rec_backend_release(thread, true);
    rec_unlock_back_end();
    return is_whole;
}

/* Keeps what costs more than nothing; true when all kinds do. */
static bool keep_costs(const struct turns *least)
{
    bool is_each_measured = true;
    for (size_t i = 0; i < REC_COST_PAIRS_MAX; i++) {
        const double cost_ns = least->recorded_ns[i] - least->plain_ns[i];
        if (cost_ns > LEAST_COST_NS)
            costs_ns[i] = cost_ns;
        else
            is_each_measured = false;
    }
    return is_each_measured;
}

static void measure(PyObject *functions, struct scratch *scratch)
{
    struct turns least;
    for (size_t i = 0; i < REC_COST_PAIRS_MAX; i++)
        least.plain_ns[i] = least.recorded_ns[i] = HUGE_VAL;
    rec_thread_mute(&rec_this_thread);
    bool is_measuring = true;
    for (int attempt = 0; is_measuring && attempt < PROBE_ATTEMPTS; attempt++)
        is_measuring = time_plain(functions, &least) && time_recorded(functions, scratch, &least) && time_plain(functions, &least) &&
                       !keep_costs(&least);
    rec_thread_unmute(&rec_this_thread);
}

void rec_cost_probe_after(uint64_t run_wall_ns)
{
    const uint64_t now_ns = rec_platform_monotonic_ns();
    if (run_wall_ns < PROBED_RUN_NS || (probed_at_ns && now_ns - probed_at_ns < PROBE_AGE_NS))
        return;
    probed_at_ns = now_ns;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    struct scratch scratch = {0};
    PyObject *functions = probe_functions();
    if (functions && make_scratch(&scratch))
        measure(functions, &scratch);
    free_scratch(&scratch);
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

size_t rec_cost_pairs(struct cptrace_pair pairs[REC_COST_PAIRS_MAX])
{
    static const char *const keys[REC_COST_PAIRS_MAX] = {"cost_ns:python_call", "cost_ns:c_call", "cost_ns:resume"};
    size_t count = 0;
    for (size_t i = 0; i < REC_COST_PAIRS_MAX; i++) {
        if (costs_ns[i] == 0)
            continue;
        snprintf(texts[i], sizeof texts[i], "%.1f", costs_ns[i]);
        pairs[count++] = rec_text_pair(keys[i], texts[i]);
    }
    return count;
}

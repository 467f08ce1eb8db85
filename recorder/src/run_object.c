#include "run_object.h"

#include <structmember.h>

#include "adopt.h"
#include "backend.h"
#include "clock.h"
#include "collector.h"
#include "cost.h"
#include "driver.h"
#include "frame.h"
#include "lock.h"
#include "ring_files.h"
#include "run.h"
#include "save.h"
#include "settings.h"

static PyTypeObject *run_type;

/* Objects with an open run, for the interpreter's end. Borrowed: an object leaves when its run closes. */
static struct rec_run_object *open_objects;

bool rec_run_object_check(const PyObject *object) { return Py_IS_TYPE(object, run_type); }

/* The exception that is set, with its traceback, as one object; none is set afterwards. */
static PyObject *take_exception(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value && traceback)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

/* What came while our own code ran and is no error of it: Ctrl-C, an exit that was asked for. It goes on when that is done, as if it had
 * come a moment later. */
static void carry_exception(struct rec_run_object *self)
{
    if (self->carried)
        PyErr_Clear();
    else
        self->carried = take_exception();
}

/* True when there was something to carry on: the exception is set. */
static bool put_carried_exception(struct rec_run_object *self)
{
    PyObject *exception = self->carried;
    if (!exception)
        return false;
    self->carried = NULL;
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_DECREF(exception);
    return true;
}

/* An error of ours never replaces what the program does: it is one warning, or with warnings as errors one message on stderr. */
static void warn(struct rec_run_object *self, const char *what, const char *why)
{
    rec_thread_mute(&rec_this_thread);
    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 2, "callprofiler: %s: %s", what, why) < 0) {
        if (PyErr_ExceptionMatches(PyExc_Exception))
            PyErr_WriteUnraisable(NULL);
        else
            carry_exception(self);
    }
    rec_thread_unmute(&rec_this_thread);
}

static void warn_of_exception(struct rec_run_object *self, const char *what)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        carry_exception(self);
        return;
    }
    PyObject *exception = take_exception();
    PyObject *text = exception ? PyObject_Str(exception) : NULL;
    const char *why = text ? PyUnicode_AsUTF8(text) : NULL;
    PyErr_Clear();
    warn(self, what, why ? why : "unknown error");
    Py_XDECREF(text);
    Py_XDECREF(exception);
}

/* False with an exception: no events. */
static bool begin_to_listen(bool c_calls)
{
    rec_lock_back_end();
    const bool is_held = rec_backend_hold(&rec_this_thread, c_calls) == 0;
    if (is_held)
        rec_collector_hold();
    rec_unlock_back_end();
    return is_held;
}

static void cease_to_listen(bool c_calls)
{
    rec_lock_back_end();
    rec_collector_release();
    rec_backend_release(&rec_this_thread, c_calls);
    rec_unlock_back_end();
}

/* After a fork, in the child: what the parent's runs held ends, unless runs go on here. */
static void end_unheard(void)
{
    rec_lock_back_end();
    rec_collector_end_unless_held();
    rec_backend_end_unless_held();
    rec_unlock_back_end();
}

/* The back end is held before the run's clock starts: what takes long shall lie before that. */
static struct rec_run *hold_and_open(const struct rec_run_options *options)
{
    char error[REC_RUN_ERROR_MAX] = "";
    if (!begin_to_listen(options->wants.c_calls)) {
        rec_filter_free(options->filter);
        return NULL;
    }
    struct rec_run *run = rec_save_open(options, error);
    if (run)
        return run;
    cease_to_listen(options->wants.c_calls);
    PyErr_SetString(PyExc_OSError, error);
    return NULL;
}

static struct rec_run *open_run(PyObject *settings, const char *parent_run)
{
    struct rec_beginning beginning;
    rec_thread_mute(&rec_this_thread);
    struct rec_run *run = rec_settings_begin(settings, parent_run, &beginning) ? hold_and_open(&beginning.options) : NULL;
    rec_beginning_free(&beginning);
    rec_thread_unmute(&rec_this_thread);
    return run;
}

/* ---- context ---- */

static int enter_context(struct rec_run_object *self)
{
    PyObject *before = NULL;
    if (PyContextVar_Get(rec_run_variable, NULL, &before) < 0)
        return -1;
    if (before && rec_run_object_check(before))
        self->parent = (struct rec_run_object *)before;
    else
        Py_XDECREF(before);
    self->token = PyContextVar_Set(rec_run_variable, (PyObject *)self);
    if (!self->token)
        return -1;
    self->home_context = PyThreadState_Get()->context;
    rec_this_thread.context = NULL; /* what was looked at before has changed */
    Py_XINCREF(self->home_context);
    rec_attention_count++;
    return 0;
}

static void leave_context(struct rec_run_object *self)
{
    if (!self->token)
        return;
    rec_attention_count--;
    if (PyContextVar_Reset(rec_run_variable, self->token) < 0) /* an async generator may be closed in another context */
        PyErr_Clear();
    Py_CLEAR(self->token);
    Py_CLEAR(self->home_context);
    Py_CLEAR(self->parent);
}

/* ---- enter and exit ---- */

static int switch_on(struct rec_run_object *self)
{
    struct rec_thread *thread = &rec_this_thread;
    struct rec_lane *lane = rec_run_lane(self->run, thread);
    if (!lane) {
        PyErr_SetString(PyExc_OSError, self->run->error[0] ? self->run->error : "no memory");
        return -1;
    }
    PyCodeObject *code = NULL;
    self->frame = self->mode == REC_RUN_BLOCK ? rec_frame_of_block(&code) : NULL;
    rec_thread_switch_on(thread, lane, self->frame, code);
    return 0;
}

static void remember_open(struct rec_run_object *self)
{
    rec_lock();
    self->next_open = open_objects;
    open_objects = self;
    rec_unlock();
}

static void forget_open(const struct rec_run_object *self)
{
    rec_lock();
    struct rec_run_object **link = &open_objects;
    while (*link && *link != self)
        link = &(*link)->next_open;
    if (*link)
        *link = self->next_open;
    rec_unlock();
}

static void tell_saved(struct rec_run_object *self, const char *path)
{
    self->path = PyUnicode_DecodeFSDefault(path);
    rec_thread_mute(&rec_this_thread);
    PyObject *told = self->path ? PyObject_CallMethod(self->settings, "saved", "O", self) : NULL;
    rec_thread_unmute(&rec_this_thread);
    if (!told)
        warn_of_exception(self, "after the trace was saved");
    Py_XDECREF(told);
}

/* Whether the run is to be kept: settings.keeps(run), where it has an opinion. In doubt, it is. */
static bool is_kept(struct rec_run_object *self)
{
    PyObject *decides = PyObject_GetAttrString(self->settings, "decides");
    const bool has_opinion = decides == Py_True;
    Py_XDECREF(decides);
    if (!has_opinion)
        return true;
    rec_thread_mute(&rec_this_thread);
    PyObject *answer = PyObject_CallMethod(self->settings, "keeps", "O", self);
    const int kept = answer ? PyObject_IsTrue(answer) : -1;
    rec_thread_unmute(&rec_this_thread);
    if (kept < 0)
        warn_of_exception(self, "deciding whether to keep the trace");
    Py_XDECREF(answer);
    return kept != 0;
}

/* As bytes, whatever it is: what is no text becomes an escape. */
static PyObject *encoded(PyObject *text) { return PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace"); }

/* The labels and what recording cost, as pairs of the end block; the bytes are owned by *keeper. */
static size_t end_pairs(struct rec_run_object *self, struct cptrace_pair **pairs, PyObject **keeper)
{
    size_t count = 0;
    const size_t label_count = self->labels ? (size_t)PyDict_GET_SIZE(self->labels) : 0;
    *pairs = PyMem_Calloc(label_count + REC_COST_PAIRS_MAX, sizeof **pairs);
    *keeper = PyList_New(0);
    PyObject *key, *value;
    for (Py_ssize_t at = 0; *pairs && *keeper && self->labels && PyDict_Next(self->labels, &at, &key, &value);) {
        PyObject *name = PyBytes_FromString("label:");
        PyBytes_ConcatAndDel(&name, encoded(key));
        PyObject *text = encoded(value);
        if (name && text && PyList_Append(*keeper, name) == 0 && PyList_Append(*keeper, text) == 0)
            count += rec_settings_take_pair(&(*pairs)[count], name, text);
        Py_XDECREF(name);
        Py_XDECREF(text);
    }
    PyErr_Clear();
    return *pairs ? count + rec_cost_pairs(*pairs + count) : 0;
}

static int save(struct rec_run_object *self, struct rec_run *run, const char *outcome)
{
    struct cptrace_pair *pairs;
    PyObject *keeper;
    rec_cost_probe_after(rec_clock_ns_of_ticks(self->end_tick - self->start_tick));
    const size_t count = end_pairs(self, &pairs, &keeper);
    const int status = rec_save(run, outcome, pairs, count);
    PyMem_Free(pairs);
    Py_XDECREF(keeper);
    return status;
}

/* Tells settings.follows(run_id, goes_on), for runs that take in child processes. */
static void tell_children(struct rec_run_object *self, bool goes_on)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    rec_thread_mute(&rec_this_thread);
    PyObject *told = PyObject_CallMethod(self->settings, "follows", "si", self->run_id, goes_on);
    rec_thread_unmute(&rec_this_thread);
    if (!told)
        warn_of_exception(self, "telling child processes");
    Py_XDECREF(told);
    PyErr_Restore(type, value, traceback);
}

/* No events come any more, and nobody finds the run. */
static void let_go(struct rec_run_object *self)
{
    if (self->wants_processes)
        tell_children(self, false);
    if (self->holds_back_end) {
        self->holds_back_end = false;
        cease_to_listen(self->wants_c_calls);
    }
    leave_context(self);
    forget_open(self);
}

/* What becomes of a run that is over. */
static void finish(struct rec_run_object *self, struct rec_run *run, const char *outcome)
{
    if (!is_kept(self)) {
        rec_run_discard(run);
        rec_run_let_go(run);
        return;
    }
    if (save(self, run, outcome) < 0) {
        warn(self, run->is_whole ? "the trace is not at its place" : "the trace is incomplete", run->error);
        return;
    }
    tell_saved(self, run->files.final_path);
    if (run->trouble)
        warn(self, "the trace is incomplete", run->trouble);
}

/* Only now: Python code ran, and may have begun another run with this object. */
static void keep_past(struct rec_run_object *self, struct rec_run *run)
{
    rec_run_free(self->past_run);
    self->past_run = run;
}

static void close_run(struct rec_run_object *self, const char *outcome)
{
    struct rec_run *run = self->run;
    if (!run)
        return;
    self->run = NULL;
    if (run->pid != rec_platform_pid()) { /* a forked child: the run is its parent's */
        forget_open(self);
        return;
    }
    self->end_tick = rec_clock_ticks();
    const char *trouble = rec_backend_trouble(&rec_this_thread);
    rec_run_stop(run);
    if (trouble)
        run->trouble = trouble;
    let_go(self);
    finish(self, run, outcome);
    keep_past(self, run);
}

/* The run could not begin: nothing of it stays. */
static void drop_run(struct rec_run_object *self)
{
    struct rec_run *run = self->run;
    self->run = NULL;
    rec_run_stop(run);
    let_go(self);
    rec_run_discard(run);
    rec_run_let_go(run);
    keep_past(self, run);
}

static bool begin_run(struct rec_run_object *self, const char *parent_run)
{
    rec_run_free(self->past_run);
    self->past_run = NULL;
    self->run = open_run(self->settings, parent_run);
    if (!self->run)
        return false;
    self->run->object = self;
    self->wants_c_calls = self->run->wants.c_calls;
    for (size_t i = 0; i < sizeof self->run->run_id; i++)
        snprintf(self->run_id + 2 * i, 3, "%02x", self->run->run_id[i]);
    self->holds_back_end = true;
    remember_open(self);
    self->wants_processes = self->run->wants.processes;
    if (self->wants_processes)
        tell_children(self, true);
    return true;
}

static PyObject *entered(struct rec_run_object *self)
{
    if (!self->carried)
        return (PyObject *)self;
    close_run(self, "interrupted");
    put_carried_exception(self);
    Py_DECREF(self);
    return NULL;
}

static PyObject *run_enter(struct rec_run_object *self, PyObject *unused)
{
    (void)unused;
    Py_INCREF(self);
    if (self->run || rec_thread_records_owner(&rec_this_thread, self->settings))
        return (PyObject *)self; /* recursion: the run that is on has it all */
    if (!begin_run(self, "")) {
        warn_of_exception(self, "not recording");
        return entered(self);
    }
    if ((self->uses_context && enter_context(self) < 0) || (self->mode != REC_RUN_DRIVEN && switch_on(self) < 0)) {
        warn_of_exception(self, "not recording");
        drop_run(self);
        return entered(self);
    }
    self->start_tick = rec_clock_ticks();
    return entered(self);
}

static PyObject *run_exit(struct rec_run_object *self, PyObject *arguments)
{
    PyObject *type = PyTuple_GET_SIZE(arguments) > 0 ? PyTuple_GET_ITEM(arguments, 0) : Py_None;
    PyObject *exception = PyTuple_GET_SIZE(arguments) > 1 ? PyTuple_GET_ITEM(arguments, 1) : Py_None;
    if (self->run && exception != Py_None) {
        Py_INCREF(exception);
        Py_XSETREF(self->exception, exception);
    }
    close_run(self, type == Py_None ? "returned" : "raised");
    Py_CLEAR(self->exception); /* it holds the frames, and they hold us */
    if (put_carried_exception(self))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *run_drive(struct rec_run_object *self, PyObject *awaitable) { return rec_driver_new(self, awaitable); }

/* ---- all of them ---- */

void rec_run_object_close_each(const char *outcome)
{
    while (open_objects) {
        struct rec_run_object *self = open_objects;
        Py_INCREF(self);
        close_run(self, outcome);
        Py_DECREF(self);
    }
    rec_saves_wait();
    rec_ring_files_remove_idle();
}

PyObject *rec_run_object_close_all(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    rec_run_object_close_each("interpreter ended");
    Py_RETURN_NONE;
}

/* ---- labels ---- */

static int set_label(struct rec_run_object *self, PyObject *key, PyObject *value)
{
    if (!self->labels && !(self->labels = PyDict_New()))
        return -1;
    return PyDict_SetItem(self->labels, key, value);
}

PyObject *rec_run_object_label(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *key, *value;
    if (!PyArg_ParseTuple(arguments, "UU:label", &key, &value))
        return NULL;
    const struct rec_lane *lane = rec_this_thread.lane;
    if (lane && lane->run->is_open && set_label(lane->run->object, key, value) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *run_label(struct rec_run_object *self, PyObject *arguments)
{
    PyObject *key, *value;
    if (!PyArg_ParseTuple(arguments, "UU:label", &key, &value) || set_label(self, key, value) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- forks ---- */

/* Open in the parent when it forked, of whatever thread: the one that was opened first. One that was just being closed has no run. */
static struct rec_run_object *next_of_parents(void)
{
    struct rec_run_object *oldest = NULL;
    for (struct rec_run_object *self = open_objects; self; self = self->next_open)
        if (!self->run || self->run->pid != rec_platform_pid())
            oldest = self;
    return oldest;
}

/* In the child: the run is the parent's; its memory and its mappings stay as they are. True: it takes in this process, too. */
static bool let_go_of_parents(struct rec_run_object *self)
{
    const bool goes_on = self->run && self->run->wants.processes && self->run->was_on_in_fork;
    self->run = NULL;
    self->holds_back_end = false;
    forget_open(self);
    return goes_on;
}

/* In the child, in a file of its own. */
static void go_on(struct rec_run_object *self)
{
    char parent_run[sizeof self->run_id];
    memcpy(parent_run, self->run_id, sizeof parent_run);
    if (!begin_run(self, parent_run) || switch_on(self) < 0)
        warn_of_exception(self, "not recording in the child process");
    self->start_tick = rec_clock_ticks();
}

/* In the child, before it goes on. */
PyObject *rec_run_object_follow_fork(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    for (struct rec_run_object *self; (self = next_of_parents());)
        if (let_go_of_parents(self))
            go_on(self);
    end_unheard();
    Py_RETURN_NONE;
}

/* ---- the type ---- */

static PyObject *run_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    PyObject *settings;
    int mode, uses_context;
    if ((keywords && PyDict_GET_SIZE(keywords)) || !PyArg_ParseTuple(arguments, "Oip:Run", &settings, &mode, &uses_context)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "Run(settings, mode, uses_context)");
        return NULL;
    }
    struct rec_run_object *self = (struct rec_run_object *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    Py_INCREF(settings);
    self->settings = settings;
    self->mode = (enum rec_run_mode)mode;
    self->uses_context = uses_context != 0;
    return (PyObject *)self;
}

static void run_dealloc(struct rec_run_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    close_run(self, "dropped");
    Py_CLEAR(self->carried);
    rec_run_free(self->past_run);
    Py_CLEAR(self->settings);
    Py_CLEAR(self->path);
    Py_CLEAR(self->labels);
    Py_CLEAR(self->exception);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef run_methods[] = {
    {"__enter__", (PyCFunction)run_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)run_exit, METH_VARARGS, NULL},
    {"label", (PyCFunction)run_label, METH_VARARGS, "label(key, value): both str; goes into the trace."},
    {"drive", (PyCFunction)run_drive, METH_O, "drive(awaitable): an awaitable and iterator that switches the run on while it runs."},
    {NULL, NULL, 0, NULL},
};
static PyObject *run_wall_ns(struct rec_run_object *self, void *unused)
{
    (void)unused;
    const uint64_t end_tick = self->end_tick ? self->end_tick : rec_clock_ticks();
    return PyLong_FromUnsignedLongLong(self->start_tick ? rec_clock_ns_of_ticks(end_tick - self->start_tick) : 0);
}

static PyObject *run_labels(struct rec_run_object *self, void *unused)
{
    (void)unused;
    return self->labels ? PyDict_Copy(self->labels) : PyDict_New();
}

static PyMemberDef run_members[] = {
    {"path", T_OBJECT, offsetof(struct rec_run_object, path), READONLY, "of the saved trace, or None"},
    {"exception", T_OBJECT, offsetof(struct rec_run_object, exception), READONLY,
     "by which the run was left, or None; while it is decided on"},
    {"run_id", T_STRING_INPLACE, offsetof(struct rec_run_object, run_id), READONLY, "32 hex digits; empty before the run"},
    {NULL, 0, 0, 0, NULL}};
static PyGetSetDef run_getset[] = {{"wall_ns", (getter)run_wall_ns, NULL, "since its start, or from start to end", NULL},
                                   {"labels", (getter)run_labels, NULL, "a copy: dict of str to str", NULL},
                                   {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot run_slots[] = {{Py_tp_new, run_new},         {Py_tp_dealloc, run_dealloc}, {Py_tp_methods, run_methods},
                                  {Py_tp_members, run_members}, {Py_tp_getset, run_getset},   {0, NULL}};
static PyType_Spec run_spec = {
    .name = "callprofiler._recorder.Run", .basicsize = sizeof(struct rec_run_object), .flags = Py_TPFLAGS_DEFAULT, .slots = run_slots};

int rec_run_object_start(PyObject *module)
{
    run_type = (PyTypeObject *)PyType_FromSpec(&run_spec);
    if (!run_type)
        return -1;
    Py_INCREF(run_type);
    return PyModule_AddObject(module, "Run", (PyObject *)run_type);
}

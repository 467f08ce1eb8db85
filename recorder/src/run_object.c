#include "run_object.h"

#include <frameobject.h>
#include <structmember.h>

#include "adopt.h"
#include "backend.h"
#include "driver.h"
#include "run.h"

static PyTypeObject *run_type;

/* Objects with an open run, for the interpreter's end. Borrowed: an object leaves when its run closes. */
static struct rec_run_object *open_objects;

bool rec_run_object_check(const PyObject *object) { return Py_IS_TYPE(object, run_type); }

/* An error of ours never replaces what the program does: it is one warning, or with warnings as errors one message on stderr. */
static void warn(const char *what, const char *why)
{
    rec_thread_mute(&rec_this_thread);
    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 2, "callprofiler: %s: %s", what, why) < 0)
        PyErr_WriteUnraisable(NULL);
    rec_thread_unmute(&rec_this_thread);
}

static void warn_of_exception(const char *what)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *text = value ? PyObject_Str(value) : NULL;
    const char *why = text ? PyUnicode_AsUTF8(text) : NULL;
    PyErr_Clear();
    warn(what, why ? why : "unknown error");
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

/* ---- what settings.begin() says: (folder: bytes, name: bytes, info: list of (bytes, bytes)) ---- */

static bool take_pairs(PyObject *list, struct cptrace_pair *pairs, size_t capacity, size_t *count)
{
    *count = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list) && *count < capacity; i++) {
        char *key, *value;
        Py_ssize_t key_length, value_length;
        PyObject *pair = PyList_GET_ITEM(list, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2 ||
            PyBytes_AsStringAndSize(PyTuple_GET_ITEM(pair, 0), &key, &key_length) < 0 ||
            PyBytes_AsStringAndSize(PyTuple_GET_ITEM(pair, 1), &value, &value_length) < 0)
            return false;
        pairs[(*count)++] = (struct cptrace_pair){{key, (uint32_t)key_length}, {value, (uint32_t)value_length}};
    }
    return true;
}

static struct rec_run *open_with(PyObject *settings, PyObject *facts)
{
    PyObject *folder, *name, *info;
    if (!PyArg_ParseTuple(facts, "SSO!", &folder, &name, &PyList_Type, &info))
        return NULL;
    size_t capacity = (size_t)PyList_GET_SIZE(info) + 1;
    struct cptrace_pair *pairs = PyMem_Calloc(capacity, sizeof *pairs);
    if (!pairs) {
        PyErr_NoMemory();
        return NULL;
    }
    struct rec_run_options options = {
        .folder = PyBytes_AS_STRING(folder), .name = PyBytes_AS_STRING(name), .owner = settings, .info = pairs};
    struct rec_run *run = NULL;
    if (take_pairs(info, pairs, capacity, &options.info_count)) {
        char error[REC_RUN_ERROR_MAX] = "";
        run = rec_run_open(&options, error);
        if (!run)
            PyErr_SetString(PyExc_OSError, error);
    } else if (!PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "info: expected pairs of bytes");
    PyMem_Free(pairs);
    return run;
}

static struct rec_run *open_run(PyObject *settings)
{
    rec_thread_mute(&rec_this_thread);
    PyObject *facts = PyObject_CallMethod(settings, "begin", NULL);
    struct rec_run *run = facts ? open_with(settings, facts) : NULL;
    Py_XDECREF(facts);
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
    Py_XINCREF(self->home_context);
    rec_context_run_count++;
    return 0;
}

static void leave_context(struct rec_run_object *self)
{
    if (!self->token)
        return;
    rec_context_run_count--;
    if (PyContextVar_Reset(rec_run_variable, self->token) < 0) /* an async generator may be closed in another context */
        PyErr_Clear();
    Py_CLEAR(self->token);
    Py_CLEAR(self->home_context);
    Py_CLEAR(self->parent);
}

/* The frame that enters a block, when it can be suspended; NULL else. */
static const void *resumable_frame(void)
{
    PyFrameObject *frame = PyEval_GetFrame();
    if (!frame)
        return NULL;
    PyCodeObject *code = PyFrame_GetCode(frame);
    bool is_resumable = code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR);
    Py_DECREF(code);
    return is_resumable ? rec_current_frame() : NULL;
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
    rec_thread_switch_on(thread, lane);
    if (self->mode == REC_RUN_BLOCK && (self->frame = resumable_frame())) {
        lane->ends_with_root = true;
        lane->root_frame = self->frame;
    }
    return 0;
}

static void remember_open(struct rec_run_object *self)
{
    self->next_open = open_objects;
    open_objects = self;
}

static void forget_open(const struct rec_run_object *self)
{
    struct rec_run_object **link = &open_objects;
    while (*link && *link != self)
        link = &(*link)->next_open;
    if (*link)
        *link = self->next_open;
}

static void tell_saved(struct rec_run_object *self)
{
    self->path = PyUnicode_DecodeFSDefault(self->run->files.final_path);
    rec_thread_mute(&rec_this_thread);
    PyObject *told = self->path ? PyObject_CallMethod(self->settings, "saved", "O", self->path) : NULL;
    rec_thread_unmute(&rec_this_thread);
    if (!told)
        warn_of_exception("telling about the saved trace");
    Py_XDECREF(told);
}

static void close_run(struct rec_run_object *self, const char *outcome)
{
    struct rec_run *run = self->run;
    if (!run)
        return;
    if (run->pid != rec_platform_pid()) { /* a forked child: the run is its parent's */
        self->run = NULL;
        forget_open(self);
        return;
    }
    run->warning = rec_backend_trouble(&rec_this_thread);
    int status = rec_run_close(run, outcome);
    rec_backend_release(&rec_this_thread);
    leave_context(self);
    forget_open(self);
    if (status < 0)
        warn("the trace is incomplete", run->error);
    else
        tell_saved(self);
    if (run->warning)
        warn("the trace is incomplete", run->warning);
    self->run = NULL;
    rec_run_free(run);
}

/* The run could not begin: nothing of it stays. */
static void drop_run(struct rec_run_object *self)
{
    struct rec_run *run = self->run;
    self->run = NULL;
    rec_backend_release(&rec_this_thread);
    leave_context(self);
    forget_open(self);
    rec_run_discard(run);
}

static PyObject *run_enter(struct rec_run_object *self, PyObject *unused)
{
    (void)unused;
    Py_INCREF(self);
    if (self->run || rec_thread_records_owner(&rec_this_thread, self->settings))
        return (PyObject *)self; /* recursion: the run that is on has it all */
    if (rec_backend_hold(&rec_this_thread) < 0) {
        warn_of_exception("not recording");
        return (PyObject *)self;
    }
    self->run = open_run(self->settings);
    if (!self->run) {
        rec_backend_release(&rec_this_thread);
        warn_of_exception("not recording");
        return (PyObject *)self;
    }
    remember_open(self);
    if ((self->uses_context && enter_context(self) < 0) || (self->mode != REC_RUN_DRIVEN && switch_on(self) < 0)) {
        warn_of_exception("not recording");
        drop_run(self);
    }
    return (PyObject *)self;
}

static PyObject *run_exit(struct rec_run_object *self, PyObject *arguments)
{
    PyObject *type = PyTuple_GET_SIZE(arguments) ? PyTuple_GET_ITEM(arguments, 0) : Py_None;
    close_run(self, type == Py_None ? "returned" : "raised");
    Py_RETURN_NONE;
}

static PyObject *run_drive(struct rec_run_object *self, PyObject *awaitable) { return rec_driver_new(self, awaitable); }

PyObject *rec_run_object_close_all(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    while (open_objects) {
        struct rec_run_object *self = open_objects;
        Py_INCREF(self);
        close_run(self, "interpreter ended");
        Py_DECREF(self);
    }
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
    Py_CLEAR(self->settings);
    Py_CLEAR(self->path);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef run_methods[] = {
    {"__enter__", (PyCFunction)run_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)run_exit, METH_VARARGS, NULL},
    {"drive", (PyCFunction)run_drive, METH_O, "drive(awaitable): an awaitable and iterator that switches the run on while it runs."},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef run_members[] = {{"path", T_OBJECT, offsetof(struct rec_run_object, path), READONLY, "of the saved trace, or None"},
                                    {NULL, 0, 0, 0, NULL}};
static PyType_Slot run_slots[] = {
    {Py_tp_new, run_new}, {Py_tp_dealloc, run_dealloc}, {Py_tp_methods, run_methods}, {Py_tp_members, run_members}, {0, NULL}};
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

#include "driver.h"

#include "backend.h"
#include "run.h"

struct driver {
    PyObject_HEAD
    struct rec_run_object *run; /* owned */
    PyObject *inner;            /* the iterator of what is driven; owned */
};

static PyTypeObject *driver_type;

/* Switches the run on, unless it is on already (or over); whether it is to be switched off again. */
static bool switch_on(const struct driver *self)
{
    struct rec_run *run = self->run->run;
    struct rec_thread *thread = &rec_this_thread;
    if (!run || !run->is_open || run->pid != rec_platform_pid() || rec_thread_is_recording(thread, run))
        return false;
    struct rec_lane *lane = rec_run_lane(run, thread);
    if (!lane)
        return false;
    rec_backend_hear_this_thread();
    rec_thread_switch_on(thread, lane, NULL, NULL);
    return true;
}

/* The run may be over by now, or be another (a forked child goes on in its own). */
static void switch_off(const struct driver *self)
{
    struct rec_run *run = self->run->run;
    struct rec_lane *lane = run ? rec_thread_lane(&rec_this_thread, run) : NULL;
    if (lane)
        rec_thread_switch_off(lane);
}

static PyObject *driver_next(struct driver *self)
{
    const bool is_ours = switch_on(self);
    PyObject *result = Py_TYPE(self->inner)->tp_iternext(self->inner);
    if (is_ours)
        switch_off(self);
    return result;
}

/* What is driven need not have send, throw or close: as for `yield from`. */
static PyObject *call_inner(struct driver *self, const char *method, PyObject *arguments)
{
    PyObject *function = PyObject_GetAttrString(self->inner, method);
    if (!function)
        return NULL;
    const bool is_ours = switch_on(self);
    PyObject *result = PyObject_Call(function, arguments, NULL);
    if (is_ours)
        switch_off(self);
    Py_DECREF(function);
    return result;
}

static PyObject *driver_send(struct driver *self, PyObject *value)
{
    if (value == Py_None)
        return driver_next(self);
    PyObject *arguments = PyTuple_Pack(1, value);
    PyObject *result = arguments ? call_inner(self, "send", arguments) : NULL;
    Py_XDECREF(arguments);
    return result;
}

static PyObject *raise_thrown(PyObject *arguments)
{
    PyObject *type, *value = Py_None, *traceback = Py_None;
    if (!PyArg_UnpackTuple(arguments, "throw", 1, 3, &type, &value, &traceback))
        return NULL;
    if (PyExceptionInstance_Check(type)) {
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
        return NULL;
    }
    Py_INCREF(type);
    value = value == Py_None ? NULL : value;
    traceback = traceback == Py_None ? NULL : traceback;
    Py_XINCREF(value);
    Py_XINCREF(traceback);
    PyErr_Restore(type, value, traceback);
    return NULL;
}

static PyObject *driver_throw(struct driver *self, PyObject *arguments)
{
    PyObject *result = call_inner(self, "throw", arguments);
    if (!result && PyErr_ExceptionMatches(PyExc_AttributeError) && !PyObject_HasAttrString(self->inner, "throw")) {
        PyErr_Clear();
        return raise_thrown(arguments);
    }
    return result;
}

static PyObject *driver_close(struct driver *self, PyObject *unused)
{
    (void)unused;
    if (!PyObject_HasAttrString(self->inner, "close"))
        Py_RETURN_NONE;
    PyObject *arguments = PyTuple_New(0);
    PyObject *result = arguments ? call_inner(self, "close", arguments) : NULL;
    Py_XDECREF(arguments);
    return result;
}

static PyObject *driver_self(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

static void driver_dealloc(struct driver *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->inner);
    Py_CLEAR(self->run);
    type->tp_free(self);
    Py_DECREF(type);
}

static int driver_traverse(struct driver *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->inner);
    Py_VISIT(self->run);
    return 0;
}

static int driver_clear(struct driver *self)
{
    Py_CLEAR(self->inner);
    return 0;
}

/* Tools that walk a task's stack (asyncio) ask a coroutine what it awaits. */
static PyObject *driver_inner(struct driver *self, void *unused)
{
    (void)unused;
    Py_INCREF(self->inner);
    return self->inner;
}

static PyGetSetDef driver_getset[] = {{"cr_await", (getter)driver_inner, NULL, NULL, NULL},
                                      {"gi_yieldfrom", (getter)driver_inner, NULL, NULL, NULL},
                                      {NULL, NULL, NULL, NULL, NULL}};
static PyMethodDef driver_methods[] = {
    {"send", (PyCFunction)driver_send, METH_O, NULL},
    {"throw", (PyCFunction)driver_throw, METH_VARARGS, NULL},
    {"close", (PyCFunction)driver_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot driver_slots[] = {
    {Py_tp_dealloc, driver_dealloc}, {Py_tp_traverse, driver_traverse}, {Py_tp_clear, driver_clear},
    {Py_tp_iter, driver_self},       {Py_am_await, driver_self},        {Py_tp_iternext, driver_next},
    {Py_tp_methods, driver_methods}, {Py_tp_getset, driver_getset},     {0, NULL},
};
static PyType_Spec driver_spec = {
    .name = "callprofiler._recorder.Driver",
    .basicsize = sizeof(struct driver),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = driver_slots,
};

int rec_driver_start(void)
{
    driver_type = (PyTypeObject *)PyType_FromSpec(&driver_spec);
    return driver_type ? 0 : -1;
}

/* The iterator by which an awaitable or iterable is run. A coroutine's own iterator is a wrapper: it is driven by send instead, through it.
 */
static PyObject *iterator_of(PyObject *inner)
{
    PyAsyncMethods *methods = Py_TYPE(inner)->tp_as_async;
    if (methods && methods->am_await) {
        PyObject *iterator = methods->am_await(inner);
        if (iterator && !PyIter_Check(iterator)) {
            PyErr_SetString(PyExc_TypeError, "__await__() returned a non-iterator");
            Py_CLEAR(iterator);
        }
        return iterator;
    }
    return PyObject_GetIter(inner);
}

PyObject *rec_driver_new(struct rec_run_object *run, PyObject *inner)
{
    PyObject *iterator = iterator_of(inner);
    if (!iterator)
        return NULL;
    struct driver *self = (struct driver *)driver_type->tp_alloc(driver_type, 0);
    if (!self) {
        Py_DECREF(iterator);
        return NULL;
    }
    Py_INCREF(run);
    self->run = run;
    self->inner = iterator;
    return (PyObject *)self;
}

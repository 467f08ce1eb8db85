#include "moments.h"

#include <frameobject.h>
#include <stdlib.h>

#include "classify.h"
#include "events.h"
#include "lock.h"

#define TEXT_MAX_BYTES 16000

static Py_ssize_t bounded(Py_ssize_t length) { return length < TEXT_MAX_BYTES ? length : TEXT_MAX_BYTES; }

/* ---- marks and counters ---- */

PyObject *rec_moments_mark(PyObject *module, PyObject *text)
{
    (void)module;
    Py_ssize_t length;
    const char *bytes = PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &length) : NULL;
    if (!bytes) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "mark(text): text must be a str");
        return NULL;
    }
    const uint64_t tick = rec_clock_ticks();
    for (struct rec_lane *lane = rec_this_thread.lane; lane; lane = lane->outer)
        rec_lane_put_bytes(lane, tick, CPTRACE_RING_MARK, bytes, (uint64_t)bounded(length));
    Py_RETURN_NONE;
}

PyObject *rec_moments_counter(PyObject *module, PyObject *arguments)
{
    const char *name;
    Py_ssize_t length;
    double value;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "s#d:counter", &name, &length, &value))
        return NULL;
    char record[sizeof value + TEXT_MAX_BYTES];
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (size_t i = 0; i < sizeof bits; i++)
        record[i] = (char)(bits >> 8 * i);
    memcpy(record + sizeof bits, name, (size_t)bounded(length));
    const uint64_t tick = rec_clock_ticks();
    for (struct rec_lane *lane = rec_this_thread.lane; lane; lane = lane->outer)
        rec_lane_put_bytes(lane, tick, CPTRACE_RING_COUNTER, record, sizeof bits + (uint64_t)bounded(length));
    Py_RETURN_NONE;
}

/* ---- spans ---- */

/* The function that stands for a span: one per name and place. More than this many different ones are taken together, so that a name that
 * is made anew each time does not fill the memory; the name says so. */
#define SPAN_FUNCTIONS_MAX 65536

struct span {
    PyObject_HEAD
    PyObject *name;                /* str; owned */
    struct rec_function *function; /* while it is open; never freed */
};

static PyObject *span_functions; /* (name, file, line) to the function's address */

static struct rec_function *make_span_function(PyObject *name, PyObject *file, int line, PyObject *module)
{
    char name_scratch[REC_QUALIFIED_NAME_MAX], path_scratch[REC_PATH_MAX], module_scratch[REC_MODULE_MAX];
    const struct rec_function_names names = {
        .qualified_name = rec_utf8_of(name, name_scratch, sizeof name_scratch),
        .module = rec_utf8_of(module, module_scratch, sizeof module_scratch),
        .path = rec_utf8_of(file, path_scratch, sizeof path_scratch),
        .line = line > 0 ? (uint32_t)line : 0,
        .flags = CPTRACE_FUNCTION_SPAN,
    };
    struct rec_class class = rec_classify_code(names.path, names.module);
    class.is_hidden = false;
    rec_lock();
    struct rec_function *function = rec_function_make(&names, &class);
    rec_unlock();
    return function;
}

static struct rec_function *look_up_span(PyObject *key, PyObject *module)
{
    PyObject *found = PyDict_GetItemWithError(span_functions, key);
    if (found)
        return PyLong_AsVoidPtr(found);
    struct rec_function *function =
        make_span_function(PyTuple_GET_ITEM(key, 0), PyTuple_GET_ITEM(key, 1), (int)PyLong_AsLong(PyTuple_GET_ITEM(key, 2)), module);
    PyObject *pointer = function ? PyLong_FromVoidPtr(function) : NULL;
    if (pointer)
        PyDict_SetItem(span_functions, key, pointer);
    Py_XDECREF(pointer);
    PyErr_Clear();
    return function;
}

static struct rec_function *function_of_key(PyObject *key, PyObject *module)
{
    if (PyDict_GET_SIZE(span_functions) < SPAN_FUNCTIONS_MAX || PyDict_Contains(span_functions, key) == 1)
        return look_up_span(key, module);
    PyObject *common = Py_BuildValue("(ssi)", "span (one of too many different names)", "", 0);
    struct rec_function *function = common ? look_up_span(common, NULL) : NULL;
    Py_XDECREF(common);
    return function;
}

static struct rec_function *span_function(PyObject *name)
{
    PyFrameObject *frame = PyEval_GetFrame();
    if (!frame)
        return NULL;
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *globals = PyEval_GetGlobals();
    PyObject *key = Py_BuildValue("(OOi)", name, code->co_filename, PyFrame_GetLineNumber(frame));
    struct rec_function *function = key ? function_of_key(key, globals ? PyDict_GetItemString(globals, "__name__") : NULL) : NULL;
    Py_XDECREF(key);
    Py_DECREF(code);
    PyErr_Clear();
    return function;
}

static PyObject *span_enter(struct span *self, PyObject *unused)
{
    (void)unused;
    if (rec_this_thread.lane && (self->function = span_function(self->name)))
        rec_put_all(rec_this_thread.lane, self->function, rec_clock_ticks(), CPTRACE_RING_SPAN_BEGIN);
    Py_INCREF(self);
    return (PyObject *)self;
}

static PyObject *span_exit(struct span *self, PyObject *unused)
{
    (void)unused;
    if (self->function)
        for (struct rec_lane *lane = rec_this_thread.lane; lane; lane = lane->outer)
            if (rec_lane_knows(lane, self->function))
                rec_lane_put(lane, rec_clock_ticks(), rec_function_word(self->function, CPTRACE_RING_SPAN_END));
    self->function = NULL;
    Py_RETURN_NONE;
}

static PyObject *span_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    PyObject *name;
    static char *words[] = {"name", NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "U:span", words, &name))
        return NULL;
    struct span *self = (struct span *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    Py_INCREF(name);
    self->name = name;
    return (PyObject *)self;
}

static void span_dealloc(struct span *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_CLEAR(self->name);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef span_methods[] = {
    {"__enter__", (PyCFunction)span_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)span_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot span_slots[] = {
    {Py_tp_new, span_new},
    {Py_tp_dealloc, span_dealloc},
    {Py_tp_methods, span_methods},
    {Py_tp_doc, (void *)"span(name): `with span(\"load\"): ...` shows this stretch of code as a call of that name in the traces that are on."},
    {0, NULL}};
static PyType_Spec span_spec = {
    .name = "callprofiler.span", .basicsize = sizeof(struct span), .flags = Py_TPFLAGS_DEFAULT, .slots = span_slots};

int rec_moments_start(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&span_spec);
    span_functions = PyDict_New();
    return type && span_functions ? PyModule_AddObject(module, "span", type) : -1;
}

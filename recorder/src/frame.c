#include "frame.h"

#include <frameobject.h>
#include <string.h>

#define RESUMABLE (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)

#if PY_VERSION_HEX >= 0x030c0000

/* ---- where things are; 0: not found, and not used ---- */

static Py_ssize_t frame_in_generator, frame_in_object, below_in_frame;

/* The offset at which a pointer stands in an object of so many bytes, from the second word on. */
static Py_ssize_t offset_of(const void *pointer, const void *object, size_t bytes)
{
    for (size_t at = sizeof pointer; at + sizeof pointer <= bytes; at += sizeof pointer)
        if (memcmp((const char *)object + at, &pointer, sizeof pointer) == 0)
            return (Py_ssize_t)at;
    return 0;
}

/* probe(what): by a function, by one that it calls, and by a generator, which gives itself. */
static PyObject *probe(PyObject *self, PyObject *what)
{
    enum { FRAME_WORDS_SEARCHED = 4 };
    static const void *caller;
    (void)self;
    const void *now = rec_frame_current();
    if (PyGen_CheckExact(what)) {
        const Py_ssize_t offset = (Py_ssize_t)((uintptr_t)now - (uintptr_t)what);
        frame_in_generator = offset > 0 && offset < Py_TYPE(what)->tp_basicsize ? offset : 0;
    } else if (what == Py_True) {
        PyFrameObject *object = PyEval_GetFrame();
        frame_in_object = object ? offset_of(now, object, (size_t)Py_TYPE(object)->tp_basicsize) : 0;
        caller = now;
    } else
        below_in_frame = offset_of(caller, now, FRAME_WORDS_SEARCHED * sizeof(void *));
    Py_RETURN_NONE;
}

static const char probe_source[] = "def called():\n"
                                   "    probe(False)\n"
                                   "def calls():\n"
                                   "    probe(True)\n"
                                   "    called()\n"
                                   "def generates():\n"
                                   "    me = yield\n"
                                   "    probe(me)\n"
                                   "    yield\n"
                                   "calls()\n"
                                   "asking = generates()\n"
                                   "next(asking)\n"
                                   "asking.send(asking)\n";

int rec_frames_start(void)
{
    static PyMethodDef definition = {"probe", probe, METH_O, NULL};
    PyObject *names = PyDict_New();
    PyObject *function = PyCFunction_New(&definition, NULL);
    PyObject *none = NULL;
    if (names && function && PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) == 0 &&
        PyDict_SetItemString(names, "probe", function) == 0)
        none = PyRun_String(probe_source, Py_file_input, names, names);
    if (names)
        PyDict_Clear(names); /* a generator that refers to itself */
    Py_XDECREF(function);
    Py_XDECREF(names);
    Py_XDECREF(none);
    return none ? 0 : -1;
}

static const void *below(const void *frame)
{
    const void *found = NULL;
    if (below_in_frame)
        memcpy(&found, (const char *)frame + below_in_frame, sizeof found);
    return found;
}

const void *rec_frame_of_generator(PyObject *generator)
{
    const bool has_frame = PyCoro_CheckExact(generator) || PyGen_CheckExact(generator) || PyAsyncGen_CheckExact(generator);
    return has_frame && frame_in_generator ? (const char *)generator + frame_in_generator : NULL;
}

static const void *frame_of_object(PyFrameObject *object)
{
    const void *found = NULL;
    if (frame_in_object)
        memcpy(&found, (const char *)object + frame_in_object, sizeof found);
    return found;
}

PyObject *rec_frame_local(const char *name)
{
    PyFrameObject *object = PyEval_GetFrame();
    PyObject *value = object ? PyFrame_GetVarString(object, name) : NULL;
    PyErr_Clear();
    return value;
}

#else

int rec_frames_start(void) { return 0; }

static PyFrameObject *back_of(PyFrameObject *object)
{
#if PY_VERSION_HEX >= 0x03090000 && PY_VERSION_HEX < 0x030b0000
    return object->f_back;
#else
    PyFrameObject *back = PyFrame_GetBack(object);
    Py_XDECREF(back); /* the frame keeps it */
    return back;
#endif
}

static const void *below(const void *frame) { return back_of((PyFrameObject *)frame); }

const void *rec_frame_of_generator(PyObject *generator)
{
    const char *name = PyCoro_CheckExact(generator)       ? "cr_frame"
                       : PyGen_CheckExact(generator)      ? "gi_frame"
                       : PyAsyncGen_CheckExact(generator) ? "ag_frame"
                                                          : NULL;
    PyObject *frame = name ? PyObject_GetAttrString(generator, name) : NULL;
    PyErr_Clear();
    Py_XDECREF(frame); /* the generator keeps it */
    return frame == Py_None ? NULL : frame;
}

static const void *frame_of_object(PyFrameObject *object) { return object; }

PyObject *rec_frame_local(const char *name)
{
    PyObject *object = (PyObject *)PyEval_GetFrame();
    PyObject *locals = object ? PyObject_GetAttrString(object, "f_locals") : NULL;
    PyObject *value = locals ? PyMapping_GetItemString(locals, name) : NULL;
    Py_XDECREF(locals);
    PyErr_Clear();
    return value;
}

#endif

bool rec_frame_is_on_stack(const void *frame)
{
    const void *at = rec_frame_current();
    while (at && at != frame)
        at = below(at);
    return at != NULL;
}

/* ---- blocks ---- */

static bool is_of_contextlib(PyFrameObject *object)
{
    PyCodeObject *code = PyFrame_GetCode(object);
    const char *path = PyUnicode_AsUTF8(code->co_filename);
    const char *name = path ? strstr(path, "contextlib.py") : NULL;
    if (!path)
        PyErr_Clear();
    Py_DECREF(code);
    return name && name[strlen("contextlib.py")] == 0 && (name == path || name[-1] == '/' || name[-1] == '\\');
}

static bool is_resumable(PyFrameObject *object)
{
    PyCodeObject *code = PyFrame_GetCode(object);
    const bool answer = (code->co_flags & RESUMABLE) != 0;
    Py_DECREF(code);
    return answer;
}

/* Below the frames of contextlib, from this one on (whose reference is taken over): a new reference, or NULL. */
static PyFrameObject *skip_contextlib(PyFrameObject *object)
{
    while (object && is_of_contextlib(object)) {
        PyFrameObject *back = PyFrame_GetBack(object);
        Py_DECREF(object);
        object = back;
    }
    return object;
}

const void *rec_frame_of_block(PyCodeObject **code)
{
    PyFrameObject *object = PyEval_GetFrame();
    Py_XINCREF(object);
    object = skip_contextlib(object);
    while (object && is_resumable(object)) {
        PyFrameObject *back = PyFrame_GetBack(object);
        if (!back || !is_of_contextlib(back)) {
            Py_XDECREF(back);
            break;
        }
        Py_DECREF(object); /* a generator that contextlib runs: the body of its `with` is its caller's */
        object = skip_contextlib(back);
    }
    const void *frame = object && is_resumable(object) ? frame_of_object(object) : NULL;
    *code = frame ? PyFrame_GetCode(object) : NULL;
    Py_XDECREF(*code); /* the frame keeps it */
    Py_XDECREF(object);
    return frame;
}

#include "gate.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "platform.h"
#include "thread.h"

struct gate {
    PyObject_HEAD
    PyObject *settings;              /* whose runs: within one of them, a call starts no other; owned */
    uint64_t every;                  /* each so many-th call, beginning with the first */
    double probability;              /* and of these, so many */
    atomic_uint_fast64_t turn;       /* calls so far */
    atomic_uint_fast64_t randomness; /* of our own: the program's random numbers stay what they were */
};

/* splitmix64: the state is a counter, so that threads need not agree on more than an addition. */
static double next_random(struct gate *self)
{
    uint64_t bits = atomic_fetch_add_explicit(&self->randomness, UINT64_C(0x9E3779B97F4A7C15), memory_order_relaxed);
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (double)((bits ^ (bits >> 31)) >> 11) * 0x1p-53; /* from 0 on, below 1 */
}

static bool is_chosen(struct gate *self)
{
    if (self->every > 1 && atomic_fetch_add_explicit(&self->turn, 1, memory_order_relaxed) % self->every != 0)
        return false;
    return self->probability >= 1 || next_random(self) < self->probability;
}

static PyObject *gate_passes_over(struct gate *self, PyObject *unused)
{
    (void)unused;
    const bool goes_on = rec_this_thread.lane && rec_thread_records_owner(&rec_this_thread, self->settings);
    return PyBool_FromLong(goes_on || !is_chosen(self));
}

static PyObject *gate_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    PyObject *settings;
    unsigned long long every;
    double probability;
    if ((keywords && PyDict_GET_SIZE(keywords)) || !PyArg_ParseTuple(arguments, "OKd:Gate", &settings, &every, &probability)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "Gate(settings, every, probability)");
        return NULL;
    }
    struct gate *self = (struct gate *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    Py_INCREF(settings);
    self->settings = settings;
    self->every = every;
    self->probability = probability;
    uint64_t seed;
    rec_platform_random(&seed, sizeof seed);
    atomic_init(&self->turn, 0);
    atomic_init(&self->randomness, seed);
    return (PyObject *)self;
}

static void gate_dealloc(struct gate *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_CLEAR(self->settings);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef gate_methods[] = {
    {"passes_over", (PyCFunction)gate_passes_over, METH_NOARGS,
     "passes_over(): whether the call that begins now starts no run: one of these settings is on, or this call is not in the sample."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot gate_slots[] = {{Py_tp_new, gate_new}, {Py_tp_dealloc, gate_dealloc}, {Py_tp_methods, gate_methods}, {0, NULL}};
static PyType_Spec gate_spec = {
    .name = "callprofiler._recorder.Gate", .basicsize = sizeof(struct gate), .flags = Py_TPFLAGS_DEFAULT, .slots = gate_slots};

int rec_gate_start(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&gate_spec);
    return type ? PyModule_AddObject(module, "Gate", type) : -1;
}

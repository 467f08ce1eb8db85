/* Functions as the recorder knows them: one per code object or C callable, numbered once per process, never reused. */
#ifndef REC_FUNCTION_H
#define REC_FUNCTION_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

enum rec_function_kind {
    REC_FUNCTION_PLAIN = 0,
    REC_FUNCTION_RESUMABLE = 1, /* generator, coroutine, async generator: its calls suspend */
    REC_FUNCTION_HIDDEN = 2,    /* callprofiler's own: never recorded */
};

struct rec_function {
    uint32_t number;
    uint32_t lane_epoch; /* the lane that it was last defined in: the check of the hot path */
    uint8_t kind;        /* enum rec_function_kind */
    bool is_coroutine;
    uint32_t definition_bytes;
    void *definition; /* struct cptrace_ring_function and its strings, ready for a ring */
};

/* Once per process, with the GIL. -1 with a Python exception. */
int rec_function_table_start(void);

/* The functions that were made of code so far lie here; index of the co_extra slot, and whether it may be read directly. */
extern Py_ssize_t rec_code_extra_index;
extern bool rec_code_extra_direct;

struct rec_function *rec_function_of_code_slow(PyCodeObject *code); /* looks up through the API; NULL when new */
struct rec_function *rec_function_create(PyCodeObject *code);       /* of the code that runs now; NULL: no memory */

/* What a code object is known as; NULL when it has not run under the recorder yet. */
static inline struct rec_function *rec_function_of_code(PyCodeObject *code)
{
    /* The layout of co_extra since 3.6; verified at start, else the API is used. */
    struct extras {
        Py_ssize_t size;
        void *values[1];
    };
    if (__builtin_expect(rec_code_extra_direct, 1)) {
        const struct extras *extras = (const struct extras *)code->co_extra;
        return extras && extras->size > rec_code_extra_index ? (struct rec_function *)extras->values[rec_code_extra_index] : NULL;
    }
    return rec_function_of_code_slow(code);
}

/* The function of a C callable, made when it is new. NULL for what is no call of C code: Python functions, bound methods of them, instances
 * with a Python __call__. */
struct rec_function *rec_function_of_callable(PyObject *callable);

#endif

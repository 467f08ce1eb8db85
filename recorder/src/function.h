/* Functions as the recorder knows them: one per code object or C callable, numbered once per process, never reused. */
#ifndef REC_FUNCTION_H
#define REC_FUNCTION_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "cptrace/ring.h"
#include "linkage.h"

enum rec_function_kind {
    REC_FUNCTION_PLAIN = 0,
    REC_FUNCTION_RESUMABLE = 1, /* generator, coroutine, async generator: its calls suspend */
    REC_FUNCTION_HIDDEN = 2,    /* callprofiler's own: never recorded */
    REC_FUNCTION_LANDMARK = 3,  /* plain, and its calls tell the recorder something: see landmark.h */
};

struct rec_function {
    uint32_t number;  /* process-wide */
    uint8_t kind;     /* enum rec_function_kind */
    uint8_t landmark; /* enum rec_landmark */
    bool is_coroutine;
    bool is_c; /* c_calls=False leaves it out */
    uint32_t definition_bytes;
    const void *code; /* that it is of, NULL for C callables: its address, nothing more */
    void *definition; /* struct cptrace_ring_function and its strings, ready for a ring */
};

static inline uint64_t rec_function_word(const struct rec_function *function, enum cptrace_ring_op op)
{
    return (uint64_t)function->number << 8 | (uint64_t)op;
}

/* Once per process, with the GIL. -1 with a Python exception. */
int rec_function_table_start(void);

struct rec_function *rec_function_create(PyCodeObject *code);  /* of the code that runs now, when it is new; NULL: no memory */
struct rec_function *rec_function_of_code(PyCodeObject *code); /* what it is known as; NULL when it has not run under the recorder yet */

/* Where functions lie in co_extra; when that is not laid out as below (it has been since 3.6; looked at once at start), an index that no
 * code object has. */
extern REC_OF_THIS_MODULE Py_ssize_t rec_code_direct_index;

/* As rec_function_of_code, without a call; NULL also when it must be asked. */
static inline struct rec_function *rec_function_of_code_fast(PyCodeObject *code)
{
    struct extras {
        Py_ssize_t size;
        void *values[1];
    };
    const struct extras *extras = (const struct extras *)code->co_extra;
    return extras && extras->size > rec_code_direct_index ? (struct rec_function *)extras->values[rec_code_direct_index] : NULL;
}

/* ---- for what makes functions of other things than code ---- */

#define REC_QUALIFIED_NAME_MAX 1000
#define REC_MODULE_MAX 500
#define REC_PATH_MAX 4096

struct rec_function_names {
    const char *qualified_name, *module, *path; /* UTF-8; longer ones are cut. No path: empty */
    uint32_t line;                              /* 0: none */
    uint8_t flags;                              /* enum cptrace_function_flags */
};

/* A numbered function with its definition; the one hidden function when the class says so. NULL: no memory. */
struct rec_class;
struct rec_function *rec_function_make(const struct rec_function_names *names, const struct rec_class *class);
void rec_function_free(void *function); /* NULL and the hidden function are fine */

/* The length of the text, or less: at most limit bytes, cut between characters. */
uint16_t rec_bounded_length(const char *text, size_t limit);

/* UTF-8 of a str, kept alive by it, or written to scratch (surrogates of undecodable file names as their bytes). Empty for anything else.
 */
const char *rec_utf8_of(PyObject *text, char *scratch, size_t capacity);

#endif

/* Whose code is it: user, standard library, third-party or builtin. Decided while recording, because the paths are known here. */
#ifndef REC_CLASSIFY_H
#define REC_CLASSIFY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#define REC_LIBRARY_MAX 128

struct rec_class {
    uint8_t category; /* enum cptrace_category */
    bool is_hidden;   /* callprofiler's own */
    char library[REC_LIBRARY_MAX];
};

/* stdlib_roots, package_roots: tuples of str (directories, absolute, no trailing slash); stdlib_names: frozenset of module names;
 * own_root: callprofiler's folder. Keeps references. -1 with a Python exception when the types are wrong. */
int rec_classify_configure(PyObject *stdlib_roots, PyObject *package_roots, PyObject *stdlib_names, PyObject *own_root);

/* By source path; `<string>` and the like by the module's name. Neither NULL; both may be empty. */
struct rec_class rec_classify_code(const char *path, const char *module);

/* C code by the name of its module. */
struct rec_class rec_classify_c(const char *module);

#endif

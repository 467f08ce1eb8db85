/* The functions of C callables: builtins, methods of C types, types, and objects that C code calls. */
#ifndef REC_CALLABLE_H
#define REC_CALLABLE_H

#include "function.h"

/* Once per process, with the GIL. -1 with a Python exception. */
int rec_callable_table_start(void);

/* The function of a C callable, made when it is new. NULL for what is no call of C code: Python functions, bound methods of them, instances
 * with a Python __call__. */
struct rec_function *rec_function_of_callable(PyObject *callable);

#endif

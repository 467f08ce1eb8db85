/* The functions of C callables: builtins, methods of C types, types, and objects that C code calls. */
#ifndef REC_CALLABLE_H
#define REC_CALLABLE_H

#include "function.h"
#include "thread.h"

struct rec_callable_cache; /* each thread's own copy of what it called last, so that finding it again takes no lock */
extern struct rec_callable_cache rec_no_callables; /* what a thread has before its first C call; never written */
void rec_callable_cache_free(struct rec_thread *thread);

/* Once per process, with the GIL. -1 with a Python exception. */
int rec_callable_table_start(void);

/* By which the words of the most common kinds are known (word_cache.h), builtin functions, methods of C types and types: what stays the
 * same of them. NULL for others. */
static inline const void *rec_callable_address(PyObject *callable)
{
    if (Py_IS_TYPE(callable, &PyCFunction_Type))
        return ((PyCFunctionObject *)callable)->m_ml;
    if (Py_IS_TYPE(callable, &PyMethodDescr_Type))
        return ((PyMethodDescrObject *)callable)->d_method;
    if (PyType_Check(callable))
        return callable;
    if (Py_IS_TYPE(callable, &PyCMethod_Type)) /* a builtin function that is told its class */
        return ((PyCFunctionObject *)callable)->m_ml;
    return NULL;
}

/* The function of a C callable, made when it is new. NULL for what is no call of C code: Python functions, bound methods of them, instances
 * with a Python __call__. */
struct rec_function *rec_function_of_callable(struct rec_thread *thread, PyObject *callable);

#endif

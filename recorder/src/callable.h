/* The functions of C callables: builtins, methods of C types, types, and objects that C code calls. */
#ifndef REC_CALLABLE_H
#define REC_CALLABLE_H

#include "function.h"
#include "thread.h"

/* Each thread's own copy of what it called last, so that finding it again takes no lock. */
#define REC_CALLABLE_CACHE_SIZE 1024

struct rec_callable_entry {
    const void *key;
    struct rec_function *function;
};

struct rec_callable_cache {
    uint32_t generation; /* of the table; entries of another one are void */
    struct rec_callable_entry entries[REC_CALLABLE_CACHE_SIZE];
};

extern struct rec_callable_cache rec_no_callables; /* what a thread has before its first C call; never written */
void rec_callable_cache_free(struct rec_thread *thread);

/* Once per process, with the GIL. -1 with a Python exception. */
int rec_callable_table_start(void);

/* The function of a C callable, made when it is new. NULL for what is no call of C code: Python functions, bound methods of them, instances
 * with a Python __call__. */
struct rec_function *rec_function_of_callable(struct rec_thread *thread, PyObject *callable);

#endif

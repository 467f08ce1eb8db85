/* C functions, methods and types that are called: named once, found again by what stays the same of them. */
#include "callable.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "classify.h"
#include "lock.h"
#include "word_cache.h"

/* Each thread's own copy of what it called last, so that finding it again takes no lock. */
#define CALLABLE_CACHE_SIZE 1024

struct callable_entry {
    const void *key;
    struct rec_function *function;
};

struct rec_callable_cache {
    uint32_t generation; /* of the table; entries of another one are void */
    struct callable_entry entries[CALLABLE_CACHE_SIZE];
};

static const struct callable_entry *cached_callable(const struct rec_callable_cache *cache, const void *key)
{
    return &cache->entries[((uintptr_t)key >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 54];
}
_Static_assert(CALLABLE_CACHE_SIZE == 1 << (64 - 54), "the hash has as many bits as the cache has entries");

/* By method definition (one per C function, however many bound objects there are) or by type. Open addressing; never shrinks. With the
 * recorder's lock. */
static struct callable_entry *callables;
static size_t callable_capacity, callable_count;

static _Atomic uint32_t generation = 1; /* rises when a key ceases to mean what it did */

struct rec_callable_cache rec_no_callables = {.generation = 0};

static size_t key_hash(const void *key) { return (size_t)(((uintptr_t)key >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 32); }

static struct callable_entry *find_callable(const void *key)
{
    size_t mask = callable_capacity - 1;
    size_t i = key_hash(key) & mask;
    while (callables[i].key && callables[i].key != key)
        i = (i + 1) & mask;
    return &callables[i];
}

static bool grow_callables(void)
{
    struct callable_entry *old = callables;
    size_t old_capacity = callable_capacity;
    size_t capacity = old_capacity ? old_capacity * 2 : 1024;
    struct callable_entry *larger = calloc(capacity, sizeof *larger);
    if (!larger)
        return false;
    callables = larger;
    callable_capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].key)
            *find_callable(old[i].key) = old[i];
    free(old);
    return true;
}

/* ---- each thread's cache ---- */

void rec_callable_cache_free(struct rec_thread *thread)
{
    if (thread->callables != &rec_no_callables)
        free(thread->callables);
    thread->callables = &rec_no_callables;
}

static void remember(struct rec_thread *thread, struct callable_entry entry)
{
    const uint32_t now = atomic_load(&generation);
    struct rec_callable_cache *cache = thread->callables;
    if (cache == &rec_no_callables || cache->generation != now) {
        struct rec_callable_cache *fresh = cache == &rec_no_callables ? malloc(sizeof *cache) : cache;
        if (!fresh)
            return;
        *fresh = (struct rec_callable_cache){.generation = now};
        thread->callables = cache = fresh;
    }
    cache->entries[cached_callable(cache, entry.key) - cache->entries] = entry;
}

/* ---- what dies ---- */

/* Its address may become another's. The entry stays with its key, and is made anew when used again. */
static void forget_callable(const void *key)
{
    rec_lock();
    struct callable_entry *entry = find_callable(key);
    if (entry->key) {
        atomic_fetch_add(&generation, 1);
        rec_function_free(entry->function);
        entry->function = NULL;
        rec_words_forget(key);
    }
    rec_unlock();
}

static PyObject *on_death(PyObject *key, PyObject *weak_reference)
{
    forget_callable(PyLong_AsVoidPtr(key));
    Py_DECREF(weak_reference); /* the reference that watch left for us */
    Py_RETURN_NONE;
}

static PyMethodDef death_definition = {"_callable_death", on_death, METH_O, NULL};

/* False, without an exception: it cannot be watched. */
static bool watch(PyObject *object)
{
    PyObject *key = PyLong_FromVoidPtr(object);
    PyObject *callback = key ? PyCFunction_New(&death_definition, key) : NULL;
    PyObject *reference = callback ? PyWeakref_NewRef(object, callback) : NULL; /* released in on_death */
    Py_XDECREF(callback);
    Py_XDECREF(key);
    PyErr_Clear();
    return reference != NULL;
}

static bool watch_type(PyTypeObject *type) { return !(type->tp_flags & Py_TPFLAGS_HEAPTYPE) || watch((PyObject *)type); }

/* Some cannot be watched, such as numpy's ufuncs: so many at most are kept alive instead. */
static bool watch_or_keep(PyObject *object)
{
    enum { KEPT_MAX = 4096 };
    static unsigned kept_count;
    if (watch(object))
        return true;
    if (kept_count >= KEPT_MAX)
        return false;
    kept_count++;
    Py_INCREF(object);
    return true;
}

static const char *unqualified(const char *tp_name)
{
    const char *dot = strrchr(tp_name, '.');
    return dot ? dot + 1 : tp_name;
}

static PyObject *dict_of(PyTypeObject *type) { return type->tp_flags & Py_TPFLAGS_HEAPTYPE ? type->tp_dict : NULL; }

static const char *type_name(PyTypeObject *type, char *scratch, size_t capacity)
{
    if (type->tp_flags & Py_TPFLAGS_HEAPTYPE)
        return rec_utf8_of(((PyHeapTypeObject *)type)->ht_qualname, scratch, capacity);
    return unqualified(type->tp_name);
}

/* The module of a type, into `module`. */
static void type_module(PyTypeObject *type, char *module, size_t capacity)
{
    PyObject *dict = dict_of(type);
    PyObject *found = dict ? PyDict_GetItemString(dict, "__module__") : NULL;
    if (found && PyUnicode_Check(found)) {
        const char *text = rec_utf8_of(found, module, capacity);
        if (text != module)
            snprintf(module, capacity, "%s", text);
        return;
    }
    const char *dot = strrchr(type->tp_name, '.');
    snprintf(module, capacity, "%.*s", dot ? (int)(dot - type->tp_name) : 8, dot ? type->tp_name : "builtins");
}

/* The class in whose table a method stands: `self` may be an instance of a subclass. */
static PyTypeObject *defining_type(PyTypeObject *type, const PyMethodDef *method)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; mro && i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        for (const PyMethodDef *at = base->tp_methods; at && at->ml_name; at++)
            if (at == method)
                return base;
    }
    return type;
}

static PyTypeObject *method_wrapper_type; /* of what `(1).__add__` is; it lives as long as the interpreter */

static PyWrapperDescrObject *descriptor_of_wrapper(PyObject *wrapper)
{
    return ((struct {
               PyObject_HEAD
               PyWrapperDescrObject *descriptor;
               PyObject *self;
           } *)wrapper)
        ->descriptor;
}

struct callable_names {
    char qualified_name[REC_QUALIFIED_NAME_MAX];
    char module[REC_MODULE_MAX];
};

static void name_method(struct callable_names *names, PyTypeObject *type, const char *method)
{
    char scratch[REC_QUALIFIED_NAME_MAX / 2];
    snprintf(names->qualified_name, sizeof names->qualified_name, "%s.%s", type_name(type, scratch, sizeof scratch), method);
    type_module(type, names->module, sizeof names->module);
}

static void name_builtin(struct callable_names *names, PyCFunctionObject *function)
{
    PyObject *self = function->m_self;
    if (self && !PyModule_Check(self)) {
        PyTypeObject *type = PyType_Check(self) ? (PyTypeObject *)self : Py_TYPE(self);
        if (defining_type(type, function->m_ml) != type || !function->m_module) {
            name_method(names, defining_type(type, function->m_ml), function->m_ml->ml_name);
            return;
        }
    }
    snprintf(names->qualified_name, sizeof names->qualified_name, "%s", function->m_ml->ml_name);
    char scratch[REC_MODULE_MAX];
    if (function->m_module && PyUnicode_Check(function->m_module))
        snprintf(names->module, sizeof names->module, "%s", rec_utf8_of(function->m_module, scratch, sizeof scratch));
    else
        snprintf(names->module, sizeof names->module, "builtins");
}

/* An attribute that is a str, found without running code of the program; into text. False: there is none. */
static bool read_attribute(PyObject *object, const char *name, char *text, size_t capacity)
{
    if (Py_TYPE(object)->tp_getattro != PyObject_GenericGetAttr)
        return false;
    PyObject *key = PyUnicode_FromString(name);
    PyObject *value = key ? PyObject_GenericGetAttr(object, key) : NULL;
    const bool is_found = value && PyUnicode_Check(value);
    if (is_found) {
        const char *utf8 = rec_utf8_of(value, text, capacity);
        if (utf8 != text)
            snprintf(text, capacity, "%s", utf8);
    }
    Py_XDECREF(value);
    Py_XDECREF(key);
    PyErr_Clear();
    return is_found;
}

/* Objects that are functions in all but type: of Cython, of lru_cache, of numpy. Each has its name. */
static bool has_own_name(PyObject *callable)
{
    char name[REC_QUALIFIED_NAME_MAX];
    return read_attribute(callable, "__name__", name, sizeof name);
}

static void name_by_itself(struct callable_names *names, PyObject *callable)
{
    if (!read_attribute(callable, "__qualname__", names->qualified_name, sizeof names->qualified_name))
        read_attribute(callable, "__name__", names->qualified_name, sizeof names->qualified_name);
    if (!read_attribute(callable, "__module__", names->module, sizeof names->module))
        type_module(Py_TYPE(callable), names->module, sizeof names->module);
}

static void name_callable(struct callable_names *names, PyObject *callable, bool by_itself)
{
    PyTypeObject *type = Py_TYPE(callable);
    if (PyCFunction_Check(callable))
        name_builtin(names, (PyCFunctionObject *)callable);
    else if (type == &PyMethodDescr_Type || type == &PyClassMethodDescr_Type)
        name_method(names, PyDescr_TYPE(callable), ((PyMethodDescrObject *)callable)->d_method->ml_name);
    else if (type == &PyWrapperDescr_Type)
        name_method(names, PyDescr_TYPE(callable), ((PyWrapperDescrObject *)callable)->d_base->name);
    else if (type == method_wrapper_type)
        name_method(names, PyDescr_TYPE(descriptor_of_wrapper(callable)), descriptor_of_wrapper(callable)->d_base->name);
    else if (by_itself)
        name_by_itself(names, callable);
    else {
        PyTypeObject *named = PyType_Check(callable) ? (PyTypeObject *)callable : type;
        char scratch[REC_QUALIFIED_NAME_MAX];
        snprintf(names->qualified_name, sizeof names->qualified_name, "%s", type_name(named, scratch, sizeof scratch));
        type_module(named, names->module, sizeof names->module);
    }
}

static struct rec_function *create_callable(PyObject *callable, bool by_itself)
{
    struct callable_names text;
    name_callable(&text, callable, by_itself);
    struct rec_function_names names = {
        .qualified_name = text.qualified_name, .module = text.module, .path = "", .flags = CPTRACE_FUNCTION_C};
    struct rec_class class = rec_classify_c(text.module);
    return rec_function_make(&names, &class);
}

static struct rec_function *add_callable(const void *key, PyObject *callable, bool by_itself)
{
    struct rec_function *function = create_callable(callable, by_itself);
    if (!function)
        return NULL;
    struct callable_entry *entry = find_callable(key);
    callable_count += entry->key == NULL;
    *entry = (struct callable_entry){key, function};
    return function;
}

/* With the lock. *key becomes the object itself when that is how it is known. NULL: no memory. */
static struct rec_function *look_up(const void **key, PyObject *callable, PyTypeObject *keyed_by_type)
{
    if (callable_count * 2 >= callable_capacity && !grow_callables())
        return NULL;
    struct rec_function *known = find_callable(*key)->function;
    if (known)
        return known;
    if (!keyed_by_type || (PyObject *)keyed_by_type == callable)
        return !keyed_by_type || watch_type(keyed_by_type) ? add_callable(*key, callable, false) : NULL;
    known = find_callable(callable)->function;
    if (known || (has_own_name(callable) && watch_or_keep(callable))) {
        *key = callable;
        return known ? known : add_callable(callable, callable, true);
    }
    return watch_type(keyed_by_type) ? add_callable(*key, callable, false) : NULL;
}

static struct rec_function *look_up_and_remember(struct rec_thread *thread, const void *key, PyObject *callable,
                                                 PyTypeObject *keyed_by_type)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    rec_lock();
    struct rec_function *function = look_up(&key, callable, keyed_by_type);
    if (function)
        remember(thread, (struct callable_entry){key, function});
    rec_unlock();
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return function;
}

static struct rec_function *cached_function(const struct rec_thread *thread, const void *key)
{
    const struct rec_callable_cache *cache = thread->callables;
    const struct callable_entry *cached = cached_callable(cache, key);
    const bool is_valid = cached->key == key && cache->generation == atomic_load_explicit(&generation, memory_order_relaxed);
    return is_valid ? cached->function : NULL;
}

static ternaryfunc python_call_slot; /* tp_call of classes that define __call__ in Python */

struct rec_function *rec_function_of_callable(struct rec_thread *thread, PyObject *callable)
{
    PyTypeObject *type = Py_TYPE(callable);
    PyTypeObject *keyed_by_type = NULL;
    const void *key;
    if (type == &PyMethod_Type) {
        callable = PyMethod_GET_FUNCTION(callable);
        type = Py_TYPE(callable);
    }
    if (type == &PyFunction_Type)
        return NULL;
    if (PyCFunction_CheckExact(callable) || type == &PyCMethod_Type)
        key = ((PyCFunctionObject *)callable)->m_ml;
    else if (type == &PyMethodDescr_Type || type == &PyClassMethodDescr_Type)
        key = ((PyMethodDescrObject *)callable)->d_method;
    else if (type == &PyWrapperDescr_Type)
        key = ((PyWrapperDescrObject *)callable)->d_base;
    else if (PyType_Check(callable))
        key = keyed_by_type = (PyTypeObject *)callable;
    else if (type == method_wrapper_type)
        key = descriptor_of_wrapper(callable)->d_base;
    else if (type->tp_call == python_call_slot)
        return NULL;
    else {
        key = keyed_by_type = type;
        struct rec_function *own = cached_function(thread, callable);
        if (own)
            return own;
    }
    struct rec_function *function = cached_function(thread, key);
    return function ? function : look_up_and_remember(thread, key, callable, keyed_by_type);
}

static int find_python_call_slot(void)
{
    PyObject *globals = PyDict_New();
    PyObject *none = NULL;
    if (globals && PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins()) == 0)
        none = PyRun_String("class C:\n    def __call__(self): pass\n", Py_file_input, globals, globals);
    PyObject *sample = none ? PyDict_GetItemString(globals, "C") : NULL;
    if (sample)
        python_call_slot = ((PyTypeObject *)sample)->tp_call;
    Py_XDECREF(none);
    Py_XDECREF(globals);
    return sample ? 0 : -1;
}

static int find_method_wrapper_type(void)
{
    PyObject *wrapper = PyObject_GetAttrString(Py_None, "__str__");
    method_wrapper_type = wrapper ? Py_TYPE(wrapper) : NULL;
    Py_XDECREF(wrapper);
    return wrapper ? 0 : -1;
}

int rec_callable_table_start(void) { return find_python_call_slot() < 0 || find_method_wrapper_type() < 0 || !grow_callables() ? -1 : 0; }

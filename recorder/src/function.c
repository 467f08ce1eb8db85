#include "function.h"

#include <frameobject.h>
#include <stdlib.h>
#include <string.h>

#include "classify.h"
#include "cptrace/ring.h"
#include "platform.h"

#define QUALIFIED_NAME_MAX 1000
#define MODULE_MAX 500
#define PATH_BYTES_MAX 4096

#if PY_VERSION_HEX >= 0x030c0000
#define request_extra_index PyUnstable_Eval_RequestCodeExtraIndex
#define get_extra PyUnstable_Code_GetExtra
#define set_extra PyUnstable_Code_SetExtra
#else
#define request_extra_index _PyEval_RequestCodeExtraIndex
#define get_extra _PyCode_GetExtra
#define set_extra _PyCode_SetExtra
#endif

Py_ssize_t rec_code_extra_index = -1;
bool rec_code_extra_direct;

static uint32_t next_number;
static struct rec_function hidden_function = {.kind = REC_FUNCTION_HIDDEN};

/* ---- making functions ---- */

struct names {
    const char *qualified_name, *module, *path;
    uint32_t line;
    uint8_t flags;
};

static uint16_t bounded_length(const char *text, size_t limit)
{
    size_t length = strlen(text);
    if (length <= limit)
        return (uint16_t)length;
    while (limit > 0 && ((unsigned char)text[limit] & 0xC0) == 0x80) /* not within a character */
        limit--;
    return (uint16_t)limit;
}

static char *append(char *at, const char *text, size_t length)
{
    memcpy(at, text, length);
    return at + length;
}

static bool write_definition(struct rec_function *function, const struct names *names, const struct rec_class *class)
{
    struct cptrace_ring_function fixed = {
        .number = function->number,
        .line = names->line,
        .qualified_name_bytes = bounded_length(names->qualified_name, QUALIFIED_NAME_MAX),
        .module_bytes = bounded_length(names->module, MODULE_MAX),
        .library_bytes = bounded_length(class->library, REC_LIBRARY_MAX),
        .path_bytes = bounded_length(names->path, PATH_BYTES_MAX),
        .category = class->category,
        .flags = names->flags,
    };
    if (fixed.path_bytes)
        rec_file_facts(names->path, &fixed.file_size_bytes, &fixed.file_mtime_ns);
    function->definition_bytes =
        (uint32_t)(sizeof fixed + fixed.qualified_name_bytes + fixed.module_bytes + fixed.library_bytes + fixed.path_bytes);
    function->definition = malloc(function->definition_bytes);
    if (!function->definition)
        return false;
    char *at = append(function->definition, (const char *)&fixed, sizeof fixed);
    at = append(at, names->qualified_name, fixed.qualified_name_bytes);
    at = append(at, names->module, fixed.module_bytes);
    at = append(at, class->library, fixed.library_bytes);
    append(at, names->path, fixed.path_bytes);
    return true;
}

static struct rec_function *make_function(const struct names *names, const struct rec_class *class)
{
    if (class->is_hidden)
        return &hidden_function;
    struct rec_function *function = calloc(1, sizeof *function);
    if (!function)
        return NULL;
    function->number = next_number++;
    if (names->flags & (CPTRACE_FUNCTION_GENERATOR | CPTRACE_FUNCTION_COROUTINE | CPTRACE_FUNCTION_ASYNC_GENERATOR))
        function->kind = REC_FUNCTION_RESUMABLE;
    function->is_coroutine = (names->flags & (CPTRACE_FUNCTION_COROUTINE | CPTRACE_FUNCTION_ASYNC_GENERATOR)) != 0;
    if (!write_definition(function, names, class)) {
        free(function);
        return NULL;
    }
    return function;
}

static void free_function(void *pointer)
{
    struct rec_function *function = pointer;
    if (!function || function == &hidden_function)
        return;
    free(function->definition);
    free(function);
}

/* UTF-8 of a str that is kept alive by its owner; surrogates (undecodable file names) are escaped into `scratch`. */
static const char *utf8_of(PyObject *text, char *scratch, size_t capacity)
{
    const char *direct = text && PyUnicode_Check(text) ? PyUnicode_AsUTF8(text) : NULL;
    if (direct)
        return direct;
    PyErr_Clear();
    scratch[0] = 0;
    PyObject *bytes = text && PyUnicode_Check(text) ? PyUnicode_AsEncodedString(text, "utf-8", "surrogateescape") : NULL;
    if (bytes) {
        size_t length = (size_t)PyBytes_GET_SIZE(bytes) < capacity - 1 ? (size_t)PyBytes_GET_SIZE(bytes) : capacity - 1;
        memcpy(scratch, PyBytes_AS_STRING(bytes), length);
        scratch[length] = 0;
        Py_DECREF(bytes);
    }
    PyErr_Clear();
    return scratch;
}

/* ---- Python code ---- */

#if PY_VERSION_HEX < 0x030b0000
/* Before 3.11 code does not know its qualified name. The function that it belongs to does: look where methods and module-level functions
 * are found, without running any code. */
static PyObject *name_if_function_of(PyObject *candidate, PyCodeObject *code)
{
    if (candidate && PyObject_TypeCheck(candidate, &PyProperty_Type))
        return NULL;
    if (candidate && (Py_IS_TYPE(candidate, &PyStaticMethod_Type) || Py_IS_TYPE(candidate, &PyClassMethod_Type))) {
        struct {
            PyObject_HEAD
            PyObject *callable;
        } *wrapper = (void *)candidate;
        candidate = wrapper->callable;
    }
    if (candidate && PyFunction_Check(candidate) && PyFunction_GET_CODE(candidate) == (PyObject *)code)
        return ((PyFunctionObject *)candidate)->func_qualname;
    return NULL;
}

static PyObject *name_in_class(PyTypeObject *type, PyCodeObject *code)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; mro && i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        PyObject *found = base->tp_dict ? name_if_function_of(PyDict_GetItemWithError(base->tp_dict, code->co_name), code) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

static PyObject *qualified_name_of(PyCodeObject *code, PyObject *globals)
{
    PyFrameObject *frame = PyEval_GetFrame();
    PyObject *found = NULL;
    if (frame && frame->f_code == code && code->co_argcount > 0) {
        PyObject *self = frame->f_localsplus[0];
        if (self && Py_IS_TYPE(self, &PyCell_Type))
            self = PyCell_GET(self);
        if (self)
            found = name_in_class(PyType_Check(self) ? (PyTypeObject *)self : Py_TYPE(self), code);
    }
    if (!found && globals)
        found = name_if_function_of(PyDict_GetItemWithError(globals, code->co_name), code);
    PyErr_Clear();
    return found ? found : code->co_name;
}
#else
static PyObject *qualified_name_of(PyCodeObject *code, PyObject *globals)
{
    (void)globals;
    return code->co_qualname;
}
#endif

static uint8_t flags_of(const PyCodeObject *code)
{
    if (code->co_flags & CO_COROUTINE)
        return CPTRACE_FUNCTION_COROUTINE;
    if (code->co_flags & CO_ASYNC_GENERATOR)
        return CPTRACE_FUNCTION_ASYNC_GENERATOR;
    return code->co_flags & CO_GENERATOR ? CPTRACE_FUNCTION_GENERATOR : 0;
}

struct rec_function *rec_function_create(PyCodeObject *code)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *globals = PyEval_GetGlobals();
    PyObject *module = globals && PyDict_Check(globals) ? PyDict_GetItemString(globals, "__name__") : NULL;
    char path_scratch[PATH_BYTES_MAX], name_scratch[QUALIFIED_NAME_MAX], module_scratch[MODULE_MAX];
    struct names names = {
        .qualified_name = utf8_of(qualified_name_of(code, globals), name_scratch, sizeof name_scratch),
        .module = utf8_of(module, module_scratch, sizeof module_scratch),
        .path = utf8_of(code->co_filename, path_scratch, sizeof path_scratch),
        .line = code->co_firstlineno > 0 ? (uint32_t)code->co_firstlineno : 0,
        .flags = flags_of(code),
    };
    struct rec_class class = rec_classify_code(names.path, names.module);
    struct rec_function *function = make_function(&names, &class);
    if (function && set_extra((PyObject *)code, rec_code_extra_index, function) < 0) {
        free_function(function);
        function = NULL;
    }
    PyErr_Restore(type, value, traceback);
    return function;
}

struct rec_function *rec_function_of_code_slow(PyCodeObject *code)
{
    void *function = NULL;
    if (get_extra((PyObject *)code, rec_code_extra_index, &function) < 0) {
        PyErr_Clear();
        return NULL;
    }
    return function;
}

/* ---- C callables ---- */

/* By method definition (one per C function, however many bound objects there are) or by type. Open addressing; never shrinks. */
struct callable_entry {
    const void *key;
    struct rec_function *function;
};

static struct callable_entry *callables;
static size_t callable_capacity, callable_count;

#define RECENT_COUNT 1024
static struct callable_entry recent[RECENT_COUNT]; /* direct-mapped, in front of the table */

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

/* A heap type is about to die: its address may become another's. The entry stays with its key, and is made anew when used again. */
static void forget_callable(const void *key)
{
    struct callable_entry *entry = find_callable(key);
    if (!entry->key)
        return;
    free_function(entry->function);
    entry->function = NULL;
    struct callable_entry *cached = &recent[key_hash(key) % RECENT_COUNT];
    if (cached->key == key)
        *cached = (struct callable_entry){0};
}

static PyObject *on_type_death(PyObject *key, PyObject *weak_reference)
{
    forget_callable(PyLong_AsVoidPtr(key));
    Py_DECREF(weak_reference); /* the reference that watch_type left for us */
    Py_RETURN_NONE;
}

static PyMethodDef type_death_definition = {"_type_death", on_type_death, METH_O, NULL};

static bool watch_type(PyTypeObject *type)
{
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE))
        return true;
    PyObject *key = PyLong_FromVoidPtr(type);
    PyObject *callback = key ? PyCFunction_New(&type_death_definition, key) : NULL;
    PyObject *reference = callback ? PyWeakref_NewRef((PyObject *)type, callback) : NULL; /* released in on_type_death */
    Py_XDECREF(callback);
    Py_XDECREF(key);
    return reference != NULL;
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
        return utf8_of(((PyHeapTypeObject *)type)->ht_qualname, scratch, capacity);
    return unqualified(type->tp_name);
}

/* The module of a type, into `module`. */
static void type_module(PyTypeObject *type, char *module, size_t capacity)
{
    PyObject *dict = dict_of(type);
    PyObject *found = dict ? PyDict_GetItemString(dict, "__module__") : NULL;
    if (found && PyUnicode_Check(found)) {
        const char *text = utf8_of(found, module, capacity);
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

struct callable_names {
    char qualified_name[QUALIFIED_NAME_MAX];
    char module[MODULE_MAX];
};

static void name_method(struct callable_names *names, PyTypeObject *type, const char *method)
{
    char scratch[QUALIFIED_NAME_MAX / 2];
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
    char scratch[MODULE_MAX];
    if (function->m_module && PyUnicode_Check(function->m_module))
        snprintf(names->module, sizeof names->module, "%s", utf8_of(function->m_module, scratch, sizeof scratch));
    else
        snprintf(names->module, sizeof names->module, "builtins");
}

static void name_callable(struct callable_names *names, PyObject *callable)
{
    PyTypeObject *type = Py_TYPE(callable);
    if (PyCFunction_Check(callable))
        name_builtin(names, (PyCFunctionObject *)callable);
    else if (type == &PyMethodDescr_Type || type == &PyClassMethodDescr_Type)
        name_method(names, PyDescr_TYPE(callable), ((PyMethodDescrObject *)callable)->d_method->ml_name);
    else if (type == &PyWrapperDescr_Type)
        name_method(names, PyDescr_TYPE(callable), ((PyWrapperDescrObject *)callable)->d_base->name);
    else {
        PyTypeObject *named = PyType_Check(callable) ? (PyTypeObject *)callable : type;
        char scratch[QUALIFIED_NAME_MAX];
        snprintf(names->qualified_name, sizeof names->qualified_name, "%s", type_name(named, scratch, sizeof scratch));
        type_module(named, names->module, sizeof names->module);
    }
}

static struct rec_function *create_callable(PyObject *callable)
{
    struct callable_names text;
    name_callable(&text, callable);
    struct names names = {.qualified_name = text.qualified_name, .module = text.module, .path = "", .flags = CPTRACE_FUNCTION_C};
    struct rec_class class = rec_classify_c(text.module);
    return make_function(&names, &class);
}

static struct rec_function *look_up_callable(const void *key, PyObject *callable, PyTypeObject *keyed_by_type)
{
    if (callable_count * 2 >= callable_capacity && !grow_callables())
        return NULL;
    struct callable_entry *entry = find_callable(key);
    if (entry->function) {
        recent[key_hash(key) % RECENT_COUNT] = *entry;
        return entry->function;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    struct rec_function *function = NULL;
    if (!keyed_by_type || watch_type(keyed_by_type))
        function = create_callable(callable);
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    if (!function)
        return NULL;
    entry = find_callable(key); /* making names may have freed a type, and so changed entries */
    callable_count += entry->key == NULL;
    *entry = (struct callable_entry){key, function};
    recent[key_hash(key) % RECENT_COUNT] = *entry;
    return function;
}

static ternaryfunc python_call_slot; /* tp_call of classes that define __call__ in Python */

struct rec_function *rec_function_of_callable(PyObject *callable)
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
    else if (type->tp_call == python_call_slot)
        return NULL;
    else
        key = keyed_by_type = type;
    const struct callable_entry *cached = &recent[key_hash(key) % RECENT_COUNT];
    return __builtin_expect(cached->key == key, 1) ? cached->function : look_up_callable(key, callable, keyed_by_type);
}

/* ---- start ---- */

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

/* Whether co_extra is laid out as rec_function_of_code reads it. */
static int verify_direct_access(void)
{
    PyCodeObject *sample = PyCode_NewEmpty("callprofiler", "sample", 1);
    if (!sample || set_extra((PyObject *)sample, rec_code_extra_index, &hidden_function) < 0)
        return -1;
    rec_code_extra_direct = true;
    rec_code_extra_direct = rec_function_of_code(sample) == &hidden_function;
    Py_DECREF(sample);
    return 0;
}

int rec_function_table_start(void)
{
    next_number = 0;
    rec_code_extra_index = request_extra_index(free_function);
    if (rec_code_extra_index < 0) {
        PyErr_SetString(PyExc_RuntimeError, "callprofiler: no slot is left on code objects (co_extra)");
        return -1;
    }
    return find_python_call_slot() < 0 || verify_direct_access() < 0 || !grow_callables() ? -1 : 0;
}

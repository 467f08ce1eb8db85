#include "function.h"

#include <frameobject.h>
#include <stdlib.h>
#include <string.h>

#include "classify.h"
#include "landmark.h"
#include "lock.h"
#include "platform.h"
#include "word_cache.h"

#if PY_VERSION_HEX >= 0x030c0000
#define request_extra_index PyUnstable_Eval_RequestCodeExtraIndex
#define get_extra PyUnstable_Code_GetExtra
#define set_extra PyUnstable_Code_SetExtra
#else
#define request_extra_index _PyEval_RequestCodeExtraIndex
#define get_extra _PyCode_GetExtra
#define set_extra _PyCode_SetExtra
#endif

Py_ssize_t rec_code_direct_index = PY_SSIZE_T_MAX;
static Py_ssize_t extra_index = -1;

static uint32_t next_number;
static struct rec_function hidden_function = {.number = UINT32_MAX, .kind = REC_FUNCTION_HIDDEN};

/* ---- making functions ---- */

uint16_t rec_bounded_length(const char *text, size_t limit)
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

static bool write_definition(struct rec_function *function, const struct rec_function_names *names, const struct rec_class *class)
{
    struct cptrace_ring_function fixed = {
        .number = function->number,
        .line = names->line,
        .qualified_name_bytes = rec_bounded_length(names->qualified_name, REC_QUALIFIED_NAME_MAX),
        .module_bytes = rec_bounded_length(names->module, REC_MODULE_MAX),
        .library_bytes = rec_bounded_length(class->library, REC_LIBRARY_MAX),
        .path_bytes = rec_bounded_length(names->path, REC_PATH_MAX),
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

struct rec_function *rec_function_make(const struct rec_function_names *names, const struct rec_class *class)
{
    if (class->is_hidden)
        return &hidden_function;
    struct rec_function *function = calloc(1, sizeof *function);
    if (!function)
        return NULL;
    function->number = next_number++;
    if (names->flags & (CPTRACE_FUNCTION_GENERATOR | CPTRACE_FUNCTION_COROUTINE | CPTRACE_FUNCTION_ASYNC_GENERATOR))
        function->kind = REC_FUNCTION_RESUMABLE;
    function->is_c = (names->flags & CPTRACE_FUNCTION_C) != 0;
    function->is_coroutine = (names->flags & (CPTRACE_FUNCTION_COROUTINE | CPTRACE_FUNCTION_ASYNC_GENERATOR)) != 0;
    function->landmark = rec_landmark_of(names);
    if (function->landmark != REC_LANDMARK_NONE)
        function->kind = REC_FUNCTION_LANDMARK;
    if (!write_definition(function, names, class)) {
        free(function);
        return NULL;
    }
    return function;
}

void rec_function_free(void *pointer)
{
    struct rec_function *function = pointer;
    if (!function || function == &hidden_function)
        return;
    if (function->code)
        rec_words_forget(function->code);
    free(function->definition);
    free(function);
}

/* UTF-8 of a str that is kept alive by its owner; surrogates (undecodable file names) are escaped into `scratch`. */
const char *rec_utf8_of(PyObject *text, char *scratch, size_t capacity)
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

static struct rec_function *create(PyCodeObject *code)
{
    PyObject *globals = PyEval_GetGlobals();
    PyObject *module = globals && PyDict_Check(globals) ? PyDict_GetItemString(globals, "__name__") : NULL;
    char path_scratch[REC_PATH_MAX], name_scratch[REC_QUALIFIED_NAME_MAX], module_scratch[REC_MODULE_MAX];
    struct rec_function_names names = {
        .qualified_name = rec_utf8_of(qualified_name_of(code, globals), name_scratch, sizeof name_scratch),
        .module = rec_utf8_of(module, module_scratch, sizeof module_scratch),
        .path = rec_utf8_of(code->co_filename, path_scratch, sizeof path_scratch),
        .line = code->co_firstlineno > 0 ? (uint32_t)code->co_firstlineno : 0,
        .flags = flags_of(code),
    };
    struct rec_class class = rec_classify_code(names.path, names.module);
    struct rec_function *function = rec_function_make(&names, &class);
    if (function && set_extra((PyObject *)code, extra_index, function) < 0) {
        rec_function_free(function);
        function = NULL;
    }
    if (function && function != &hidden_function)
        function->code = code;
    return function;
}

struct rec_function *rec_function_create(PyCodeObject *code)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    rec_lock();
    struct rec_function *function = rec_function_of_code(code); /* another thread may have made it while this one waited */
    if (!function)
        function = create(code);
    rec_unlock();
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return function;
}

struct rec_function *rec_function_of_code(PyCodeObject *code)
{
    if (rec_code_direct_index == extra_index)
        return rec_function_of_code_fast(code);
    void *function = NULL;
    if (get_extra((PyObject *)code, extra_index, &function) < 0) {
        PyErr_Clear();
        return NULL;
    }
    return function;
}

/* ---- start ---- */

/* Whether co_extra is laid out as rec_function_of_code_fast reads it. */
static int verify_direct_access(void)
{
    PyCodeObject *sample = PyCode_NewEmpty("callprofiler", "sample", 1);
    if (!sample || set_extra((PyObject *)sample, extra_index, &hidden_function) < 0)
        return -1;
    rec_code_direct_index = extra_index;
    if (rec_function_of_code_fast(sample) != &hidden_function)
        rec_code_direct_index = PY_SSIZE_T_MAX;
    Py_DECREF(sample);
    return 0;
}

int rec_function_table_start(void)
{
    extra_index = request_extra_index(rec_function_free);
    if (extra_index < 0) {
        PyErr_SetString(PyExc_RuntimeError, "callprofiler: no slot is left on code objects (co_extra)");
        return -1;
    }
    return verify_direct_access();
}

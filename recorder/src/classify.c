#include "classify.h"

#include <string.h>

#include "cptrace/cptrace.h"

static PyObject *stdlib_roots, *package_roots, *stdlib_names, *own_root;

static int check_strings(PyObject *tuple)
{
    if (!PyTuple_CheckExact(tuple))
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++)
        if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(tuple, i)))
            return -1;
    return 0;
}

int rec_classify_configure(PyObject *new_stdlib_roots, PyObject *new_package_roots, PyObject *new_stdlib_names, PyObject *new_own_root)
{
    if (check_strings(new_stdlib_roots) || check_strings(new_package_roots) || !PyFrozenSet_CheckExact(new_stdlib_names) ||
        !PyUnicode_CheckExact(new_own_root)) {
        PyErr_SetString(PyExc_TypeError, "configure(tuple of str, tuple of str, frozenset, str)");
        return -1;
    }
    Py_INCREF(new_stdlib_roots);
    Py_XSETREF(stdlib_roots, new_stdlib_roots);
    Py_INCREF(new_package_roots);
    Py_XSETREF(package_roots, new_package_roots);
    Py_INCREF(new_stdlib_names);
    Py_XSETREF(stdlib_names, new_stdlib_names);
    Py_INCREF(new_own_root);
    Py_XSETREF(own_root, new_own_root);
    return 0;
}

static bool is_separator(char c)
{
#ifdef _WIN32
    return c == '/' || c == '\\';
#else
    return c == '/';
#endif
}

/* What follows root and a separator in path, or NULL. */
static const char *below(const char *path, PyObject *root)
{
    Py_ssize_t length;
    const char *prefix = PyUnicode_AsUTF8AndSize(root, &length);
    if (!prefix) {
        PyErr_Clear();
        return NULL;
    }
    return length > 0 && strncmp(path, prefix, (size_t)length) == 0 && is_separator(path[length]) ? path + length + 1 : NULL;
}

static const char *below_any(const char *path, PyObject *roots)
{
    for (Py_ssize_t i = 0; roots && i < PyTuple_GET_SIZE(roots); i++) {
        const char *rest = below(path, PyTuple_GET_ITEM(roots, i));
        if (rest)
            return rest;
    }
    return NULL;
}

static const char *below_packages(const char *path)
{
    const char *rest = below_any(path, package_roots);
    if (rest)
        return rest;
    /* An environment that this interpreter does not know of, such as one added to sys.path. */
    static const char *const folders[] = {"/site-packages/", "/dist-packages/"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        const char *at = strstr(path, folders[i]);
        if (at)
            return at + strlen(folders[i]);
    }
    return NULL;
}

static void set_library(struct rec_class *class, const char *name, size_t length)
{
    if (length >= sizeof class->library)
        length = sizeof class->library - 1;
    memcpy(class->library, name, length);
    class->library[length] = 0;
}

/* The first component of a relative path, without .py: the top-level module. */
static void set_library_of_path(struct rec_class *class, const char *relative)
{
    size_t length = 0;
    while (relative[length] && !is_separator(relative[length]))
        length++;
    if (length > 3 && strncmp(relative + length - 3, ".py", 3) == 0)
        length -= 3;
    set_library(class, relative, length);
}

static size_t top_level_length(const char *module)
{
    const char *dot = strchr(module, '.');
    return dot ? (size_t)(dot - module) : strlen(module);
}

static bool is_stdlib_name(const char *name, size_t length)
{
    PyObject *key = PyUnicode_FromStringAndSize(name, (Py_ssize_t)length);
    int found = key && stdlib_names ? PySet_Contains(stdlib_names, key) : 0;
    Py_XDECREF(key);
    PyErr_Clear();
    return found == 1;
}

static bool is_third_party_path(struct rec_class *class, const char *path)
{
    const char *relative = below_packages(path);
    if (!relative)
        return false;
    class->category = CPTRACE_CATEGORY_THIRD_PARTY;
    set_library_of_path(class, relative);
    return true;
}

/* By the file of the top-level module in sys.modules: for code without a path of its own, and for C extensions. */
static bool classify_by_module_file(struct rec_class *class, const char *module)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *name = PyUnicode_FromStringAndSize(module, (Py_ssize_t)top_level_length(module));
    PyObject *top = name && modules && PyDict_CheckExact(modules) ? PyDict_GetItemWithError(modules, name) : NULL;
    PyObject *dict = top && PyModule_CheckExact(top) ? PyModule_GetDict(top) : NULL;
    PyObject *file = dict ? PyDict_GetItemString(dict, "__file__") : NULL;
    const char *path = file && PyUnicode_CheckExact(file) ? PyUnicode_AsUTF8(file) : NULL;
    bool found = path && is_third_party_path(class, path);
    Py_XDECREF(name);
    PyErr_Clear();
    return found;
}

struct rec_class rec_classify_code(const char *path, const char *module)
{
    struct rec_class class = {.category = CPTRACE_CATEGORY_USER};
    if (own_root && below(path, own_root)) {
        class.is_hidden = true;
        return class;
    }
    if (is_third_party_path(&class, path))
        return class;
    const char *relative = below_any(path, stdlib_roots);
    if (relative) {
        class.category = CPTRACE_CATEGORY_STDLIB;
        set_library_of_path(&class, relative);
        return class;
    }
    if (path[0] != '<')
        return class;
    const char *name = strncmp(path, "<frozen ", 8) == 0 ? path + 8 : module;
    size_t length = strcspn(name, ".>");
    if (is_stdlib_name(name, length)) {
        class.category = CPTRACE_CATEGORY_STDLIB;
        set_library(&class, name, length);
    } else
        classify_by_module_file(&class, module);
    return class;
}

struct rec_class rec_classify_c(const char *module)
{
    struct rec_class class = {.category = CPTRACE_CATEGORY_BUILTIN};
    size_t length = top_level_length(module);
    if (length == 0) {
        set_library(&class, "builtins", 8);
        return class;
    }
    if (length == 12 && strncmp(module, "callprofiler", length) == 0) {
        class.is_hidden = true;
        return class;
    }
    if (is_stdlib_name(module, length)) {
        /* _json accelerates json: it is shown as the module that users know. */
        bool is_accelerator = module[0] == '_' && length > 1 && is_stdlib_name(module + 1, length - 1);
        set_library(&class, module + is_accelerator, length - is_accelerator);
        return class;
    }
    if (!classify_by_module_file(&class, module)) {
        class.category = CPTRACE_CATEGORY_USER;
        if (strcmp(module, "__main__") != 0)
            set_library(&class, "", 0);
    }
    return class;
}

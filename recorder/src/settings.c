#include "settings.h"

bool rec_settings_take_pair(struct cptrace_pair *pair, PyObject *key, PyObject *value)
{
    char *key_bytes, *value_bytes;
    Py_ssize_t key_length, value_length;
    if (PyBytes_AsStringAndSize(key, &key_bytes, &key_length) < 0 || PyBytes_AsStringAndSize(value, &value_bytes, &value_length) < 0)
        return false;
    *pair = (struct cptrace_pair){{key_bytes, (uint32_t)key_length}, {value_bytes, (uint32_t)value_length}};
    return true;
}

static bool take_pairs(PyObject *list, struct cptrace_pair *pairs, size_t *count)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *pair = PyList_GET_ITEM(list, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2 ||
            !rec_settings_take_pair(&pairs[*count], PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1)))
            return false;
        ++*count;
    }
    return true;
}

static const char **take_patterns(PyObject *tuple)
{
    const char **patterns = PyMem_Calloc((size_t)PyTuple_GET_SIZE(tuple) + 1, sizeof *patterns);
    for (Py_ssize_t i = 0; patterns && i < PyTuple_GET_SIZE(tuple); i++) {
        patterns[i] = PyBytes_AsString(PyTuple_GET_ITEM(tuple, i));
        if (!patterns[i]) {
            PyMem_Free(patterns);
            return NULL;
        }
    }
    return patterns;
}

static bool take_filter(PyObject *include, PyObject *exclude, struct rec_filter **filter)
{
    *filter = NULL;
    if (PyTuple_GET_SIZE(include) == 0 && PyTuple_GET_SIZE(exclude) == 0)
        return true;
    const char **included = take_patterns(include), **excluded = take_patterns(exclude);
    if (included && excluded)
        *filter = rec_filter_create(included, (size_t)PyTuple_GET_SIZE(include), excluded, (size_t)PyTuple_GET_SIZE(exclude));
    PyMem_Free(included);
    PyMem_Free(excluded);
    return *filter != NULL;
}

static bool take_wants(PyObject *tuple, struct rec_run_options *options)
{
    int c_calls, threads, processes, arguments;
    unsigned long long min_call_ns, max_bytes;
    PyObject *include, *exclude;
    if (!PyArg_ParseTuple(tuple, "ppppIKKO!O!", &c_calls, &threads, &processes, &arguments, &options->wants.max_depth, &min_call_ns,
                          &max_bytes, &PyTuple_Type, &include, &PyTuple_Type, &exclude))
        return false;
    options->wants.c_calls = c_calls;
    options->wants.threads = threads;
    options->wants.processes = processes;
    options->wants.arguments = arguments;
    options->wants.min_call_ns = min_call_ns;
    options->wants.max_bytes = max_bytes;
    return take_filter(include, exclude, &options->filter);
}

static bool take_facts(struct rec_beginning *beginning, PyObject *settings, const char *parent_run)
{
    PyObject *folder, *name, *info, *wants;
    if (!PyArg_ParseTuple(beginning->facts, "SSO!O!", &folder, &name, &PyList_Type, &info, &PyTuple_Type, &wants))
        return false;
    beginning->pairs = PyMem_Calloc((size_t)PyList_GET_SIZE(info) + 2, sizeof *beginning->pairs);
    if (!beginning->pairs) {
        PyErr_NoMemory();
        return false;
    }
    struct rec_run_options *options = &beginning->options;
    options->folder = PyBytes_AS_STRING(folder);
    options->name = PyBytes_AS_STRING(name);
    options->owner = settings;
    options->info = beginning->pairs;
    if (parent_run[0])
        beginning->pairs[options->info_count++] = rec_text_pair("parent_run", parent_run);
    return take_pairs(info, beginning->pairs, &options->info_count) && take_wants(wants, options);
}

bool rec_settings_begin(PyObject *settings, const char *parent_run, struct rec_beginning *beginning)
{
    *beginning = (struct rec_beginning){.facts = PyObject_CallMethod(settings, "begin", NULL)};
    if (beginning->facts && take_facts(beginning, settings, parent_run))
        return true;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "begin(): expected pairs of bytes and tuples of bytes");
    return false;
}

void rec_beginning_free(struct rec_beginning *beginning)
{
    Py_XDECREF(beginning->facts);
    PyMem_Free(beginning->pairs);
}

#include "rewrite/redaction.h"

#include <stddef.h>
#include <string.h>

enum topic { TOPIC_NONE, TOPIC_PATHS, TOPIC_HOST, TOPIC_ARGV, TOPIC_LABELS, TOPIC_TEXTS };

/* All keys of SPEC.md 4.1 and 4.4, and what the recorder writes besides. A key that ends in ':' is a prefix. */
static const struct {
    const char *key;
    enum topic topic;
} topics[] = {
    {"argv", TOPIC_ARGV},
    {"backend", TOPIC_NONE},
    {"clock", TOPIC_NONE},
    {"cost_ns:", TOPIC_NONE},
    {"cwd", TOPIC_PATHS},
    {"function", TOPIC_NONE},
    {"helped_drains", TOPIC_NONE},
    {"host", TOPIC_HOST},
    {"implementation", TOPIC_NONE},
    {"kind", TOPIC_NONE},
    {"label:", TOPIC_LABELS},
    {"name", TOPIC_NONE},
    {"option:exclude", TOPIC_PATHS},
    {"option:include", TOPIC_PATHS},
    {"option:", TOPIC_NONE},
    {"os", TOPIC_NONE},
    {"outcome", TOPIC_NONE},
    {"parent_run", TOPIC_NONE},
    {"pid", TOPIC_NONE},
    {"python", TOPIC_NONE},
    {"python_build", TOPIC_NONE},
    {"repaired_calls", TOPIC_NONE},
    {"thread", TOPIC_TEXTS},
    {"warning", TOPIC_PATHS}, /* what failed, often with the name of a file */
    {"writer", TOPIC_NONE},
};

static bool is_key(struct cptrace_string key, const char *known)
{
    const size_t length = strlen(known);
    const bool prefix = known[length - 1] == ':';
    return (prefix ? key.length >= length : key.length == length) && memcmp(key.bytes, known, length) == 0;
}

/* "process:3:argv" of a merged file is as "argv". */
static struct cptrace_string without_process(struct cptrace_string key)
{
    static const char process[] = "process:";
    while (key.length > sizeof process - 1 && memcmp(key.bytes, process, sizeof process - 1) == 0) {
        const char *const number = key.bytes + (sizeof process - 1);
        const char *const colon = memchr(number, ':', key.length - (sizeof process - 1));
        if (!colon)
            break;
        key.length -= (uint32_t)(colon + 1 - key.bytes);
        key.bytes = colon + 1;
    }
    return key;
}

static bool removes(const struct redaction *redaction, enum topic topic)
{
    switch (topic) {
    case TOPIC_PATHS:
        return redaction->paths;
    case TOPIC_HOST:
        return redaction->host;
    case TOPIC_ARGV:
        return redaction->argv;
    case TOPIC_LABELS:
        return redaction->labels;
    case TOPIC_TEXTS:
        return redaction->texts;
    case TOPIC_NONE:
        break;
    }
    return false;
}

bool redaction_keeps(const struct redaction *redaction, struct cptrace_string key)
{
    const struct cptrace_string inner = without_process(key);
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; ++i) {
        if (is_key(inner, topics[i].key))
            return !removes(redaction, topics[i].topic);
    }
    return !redaction->unknown;
}

static bool is_separator(char c) { return c == '/' || c == '\\'; }

/* Where the last component of path[0..length) begins. */
static size_t component_begin(const char *path, size_t length)
{
    while (length > 0 && !is_separator(path[length - 1]))
        --length;
    return length;
}

static bool is_component(const char *path, size_t begin, size_t end, const char *name, size_t length)
{
    return end - begin == length && memcmp(path + begin, name, length) == 0;
}

/* The end of a component without ".py" and the like. */
static size_t stem_end(const char *path, size_t begin, size_t end)
{
    for (size_t i = end; i > begin; --i) {
        if (path[i - 1] == '.')
            return i - 1;
    }
    return end;
}

/* Walks up the path and the module's name at the same time, as long as they agree. */
struct cptrace_string redaction_path(struct cptrace_string path, struct cptrace_string module)
{
    size_t begin = component_begin(path.bytes, path.length);
    const size_t file_begin = begin;
    size_t end = stem_end(path.bytes, begin, path.length), module_left = module.length;
    if (is_component(path.bytes, begin, end, "__init__", 8) && begin > 0) {
        end = begin - 1;
        begin = component_begin(path.bytes, end);
    }
    while (module_left > 0) {
        size_t name = module_left;
        while (name > 0 && module.bytes[name - 1] != '.')
            --name;
        if (!is_component(path.bytes, begin, end, module.bytes + name, module_left - name))
            return (struct cptrace_string){path.bytes + file_begin, path.length - (uint32_t)file_begin};
        if (name == 0)
            return (struct cptrace_string){path.bytes + begin, path.length - (uint32_t)begin};
        module_left = name - 1;
        if (begin == 0)
            break;
        end = begin - 1;
        begin = component_begin(path.bytes, end);
    }
    return (struct cptrace_string){path.bytes + file_begin, path.length - (uint32_t)file_begin};
}

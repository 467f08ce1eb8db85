#include "filter.h"

#include <stdlib.h>
#include <string.h>

#include "cptrace/ring.h"
#include "function.h"

struct text {
    const char *bytes;
    size_t length;
};

/* `*` any characters, `?` one. Goes back to the last star only, so it is never slower than pattern × text. */
static bool matches(const char *pattern, struct text text)
{
    const char *star = NULL;
    size_t at = 0, star_at = 0;
    while (at < text.length) {
        if (*pattern == '*') {
            star = pattern++;
            star_at = at;
        } else if (*pattern && (*pattern == '?' || *pattern == text.bytes[at])) {
            pattern++;
            at++;
        } else if (star) {
            pattern = star + 1;
            at = ++star_at;
        } else
            return false;
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

static bool is_separator(char c) { return c == '/' || c == '\\'; }

static bool is_for_paths(const char *pattern)
{
    const size_t length = strlen(pattern);
    return strpbrk(pattern, "/\\") || (length > 3 && strcmp(pattern + length - 3, ".py") == 0);
}

static bool matches_path(const char *pattern, struct text path)
{
    if (matches(pattern, path))
        return true;
    if (is_separator(pattern[0]) || pattern[0] == '*')
        return false;
    for (size_t i = 0; i + 1 < path.length; i++)
        if (is_separator(path.bytes[i]) && matches(pattern, (struct text){path.bytes + i + 1, path.length - i - 1}))
            return true;
    return false;
}

/* The module, or a package that it is in. */
static bool matches_module(const char *pattern, struct text module)
{
    for (size_t length = 1; length <= module.length; length++)
        if ((length == module.length || module.bytes[length] == '.') && matches(pattern, (struct text){module.bytes, length}))
            return true;
    return false;
}

static bool any_matches(char *const *patterns, size_t count, struct text module, struct text path)
{
    for (size_t i = 0; i < count; i++)
        if (is_for_paths(patterns[i]) ? matches_path(patterns[i], path) : matches_module(patterns[i], module))
            return true;
    return false;
}

bool rec_filter_leaves_out(const struct rec_filter *filter, const struct rec_function *function)
{
    if (!filter)
        return false;
    const struct cptrace_ring_function *fixed = function->definition;
    const char *strings = (const char *)(fixed + 1);
    const struct text module = {strings + fixed->qualified_name_bytes, fixed->module_bytes};
    const struct text path = {module.bytes + fixed->module_bytes + fixed->library_bytes, fixed->path_bytes};
    return (filter->include_count && !any_matches(filter->include, filter->include_count, module, path)) ||
           any_matches(filter->exclude, filter->exclude_count, module, path);
}

static bool copy(char ***to, size_t *to_count, const char *const *from, size_t count)
{
    *to = calloc(count + 1, sizeof **to);
    for (; *to && *to_count < count; ++*to_count)
        if (!((*to)[*to_count] = strdup(from[*to_count])))
            return false;
    return *to != NULL;
}

struct rec_filter *rec_filter_create(const char *const *include, size_t include_count, const char *const *exclude, size_t exclude_count)
{
    struct rec_filter *filter = calloc(1, sizeof *filter);
    if (filter && copy(&filter->include, &filter->include_count, include, include_count) &&
        copy(&filter->exclude, &filter->exclude_count, exclude, exclude_count))
        return filter;
    rec_filter_free(filter);
    return NULL;
}

static void free_patterns(char **patterns, size_t count)
{
    for (size_t i = 0; patterns && i < count; i++)
        free(patterns[i]);
    free(patterns);
}

void rec_filter_free(struct rec_filter *filter)
{
    if (!filter)
        return;
    free_patterns(filter->include, filter->include_count);
    free_patterns(filter->exclude, filter->exclude_count);
    free(filter);
}

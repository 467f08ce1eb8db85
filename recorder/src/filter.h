/* Which functions a run leaves out, by module and by file: include= and exclude=. */
#ifndef REC_FILTER_H
#define REC_FILTER_H

#include <stdbool.h>
#include <stddef.h>

struct rec_function;

struct rec_filter {
    char **include; /* patterns, owned; none: everything */
    size_t include_count;
    char **exclude;
    size_t exclude_count;
};

/* A pattern with a slash, or that ends in .py, is matched against the file: from its beginning when it begins with a slash or a star, else
 * from any folder on. Any other is matched against the module: `json` takes in json.decoder too. `*` and `?` stand for any characters.
 * False for a NULL filter. */
bool rec_filter_leaves_out(const struct rec_filter *filter, const struct rec_function *function);

/* Copies the patterns; NULL: no memory. */
struct rec_filter *rec_filter_create(const char *const *include, size_t include_count, const char *const *exclude, size_t exclude_count);
void rec_filter_free(struct rec_filter *filter); /* NULL is fine */

#endif

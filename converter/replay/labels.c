#include "replay/labels.h"

#include <stdlib.h>
#include <string.h>

#include "replay/pair_index.h"

static const char label_prefix[] = "label:";
enum { LABEL_PREFIX_BYTES = sizeof label_prefix - 1 };

static bool is_label(const struct cptrace_info_pair *pair)
{
    return pair->key.length >= LABEL_PREFIX_BYTES && memcmp(pair->key.bytes, label_prefix, LABEL_PREFIX_BYTES) == 0;
}

static size_t count_labels(const struct cptrace_info_pair *pairs, size_t count)
{
    size_t label_count = 0;
    for (size_t i = 0; i < count; ++i)
        label_count += is_label(&pairs[i]);
    return label_count;
}

static bool has_key(const struct pair_index *index, struct cptrace_string key)
{
    size_t count;
    pair_index_find(index, key, &count);
    return count > 0;
}

/* But for those whose key is in `replaced`. Returns the new count. */
static size_t append(struct cptrace_info_pair *labels, size_t label_count, const struct cptrace_info_pair *pairs, size_t count,
                     const struct pair_index *replaced)
{
    for (size_t i = 0; i < count; ++i) {
        const struct cptrace_string key = pairs[i].key;
        if (is_label(&pairs[i]) && !has_key(replaced, key))
            labels[label_count++] =
                (struct cptrace_info_pair){{key.bytes + LABEL_PREFIX_BYTES, key.length - LABEL_PREFIX_BYTES}, pairs[i].value};
    }
    return label_count;
}

bool labels_gather(const struct trace_facts *facts, struct cptrace_info_pair **labels, size_t *count)
{
    static const struct pair_index none;
    const size_t most = count_labels(facts->info, facts->info_count) + count_labels(facts->end_info, facts->end_info_count);
    *labels = NULL;
    *count = 0;
    if (most == 0)
        return true;
    struct pair_index later;
    *labels = malloc(most * sizeof **labels);
    if (!*labels || !pair_index_init(&later, facts->end_info, facts->end_info_count))
        return false;
    *count = append(*labels, 0, facts->info, facts->info_count, &later);
    *count = append(*labels, *count, facts->end_info, facts->end_info_count, &none);
    pair_index_free(&later);
    return true;
}

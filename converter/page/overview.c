#include "page/overview.h"

#include <stdlib.h>
#include <string.h>

void others_free(struct others *others)
{
    free(others->node_below);
    free(others->parents);
    *others = (struct others){0};
}

uint32_t others_below(struct others *others, uint32_t path)
{
    if (!others->node_below) {
        others->node_below = malloc(PAYLOAD_PATHS_MAX * sizeof *others->node_below);
        if (!others->node_below)
            return UINT32_MAX;
        memset(others->node_below, 0xFF, PAYLOAD_PATHS_MAX * sizeof *others->node_below);
    }
    if (others->node_below[path] != UINT32_MAX)
        return others->node_below[path];
    if (others->count == others->capacity) {
        const size_t capacity = others->capacity ? others->capacity * 2 : 64;
        uint32_t *const parents = realloc(others->parents, capacity * sizeof *parents);
        if (!parents)
            return UINT32_MAX;
        others->parents = parents;
        others->capacity = capacity;
    }
    others->parents[others->count] = path;
    return others->node_below[path] = (uint32_t)(PAYLOAD_PATHS_MAX + others->count++);
}

/* Sums one path into its "others" node. Totals of paths below a summed path are already in its total. */
static void add_other(struct replay_path *sum, const struct replay_path *path, bool directly_below)
{
    const bool first = sum->call_count == 0;
    sum->call_count += path->call_count;
    sum->raised_count += path->raised_count;
    sum->unfinished_count += path->unfinished_count;
    sum->self_ns += path->self_ns;
    sum->self_waiting_ns += path->self_waiting_ns;
    sum->omitted_call_count += path->omitted_call_count;
    sum->omitted_ns += path->omitted_ns;
    if (directly_below) {
        sum->waiting_ns += path->waiting_ns;
        sum->total_ns += path->total_ns;
        sum->suspended_ns += path->suspended_ns;
    }
    if (first || path->min_ns < sum->min_ns)
        sum->min_ns = path->min_ns;
    if (first || path->max_ns > sum->max_ns)
        sum->max_ns = path->max_ns;
    if (first || path->first_start_ns < sum->first_start_ns)
        sum->first_start_ns = path->first_start_ns;
    if (path->last_end_ns > sum->last_end_ns)
        sum->last_end_ns = path->last_end_ns;
}

/* The "others" nodes, as paths; *count of them. NULL when there are none or no memory. */
static struct replay_path *sum_others(const struct replay_result *result, struct others *others)
{
    const size_t folded = result->path_count - PAYLOAD_PATHS_MAX;
    uint32_t *const node_of = malloc(folded * sizeof *node_of);
    struct replay_path *sums = calloc(folded, sizeof *sums); /* never more nodes than folded paths */
    for (size_t i = 0; node_of && sums && i < folded; ++i) {
        const struct replay_path *const path = &result->paths[PAYLOAD_PATHS_MAX + i];
        const bool directly_below = path->parent < PAYLOAD_PATHS_MAX;
        node_of[i] = directly_below ? others_below(others, path->parent) : node_of[path->parent - PAYLOAD_PATHS_MAX];
        if (node_of[i] == UINT32_MAX) {
            free(sums);
            sums = NULL;
        } else {
            add_other(&sums[node_of[i] - PAYLOAD_PATHS_MAX], path, directly_below);
        }
    }
    if (!node_of) {
        free(sums);
        sums = NULL;
    }
    free(node_of);
    return sums;
}

static void put_path(struct page_buffer *columns, uint32_t number, uint32_t parent, uint32_t function_code, const struct replay_path *path,
                     uint64_t parent_start_ns)
{
    page_buffer_varint(&columns[PATH_COLUMN_PARENT], number - parent);
    page_buffer_varint(&columns[PATH_COLUMN_FUNCTION], function_code);
    page_buffer_varint(&columns[PATH_COLUMN_CALLS], path->call_count);
    page_buffer_varint(&columns[PATH_COLUMN_RAISED], path->raised_count);
    page_buffer_varint(&columns[PATH_COLUMN_UNFINISHED], path->unfinished_count);
    page_buffer_varint(&columns[PATH_COLUMN_TOTAL], path->total_ns);
    page_buffer_varint(&columns[PATH_COLUMN_SELF], path->self_ns);
    page_buffer_varint(&columns[PATH_COLUMN_SUSPENDED], path->suspended_ns);
    page_buffer_zigzag(&columns[PATH_COLUMN_FIRST_START], (int64_t)(path->first_start_ns - parent_start_ns));
    if (path->call_count <= 1)
        return;
    page_buffer_varint(&columns[PATH_COLUMN_MIN], path->min_ns);
    page_buffer_varint(&columns[PATH_COLUMN_MAX], path->max_ns);
    page_buffer_varint(&columns[PATH_COLUMN_LAST_END], path->last_end_ns - path->first_start_ns);
}

static const struct replay_path *shown_path(const struct replay_result *result, const struct replay_path *sums, size_t number)
{
    return number >= PAYLOAD_PATHS_MAX ? &sums[number - PAYLOAD_PATHS_MAX] : &result->paths[number];
}

static bool pack_path_block(struct packer *packer, struct page_buffer *columns, const struct replay_result *result,
                            const struct others *others, const struct replay_path *sums, size_t first, size_t last)
{
    for (size_t i = first; i < last; ++i) {
        const bool is_other = i >= PAYLOAD_PATHS_MAX;
        const struct replay_path *const path = shown_path(result, sums, i);
        const uint32_t parent = i == 0 ? 0 : is_other ? others->parents[i - PAYLOAD_PATHS_MAX] : path->parent;
        const uint64_t parent_start_ns = i == 0 ? 0 : result->paths[parent].first_start_ns;
        put_path(columns, (uint32_t)i, parent, is_other || i == 0 ? 0 : path->function + 1, path, parent_start_ns);
    }
    return packer_add_columns(packer, PACKED_PATHS, last - first, columns, PATH_COLUMN_COUNT) != NULL;
}

/* What annotations say of paths, if they say anything. */
static bool pack_path_notes(struct packer *packer, const struct replay_result *result, const struct replay_path *sums, size_t path_count)
{
    struct page_buffer columns[PATH_NOTE_COLUMN_COUNT] = {0};
    size_t count = 0, before = 0;
    for (size_t i = 0; i < path_count; ++i) {
        const struct replay_path *const path = shown_path(result, sums, i);
        if (!path->waiting_ns && !path->omitted_call_count && !path->omitted_ns)
            continue;
        page_buffer_varint(&columns[PATH_NOTE_COLUMN_PATH], i - before);
        page_buffer_varint(&columns[PATH_NOTE_COLUMN_WAITING], path->waiting_ns);
        page_buffer_varint(&columns[PATH_NOTE_COLUMN_SELF_WAITING], path->self_waiting_ns);
        page_buffer_varint(&columns[PATH_NOTE_COLUMN_OMITTED_CALLS], path->omitted_call_count);
        page_buffer_varint(&columns[PATH_NOTE_COLUMN_OMITTED_TIME], path->omitted_ns);
        before = i;
        ++count;
    }
    const bool packed = count == 0 || packer_add_columns(packer, PACKED_PATH_NOTES, count, columns, PATH_NOTE_COLUMN_COUNT);
    for (size_t i = 0; i < PATH_NOTE_COLUMN_COUNT; ++i)
        page_buffer_free(&columns[i]);
    return packed;
}

bool overview_pack_paths(struct packer *packer, const struct replay_result *result, struct others *others, uint64_t *folded_paths)
{
    struct replay_path *sums = NULL;
    size_t count = result->path_count;
    *folded_paths = 0;
    if (count > PAYLOAD_PATHS_MAX) {
        *folded_paths = count - PAYLOAD_PATHS_MAX;
        sums = sum_others(result, others);
        if (!sums)
            return false;
        count = PAYLOAD_PATHS_MAX + others->count;
    }
    struct page_buffer columns[PATH_COLUMN_COUNT] = {0};
    bool packed = true;
    for (size_t first = 0; packed && first < count; first += PAYLOAD_BLOCK_PATHS) {
        const size_t last = count - first < PAYLOAD_BLOCK_PATHS ? count : first + PAYLOAD_BLOCK_PATHS;
        packed = pack_path_block(packer, columns, result, others, sums, first, last);
    }
    packed = packed && pack_path_notes(packer, result, sums, count);
    for (size_t i = 0; i < PATH_COLUMN_COUNT; ++i)
        page_buffer_free(&columns[i]);
    free(sums);
    return packed;
}

/* --- functions, as JSON arrays --- */

typedef struct cptrace_string string_of(const struct cptrace_function_definition *function);
typedef int64_t number_of(const struct cptrace_function_definition *function, const struct replay_function *sums);

static struct cptrace_string name_of(const struct cptrace_function_definition *function) { return function->qualified_name; }
static struct cptrace_string module_of(const struct cptrace_function_definition *function) { return function->module; }
static struct cptrace_string library_of(const struct cptrace_function_definition *function) { return function->library; }

#define NUMBER_OF(field, value)                                                                                                            \
    static int64_t field##_of(const struct cptrace_function_definition *function, const struct replay_function *sums)                      \
    {                                                                                                                                      \
        (void)function, (void)sums;                                                                                                        \
        return (int64_t)(value);                                                                                                           \
    }
NUMBER_OF(file, function->file == CPTRACE_NO_NUMBER ? -1 : (int64_t)function->file)
NUMBER_OF(line, function->line)
NUMBER_OF(category, function->category)
NUMBER_OF(flags, function->flags)
NUMBER_OF(calls, sums->call_count)
NUMBER_OF(raised, sums->raised_count)
NUMBER_OF(unfinished, sums->unfinished_count)
NUMBER_OF(total, sums->total_ns)
NUMBER_OF(self, sums->self_ns)
NUMBER_OF(min, sums->call_count ? sums->min_ns : 0)
NUMBER_OF(max, sums->max_ns)

static const struct {
    const char *key;
    string_of *string;
    number_of *number;
} FUNCTION_FIELDS[] = {
    {"name", name_of, NULL},       {"module", module_of, NULL},
    {"library", library_of, NULL}, {"file", NULL, file_of},
    {"line", NULL, line_of},       {"category", NULL, category_of},
    {"flags", NULL, flags_of},     {"calls", NULL, calls_of},
    {"raised", NULL, raised_of},   {"unfinished", NULL, unfinished_of},
    {"totalNs", NULL, total_of},   {"selfNs", NULL, self_of},
    {"minNs", NULL, min_of},       {"maxNs", NULL, max_of},
};

static void put_signed(struct page_buffer *json, int64_t number)
{
    if (number < 0)
        page_buffer_text(json, "-");
    page_buffer_number(json, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

static void put_field(struct page_buffer *json, size_t field, const struct cptrace_definitions *definitions,
                      const struct replay_result *result)
{
    static const struct replay_function never_called = {0};
    page_buffer_text(json, "\"");
    page_buffer_text(json, FUNCTION_FIELDS[field].key);
    page_buffer_text(json, "\":[");
    for (size_t i = 0; i < definitions->function_count; ++i) {
        const struct replay_function *const sums = i < result->function_count ? &result->functions[i] : &never_called;
        if (i)
            page_buffer_text(json, ",");
        if (FUNCTION_FIELDS[field].string)
            page_buffer_json(json, FUNCTION_FIELDS[field].string(&definitions->functions[i]));
        else
            put_signed(json, FUNCTION_FIELDS[field].number(&definitions->functions[i], sums));
    }
    page_buffer_text(json, "],");
}

bool overview_pack_functions(struct packer *packer, const struct cptrace_definitions *definitions, const struct replay_result *result)
{
    struct page_buffer json = {0};
    page_buffer_text(&json, "{");
    for (size_t field = 0; field < sizeof FUNCTION_FIELDS / sizeof FUNCTION_FIELDS[0]; ++field)
        put_field(&json, field, definitions, result);
    page_buffer_text(&json, "\"files\":[");
    for (size_t i = 0; i < definitions->file_count; ++i) {
        if (i)
            page_buffer_text(&json, ",");
        page_buffer_json(&json, definitions->files[i].path);
    }
    page_buffer_text(&json, "]}");
    const bool packed = !json.failed && packer_add(packer, PACKED_FUNCTIONS, definitions->function_count, json.bytes, json.length);
    page_buffer_free(&json);
    return packed;
}

/* --- what is slowest --- */

/* What a path weighs. A generator that waits to be asked costs nothing, so only its running time counts; a coroutine that waits is what its
 * caller waits for. */
static uint64_t weight_ns(const struct replay_path *path, const struct cptrace_definitions *definitions)
{
    const bool is_generator =
        path->function < definitions->function_count && (definitions->functions[path->function].flags & CPTRACE_FUNCTION_GENERATOR);
    return is_generator ? path->running_ns : path->total_ns;
}

size_t overview_slowest_path(const struct replay_result *result, const struct cptrace_definitions *definitions, uint32_t **paths)
{
    *paths = NULL;
    const size_t count = result->path_count < PAYLOAD_PATHS_MAX ? result->path_count : PAYLOAD_PATHS_MAX;
    uint32_t *const largest = calloc(count + 1, sizeof *largest); /* the child that weighs most; 0: none */
    if (!largest)
        return 0;
    for (uint32_t path = 1; path < count; ++path) {
        uint32_t *const best = &largest[result->paths[path].parent];
        if (*best == 0 || weight_ns(&result->paths[path], definitions) > weight_ns(&result->paths[*best], definitions))
            *best = path;
    }
    /* A path is followed downwards, so it can be written over what was read. */
    size_t length = 0;
    for (uint32_t path = largest[0]; path != 0;) {
        const uint32_t next = largest[path];
        largest[length++] = path;
        const bool own_code_is_largest = next != 0 && result->paths[path].self_ns > weight_ns(&result->paths[next], definitions);
        path = own_code_is_largest ? 0 : next;
    }
    *paths = largest;
    return length;
}

uint32_t overview_slowest_self(const struct replay_result *result)
{
    uint32_t slowest = UINT32_MAX;
    for (uint32_t i = 0; i < result->function_count; ++i) {
        const struct replay_function *const function = &result->functions[i];
        if (function->call_count && (slowest == UINT32_MAX || function->self_ns > result->functions[slowest].self_ns))
            slowest = i;
    }
    return slowest;
}

uint32_t overview_slowest_total(const struct replay_result *result)
{
    bool *const is_root = calloc(result->function_count + 1, sizeof *is_root);
    if (!is_root)
        return UINT32_MAX;
    for (size_t i = 1; i < result->path_count; ++i)
        if (result->paths[i].parent == REPLAY_ROOT_PATH)
            is_root[result->paths[i].function] = true;
    uint32_t slowest = UINT32_MAX;
    for (uint32_t i = 0; i < result->function_count; ++i) {
        const struct replay_function *const function = &result->functions[i];
        const bool counts = function->call_count && !is_root[i];
        if (counts && (slowest == UINT32_MAX || function->total_ns > result->functions[slowest].total_ns))
            slowest = i;
    }
    free(is_root);
    return slowest;
}

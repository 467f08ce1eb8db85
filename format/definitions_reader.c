#include "definitions_reader.h"

#include <stdlib.h>
#include <string.h>

#include "byte_buffer.h"
#include "error.h"
#include "frame.h"

/* Numbers that lost blocks may have defined, over the whole file: no honest file misses more, and a hostile one costs no more than this. */
#define LOST_MAX (1u << 20)

struct parse {
    struct definitions_reader *definitions;
    struct cursor cursor;
    bool lossy;
    uint64_t offset;
    struct cptrace_error *error;
};

static enum cptrace_status corrupt(const struct parse *parse, const char *table, const char *problem)
{
    return cptrace_error_set(parse->error, CPTRACE_CORRUPT, parse->offset, "definitions, table %s: %s", table, problem);
}

/* Reads the first number and count of a table, and makes room up to its end; lost numbers in between are zeroed. */
static enum cptrace_status begin_table(struct parse *parse, const char *table, void *array_pointer, size_t *have, size_t *capacity,
                                       size_t element_bytes, size_t entry_min_bytes, size_t *end)
{
    uint32_t first, count;
    if (!cursor_varint_u32(&parse->cursor, &first) || !cursor_varint_u32(&parse->cursor, &count))
        return corrupt(parse, table, "no valid first number and count");
    if (first < *have || (first > *have && count > 0 && !parse->lossy))
        return cptrace_error_set(parse->error, CPTRACE_CORRUPT, parse->offset, "definitions, table %s: expected first number %zu, found %u",
                                 table, *have, first);
    if (count > cursor_left(&parse->cursor) / entry_min_bytes)
        return corrupt(parse, table, "more entries than bytes");
    if (count == 0)
        first = (uint32_t)*have; /* an empty table tells nothing */
    if (first - *have > LOST_MAX - parse->definitions->lost_count)
        return corrupt(parse, table, "more numbers lost than possible");
    parse->definitions->lost_count += first - *have;
    *end = (size_t)first + count;
    if (!cptrace_array_reserve(array_pointer, capacity, *end, element_bytes))
        return cptrace_error_no_memory(parse->error, parse->offset);
    char *array;
    memcpy(&array, array_pointer, sizeof array);
    if (*end > *have)
        memset(array + *have * element_bytes, 0, (*end - *have) * element_bytes);
    *have = first;
    return CPTRACE_OK;
}

/* A string by its number; lost ones read as empty. */
static bool read_string_number(struct parse *parse, struct cptrace_string *string)
{
    const struct definitions_reader *const definitions = parse->definitions;
    uint32_t number;
    if (!cursor_varint_u32(&parse->cursor, &number))
        return false;
    *string = (struct cptrace_string){"", 0};
    if (number == 0)
        return true;
    if (number >= definitions->string_count)
        return parse->lossy;
    if (definitions->strings[number].bytes)
        *string = definitions->strings[number];
    return true;
}

static enum cptrace_status read_strings(struct parse *parse, char *chunk)
{
    struct definitions_reader *const to = parse->definitions;
    size_t end;
    const enum cptrace_status status =
        begin_table(parse, "strings", &to->strings, &to->string_count, &to->string_capacity, sizeof *to->strings, 1, &end);
    if (status != CPTRACE_OK)
        return status;
    for (; to->string_count < end; to->string_count++) {
        struct cptrace_string string;
        if (!cursor_string(&parse->cursor, &string))
            return corrupt(parse, "strings", "a string passes the end of the block");
        if (string.length)
            memcpy(chunk, string.bytes, string.length);
        to->strings[to->string_count] = (struct cptrace_string){chunk, string.length};
        chunk += string.length;
    }
    return CPTRACE_OK;
}

static enum cptrace_status read_files(struct parse *parse)
{
    struct definitions_reader *const to = parse->definitions;
    size_t end;
    const enum cptrace_status status =
        begin_table(parse, "files", &to->files, &to->file_count, &to->file_capacity, sizeof *to->files, 4, &end);
    if (status != CPTRACE_OK)
        return status;
    for (; to->file_count < end; to->file_count++) {
        struct cptrace_file_definition *const file = &to->files[to->file_count];
        struct cptrace_string hash;
        if (!read_string_number(parse, &file->path))
            return corrupt(parse, "files", "path is no defined string");
        if (!cursor_varint(&parse->cursor, &file->size_bytes) || !cursor_varint(&parse->cursor, &file->mtime_ns))
            return corrupt(parse, "files", "no valid size and modification time");
        if (!cursor_string(&parse->cursor, &hash) || (hash.length != 0 && hash.length != 32))
            return corrupt(parse, "files", "hash: expected 0 or 32 bytes");
    }
    return CPTRACE_OK;
}

static enum cptrace_status read_function(struct parse *parse, struct cptrace_function_definition *function)
{
    uint64_t file;
    if (!read_string_number(parse, &function->qualified_name) || !read_string_number(parse, &function->module) ||
        !read_string_number(parse, &function->library))
        return corrupt(parse, "functions", "a name is no defined string");
    if (!cursor_varint(&parse->cursor, &file) || file > CPTRACE_NO_NUMBER || (file > parse->definitions->file_count && !parse->lossy))
        return corrupt(parse, "functions", "file is not defined");
    if (!cursor_varint_u32(&parse->cursor, &function->line))
        return corrupt(parse, "functions", "no valid line");
    if (!cursor_u8(&parse->cursor, &function->category) || function->category < CPTRACE_CATEGORY_USER ||
        function->category > CPTRACE_CATEGORY_BUILTIN)
        return corrupt(parse, "functions", "category: expected 1 to 4");
    if (!cursor_u8(&parse->cursor, &function->flags) || !function_flags_are_valid(function->flags))
        return corrupt(parse, "functions", "flags: reserved bits are not zero, or a span is something else too");
    function->file = file == 0 || file > parse->definitions->file_count ? CPTRACE_NO_NUMBER : (uint32_t)(file - 1);
    function->known = true;
    return CPTRACE_OK;
}

/* A function that was lost: empty strings, no file. */
static void fill_unknown_functions(struct definitions_reader *definitions, size_t from, size_t to)
{
    static const struct cptrace_string empty = {"", 0};
    for (size_t i = from; i < to; i++)
        definitions->functions[i] = (struct cptrace_function_definition){empty, empty, empty, CPTRACE_NO_NUMBER, 0, 0, 0, false};
}

static enum cptrace_status read_functions(struct parse *parse)
{
    struct definitions_reader *const to = parse->definitions;
    const size_t before = to->function_count;
    size_t end;
    enum cptrace_status status =
        begin_table(parse, "functions", &to->functions, &to->function_count, &to->function_capacity, sizeof *to->functions, 7, &end);
    if (status == CPTRACE_OK)
        fill_unknown_functions(to, before, to->function_count);
    for (; status == CPTRACE_OK && to->function_count < end; to->function_count++)
        status = read_function(parse, &to->functions[to->function_count]);
    return status;
}

static enum cptrace_status read_lanes(struct parse *parse)
{
    struct definitions_reader *const to = parse->definitions;
    size_t end;
    const enum cptrace_status status =
        begin_table(parse, "lanes", &to->lanes, &to->lane_count, &to->lane_capacity, sizeof *to->lanes, 3, &end);
    if (status != CPTRACE_OK)
        return status;
    for (; to->lane_count < end; to->lane_count++) {
        struct cptrace_lane_definition *const lane = &to->lanes[to->lane_count];
        if (!cursor_u8(&parse->cursor, &lane->kind) || lane->kind != 1)
            return corrupt(parse, "lanes", "kind: expected 1");
        if (!cursor_varint(&parse->cursor, &lane->os_thread_id))
            return corrupt(parse, "lanes", "no valid thread id");
        if (!read_string_number(parse, &lane->name))
            return corrupt(parse, "lanes", "name is no defined string");
    }
    return CPTRACE_OK;
}

static enum cptrace_status read_tasks(struct parse *parse)
{
    struct definitions_reader *const to = parse->definitions;
    size_t end;
    const enum cptrace_status status =
        begin_table(parse, "tasks", &to->tasks, &to->task_count, &to->task_capacity, sizeof *to->tasks, 3, &end);
    if (status != CPTRACE_OK)
        return status;
    for (; to->task_count < end; to->task_count++) {
        struct cptrace_task_definition *const task = &to->tasks[to->task_count];
        uint64_t creating;
        if (!read_string_number(parse, &task->name))
            return corrupt(parse, "tasks", "name is no defined string");
        if (!cursor_varint_u32(&parse->cursor, &task->root_activation) || !cursor_varint(&parse->cursor, &creating) ||
            creating > CPTRACE_NO_NUMBER)
            return corrupt(parse, "tasks", "no valid activation");
        task->creating_activation = creating ? (uint32_t)(creating - 1) : CPTRACE_NO_NUMBER;
    }
    return CPTRACE_OK;
}

/* Lost files, lanes and tasks were zeroed; their strings must be empty, not NULL, their activations none. */
static void fill_unknown(struct definitions_reader *definitions, const struct definitions_reader *before)
{
    for (size_t i = before->file_count; i < definitions->file_count; i++)
        if (!definitions->files[i].path.bytes)
            definitions->files[i].path.bytes = "";
    for (size_t i = before->lane_count; i < definitions->lane_count; i++)
        if (!definitions->lanes[i].name.bytes)
            definitions->lanes[i].name.bytes = "";
    for (size_t i = before->task_count; i < definitions->task_count; i++)
        if (!definitions->tasks[i].name.bytes)
            definitions->tasks[i] = (struct cptrace_task_definition){{"", 0}, CPTRACE_NO_NUMBER, CPTRACE_NO_NUMBER};
}

static enum cptrace_status read_tables(struct parse *parse, char *chunk)
{
    struct definitions_reader *const to = parse->definitions;
    if (to->string_count == 0) { /* number 0, the empty string */
        if (!cptrace_array_reserve(&to->strings, &to->string_capacity, 1, sizeof *to->strings))
            return cptrace_error_no_memory(parse->error, parse->offset);
        to->strings[to->string_count++] = (struct cptrace_string){"", 0};
    }
    enum cptrace_status status = read_strings(parse, chunk);
    if (status == CPTRACE_OK)
        status = read_files(parse);
    if (status == CPTRACE_OK)
        status = read_functions(parse);
    if (status == CPTRACE_OK)
        status = read_lanes(parse);
    if (status == CPTRACE_OK)
        status = read_tasks(parse);
    if (status == CPTRACE_OK && cursor_left(&parse->cursor))
        return corrupt(parse, "tasks", "bytes behind the last entry");
    return status;
}

static void publish(struct definitions_reader *from)
{
    from->published = (struct cptrace_definitions){
        .files = from->files,
        .file_count = from->file_count,
        .functions = from->functions,
        .function_count = from->function_count,
        .lanes = from->lanes,
        .lane_count = from->lane_count,
        .tasks = from->tasks,
        .task_count = from->task_count,
    };
}

/* Counts back to what they were; arrays and capacities stay. */
static void roll_back(struct definitions_reader *definitions, const struct definitions_reader *before)
{
    definitions->string_count = before->string_count;
    definitions->file_count = before->file_count;
    definitions->function_count = before->function_count;
    definitions->lane_count = before->lane_count;
    definitions->task_count = before->task_count;
    definitions->chunk_count = before->chunk_count;
}

enum cptrace_status cptrace_definitions_read(struct definitions_reader *definitions, const struct cptrace_block *block, bool lossy,
                                             struct cptrace_error *error)
{
    const struct definitions_reader before = *definitions;
    struct parse parse = {
        .definitions = definitions,
        .cursor = {block->content + BLOCK_HEADER_BYTES, block->content + block->content_bytes},
        .lossy = lossy,
        .offset = block->offset,
        .error = error,
    };
    char *const chunk = malloc(block->content_bytes);
    if (!chunk || !cptrace_array_reserve(&definitions->chunks, &definitions->chunk_capacity, definitions->chunk_count + 1,
                                         sizeof *definitions->chunks)) {
        free(chunk);
        return cptrace_error_no_memory(error, block->offset);
    }
    definitions->chunks[definitions->chunk_count++] = chunk;
    const enum cptrace_status status = read_tables(&parse, chunk);
    if (status == CPTRACE_OK) {
        fill_unknown(definitions, &before);
    } else {
        roll_back(definitions, &before);
        free(chunk);
    }
    publish(definitions);
    return status;
}

void cptrace_definitions_reader_free(struct definitions_reader *definitions)
{
    for (size_t i = 0; i < definitions->chunk_count; i++)
        free(definitions->chunks[i]);
    free(definitions->chunks);
    free(definitions->strings);
    free(definitions->files);
    free(definitions->functions);
    free(definitions->lanes);
    free(definitions->tasks);
    *definitions = (struct definitions_reader){0};
}

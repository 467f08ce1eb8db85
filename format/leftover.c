#include "leftover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "error.h"
#include "frame.h"
#include "os_files.h"

/* ---- paths ---- */

static char *joined(const char *folder, const char *name, const char *suffix)
{
    const size_t capacity = strlen(folder) + strlen(name) + strlen(suffix) + 1;
    char *const path = malloc(capacity);
    if (path)
        snprintf(path, capacity, "%s%s%s", folder, name, suffix);
    return path;
}

static const char *file_name(const char *path)
{
    const char *name = path;
    for (const char *at = path; *at; at++)
        if (*at == '/' || (CPTRACE_PATHS_HAVE_BACKSLASH && *at == '\\'))
            name = at + 1;
    return name;
}

static char *copy_of(const char *text, size_t length)
{
    char *const copy = malloc(length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = 0;
    }
    return copy;
}

static bool ends_with(const char *text, const char *suffix)
{
    const size_t length = strlen(text), suffix_length = strlen(suffix);
    return length > suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

static bool is_ring_name(const char *name)
{
    return strncmp(name, CPTRACE_RING_FILE_PREFIX, strlen(CPTRACE_RING_FILE_PREFIX)) == 0 && ends_with(name, CPTRACE_RING_FILE_SUFFIX);
}

static bool is_part_name(const char *name) { return ends_with(name, CPTRACE_PART_SUFFIX); }

bool cptrace_may_be_leftover(const char *path)
{
    const char *const name = file_name(path);
    return is_ring_name(name) || is_part_name(name);
}

/* ---- finding the files ---- */

static enum cptrace_status open_file(const char *path, struct cptrace_file **file, struct cptrace_error *error)
{
    int error_number;
    *file = cptrace_file_open(path, &error_number);
    if (*file)
        return CPTRACE_OK;
    return error_number == ENOMEM ? cptrace_error_no_memory(error, 0) : cptrace_error_system(error, 0, "open", error_number);
}

/* The file id of a trace; 0: it is none, or cannot be read. */
static uint32_t file_id_of(const struct cptrace_file *file)
{
    uint8_t header[HEADER_BYTES];
    size_t done = 0;
    while (done < sizeof header) {
        const int64_t count = cptrace_file_read_at(file, done, header + done, sizeof header - done);
        if (count <= 0)
            return 0;
        done += (size_t)count;
    }
    return load_u32(header) == MAGIC_HEADER && memcmp(header + 8, SIGNATURE, SIGNATURE_BYTES) == 0 ? load_u32(header + 20) : 0;
}

static bool is_saved(const struct cptrace_recovery *recovery)
{
    int error_number;
    struct cptrace_file *const file = cptrace_file_open(recovery->trace_path, &error_number);
    const bool is = file && file_id_of(file) == recovery->image.head.file_id;
    cptrace_file_close(file);
    return is;
}

/* The part that goes with a ring file: it has its file id; or no header yet, when the spool was just being copied into it. */
static bool is_part_of(const struct cptrace_file *part, const struct cptrace_ring_file *head)
{
    return file_id_of(part) == (cptrace_file_size(part) < HEADER_BYTES && head->spool_bytes > 0 ? 0 : head->file_id);
}

struct ring_search {
    struct cptrace_recovery *recovery;
    bool no_memory;
};

static bool look_at_ring(void *context, const char *name)
{
    struct ring_search *const search = context;
    struct cptrace_recovery *const recovery = search->recovery;
    int error_number = 0;
    if (!is_ring_name(name))
        return true;
    char *const path = joined(recovery->folder, name, "");
    struct cptrace_file *const file = path ? cptrace_file_open(path, &error_number) : NULL;
    struct ring_image image = {0};
    const bool found = file && cptrace_ring_image_read_head(file, &image, NULL) == CPTRACE_OK &&
                       image.head.state == CPTRACE_RING_FILE_RECORDING && is_part_of(recovery->part, &image.head) &&
                       (file_id_of(recovery->part) || strcmp(file_name(recovery->trace_path), image.head.trace_name) == 0);
    if (found) {
        recovery->ring_path = path;
        recovery->ring = file;
        recovery->image = image;
        return false;
    }
    search->no_memory = !path || (!file && error_number == ENOMEM);
    cptrace_file_close(file);
    free(path);
    return !search->no_memory;
}

/* A part: its ring file is the one with its file id. */
static enum cptrace_status open_part(struct cptrace_recovery *recovery, const char *path, struct cptrace_error *error)
{
    const enum cptrace_status status = open_file(path, &recovery->part, error);
    if (status != CPTRACE_OK)
        return status;
    recovery->part_path = copy_of(path, strlen(path));
    recovery->trace_path = copy_of(path, strlen(path) - strlen(CPTRACE_PART_SUFFIX));
    if (!recovery->part_path || !recovery->trace_path)
        return cptrace_error_no_memory(error, 0);
    struct ring_search search = {recovery, false};
    cptrace_folder_visit(recovery->folder[0] ? recovery->folder : ".", look_at_ring, &search); /* without it: a cut trace */
    return search.no_memory ? cptrace_error_no_memory(error, 0) : CPTRACE_OK;
}

static enum cptrace_status open_ring(struct cptrace_recovery *recovery, const char *path, struct cptrace_error *error)
{
    enum cptrace_status status = open_file(path, &recovery->ring, error);
    if (status != CPTRACE_OK)
        return status;
    recovery->ring_path = copy_of(path, strlen(path));
    if (!recovery->ring_path)
        return cptrace_error_no_memory(error, 0);
    status = cptrace_ring_image_read_head(recovery->ring, &recovery->image, error);
    if (status != CPTRACE_OK || recovery->image.head.state != CPTRACE_RING_FILE_RECORDING)
        return status;
    const char *const name = recovery->image.head.trace_name;
    recovery->trace_path = joined(recovery->folder, name, "");
    recovery->part_path = joined(recovery->folder, name, CPTRACE_PART_SUFFIX);
    if (!recovery->trace_path || !recovery->part_path)
        return cptrace_error_no_memory(error, 0);
    if (open_file(recovery->part_path, &recovery->part, error) == CPTRACE_NO_MEMORY)
        return CPTRACE_NO_MEMORY;
    if (recovery->part && is_part_of(recovery->part, &recovery->image.head))
        return CPTRACE_OK;
    cptrace_file_close(recovery->part);
    recovery->part = NULL;
    free(recovery->part_path);
    recovery->part_path = NULL;
    return CPTRACE_OK;
}

static enum cptrace_leftover kind_of(const struct cptrace_recovery *recovery)
{
    if (!recovery->ring)
        return CPTRACE_LEFTOVER_CUT;
    if (cptrace_file_is_owned(recovery->ring, recovery->image.head.process_id))
        return CPTRACE_LEFTOVER_LIVE;
    if (recovery->image.head.state != CPTRACE_RING_FILE_RECORDING)
        return CPTRACE_LEFTOVER_IDLE;
    if (!recovery->part && !leftover_is_spooled(recovery) && is_saved(recovery))
        return CPTRACE_LEFTOVER_IDLE;
    return CPTRACE_LEFTOVER_RUN;
}

/* The head was read before the file was locked: its process may have gone on in between, and died. */
static enum cptrace_status look_whether_it_changed(const struct cptrace_recovery *recovery, struct cptrace_error *error)
{
    struct ring_image *const now = calloc(1, sizeof *now);
    if (!now)
        return cptrace_error_no_memory(error, 0);
    enum cptrace_status status = cptrace_ring_image_read_head(recovery->ring, now, error);
    if (status == CPTRACE_OK && memcmp(&now->head, &recovery->image.head, sizeof now->head) != 0)
        status = cptrace_error_set(error, CPTRACE_IO_ERROR, 0, "ring file: its process ended while it was being read: try again");
    free(now);
    return status;
}

static enum cptrace_status measure_written(struct cptrace_recovery *recovery, struct cptrace_error *error)
{
    if (leftover_is_spooled(recovery)) {
        recovery->written_bytes = recovery->image.head.spool_bytes;
        return CPTRACE_OK;
    }
    if (!recovery->part) {
        if (recovery->kind == CPTRACE_LEFTOVER_RUN)
            return cptrace_error_set(error, CPTRACE_CORRUPT, 0, "ring file: the trace that it belongs to is not there (%s%s)",
                                     recovery->image.head.trace_name, CPTRACE_PART_SUFFIX);
        return CPTRACE_OK;
    }
    const int64_t bytes = cptrace_file_size(recovery->part);
    if (bytes < 0)
        return cptrace_error_system(error, 0, "size", (int)-bytes);
    recovery->written_bytes = (uint64_t)bytes;
    return CPTRACE_OK;
}

enum cptrace_status cptrace_leftover_find(struct cptrace_recovery *recovery, const char *path, struct cptrace_error *error)
{
    const char *const name = file_name(path);
    recovery->folder = copy_of(path, (size_t)(name - path));
    if (!recovery->folder)
        return cptrace_error_no_memory(error, 0);
    const enum cptrace_status status = is_ring_name(name) ? open_ring(recovery, path, error) : open_part(recovery, path, error);
    if (status != CPTRACE_OK)
        return status;
    recovery->kind = kind_of(recovery);
    if (recovery->ring && recovery->kind != CPTRACE_LEFTOVER_LIVE) {
        const enum cptrace_status changed = look_whether_it_changed(recovery, error);
        if (changed != CPTRACE_OK)
            return changed;
    }
    return measure_written(recovery, error);
}

void cptrace_leftover_close(struct cptrace_recovery *recovery)
{
    cptrace_ring_image_free(&recovery->image);
    cptrace_file_close(recovery->ring);
    cptrace_file_close(recovery->part);
    free(recovery->folder);
    free(recovery->ring_path);
    free(recovery->part_path);
    free(recovery->trace_path);
}

/* ---- folders ---- */

struct leftovers_walk {
    const char *folder;
    bool (*visit)(void *context, const char *path);
    void *context;
    bool wants_parts;
    bool no_memory;
};

static bool walk_entry(void *context, const char *name)
{
    struct leftovers_walk *const walk = context;
    if (!(walk->wants_parts ? is_part_name(name) : is_ring_name(name)))
        return true;
    const size_t length = strlen(walk->folder);
    char *const path = joined(walk->folder, length && walk->folder[length - 1] != '/' ? "/" : "", name);
    walk->no_memory = !path;
    const bool more = path && walk->visit(walk->context, path);
    free(path);
    return more;
}

enum cptrace_status cptrace_leftovers_visit(const char *folder, bool (*visit)(void *context, const char *path), void *context,
                                            struct cptrace_error *error)
{
    struct leftovers_walk walk = {.folder = folder, .visit = visit, .context = context};
    int error_number = cptrace_folder_visit(folder, walk_entry, &walk);
    walk.wants_parts = true;
    if (error_number == 0 && !walk.no_memory)
        error_number = cptrace_folder_visit(folder, walk_entry, &walk);
    if (walk.no_memory)
        return cptrace_error_no_memory(error, 0);
    return error_number ? cptrace_error_system(error, 0, "read the folder", error_number) : CPTRACE_OK;
}

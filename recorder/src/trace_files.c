#include "trace_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "platform.h"

static char *format_path(const char *folder, const char *name, const char *stamp, unsigned attempt)
{
    size_t capacity = strlen(folder) + strlen(name) + strlen(stamp) + 40;
    char *path = malloc(capacity);
    if (path && attempt < 2)
        snprintf(path, capacity, "%s/%s_%s.cptrace", folder, name, stamp);
    else if (path)
        snprintf(path, capacity, "%s/%s_%s_%u.cptrace", folder, name, stamp, attempt);
    return path;
}

static char *with_suffix(const char *path, const char *suffix)
{
    size_t length = strlen(path), extra = strlen(suffix) + 1;
    char *joined = malloc(length + extra);
    if (joined) {
        memcpy(joined, path, length);
        memcpy(joined + length, suffix, extra);
    }
    return joined;
}

void rec_trace_files_free(struct rec_trace_files *files)
{
    free(files->final_path);
    free(files->part_path);
    free(files->ring_path);
    files->final_path = files->part_path = files->ring_path = NULL;
}

static int set_paths(struct rec_trace_files *files, const char *folder, const char *name, const char *stamp, unsigned attempt)
{
    rec_trace_files_free(files);
    files->final_path = format_path(folder, name, stamp, attempt);
    files->part_path = files->final_path ? with_suffix(files->final_path, ".part") : NULL;
    files->ring_path = files->final_path ? with_suffix(files->final_path, ".ring") : NULL;
    return files->part_path && files->ring_path ? 0 : ENOMEM;
}

/* Where the search for a free name begins: after the name that this process took last, if that was the same one. A function that runs a
 * thousand times a second would otherwise look at all names before. */
static unsigned first_attempt(const char *folder, const char *name, const char *stamp, unsigned taken)
{
    static char last[512];
    static unsigned last_attempt;
    char now[sizeof last];
    snprintf(now, sizeof now, "%s/%s/%s", stamp, name, folder);
    if (taken) {
        memcpy(last, now, sizeof last);
        last_attempt = taken;
    }
    return strcmp(now, last) == 0 ? last_attempt + 1 : 1;
}

/* EEXIST when any of the three is there: what a dead run left is never touched. */
static int create_both(struct rec_trace_files *files)
{
    if (rec_file_exists(files->final_path))
        return EEXIST;
    int status = rec_file_create_new(files->part_path, &files->part_file);
    if (status)
        return status;
    status = rec_file_create_new(files->ring_path, &files->ring_file);
    if (status) {
        rec_file_remove(files->part_path);
        rec_trace_files_close(files);
    }
    return status;
}

int rec_trace_files_create(struct rec_trace_files *files, const char *folder, const char *name)
{
    char stamp[32];
    time_t now = (time_t)(rec_platform_utc_ns() / 1000000000u);
    struct tm local;
    localtime_r(&now, &local);
    strftime(stamp, sizeof stamp, "%Y%m%d_%H%M%S", &local);
    files->part_file = files->ring_file = -1;
    unsigned attempt = first_attempt(folder, name, stamp, 0);
    int status = set_paths(files, folder, name, stamp, attempt);
    if (status == 0)
        status = create_both(files);
    if (status == ENOENT && (status = rec_directory_create(folder)) == 0)
        status = create_both(files);
    while (status == EEXIST) {
        status = set_paths(files, folder, name, stamp, ++attempt);
        if (status == 0)
            status = create_both(files);
    }
    if (status == 0)
        first_attempt(folder, name, stamp, attempt);
    return status;
}

int rec_trace_files_publish(struct rec_trace_files *files)
{
    int status = rec_file_publish(files->part_path, files->final_path);
    size_t stem = strlen(files->final_path) - strlen(".cptrace");
    for (unsigned attempt = 2; status == EEXIST && attempt < 1000000; attempt++) {
        char *other = malloc(stem + 40);
        if (!other)
            return ENOMEM;
        snprintf(other, stem + 40, "%.*s_%u.cptrace", (int)stem, files->final_path, attempt);
        status = rec_file_publish(files->part_path, other);
        if (status == 0) {
            free(files->final_path);
            files->final_path = other;
        } else
            free(other);
    }
    return status;
}

void rec_trace_files_close(struct rec_trace_files *files)
{
    if (files->part_file >= 0)
        rec_file_close(files->part_file);
    if (files->ring_file >= 0)
        rec_file_close(files->ring_file);
    files->part_file = files->ring_file = -1;
}

void rec_trace_files_remove(struct rec_trace_files *files)
{
    if (files->part_file >= 0)
        rec_file_remove(files->part_path);
    if (files->ring_file >= 0)
        rec_file_remove(files->ring_path);
    rec_trace_files_close(files);
}

#include "trace_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lock.h"
#include "platform.h"

#define ATTEMPT_MAX 1000000u

void rec_trace_files_free(struct rec_trace_files *files)
{
    free(files->folder);
    free(files->stem);
    free(files->final_path);
    free(files->part_path);
    files->folder = files->stem = files->final_path = files->part_path = NULL;
}

static int set_paths(struct rec_trace_files *files, unsigned attempt)
{
    const size_t capacity = strlen(files->stem) + 40;
    free(files->final_path);
    free(files->part_path);
    files->final_path = malloc(capacity);
    files->part_path = malloc(capacity);
    if (!files->final_path || !files->part_path)
        return ENOMEM;
    files->attempt = attempt;
    if (attempt < 2)
        snprintf(files->final_path, capacity, "%s.cptrace", files->stem);
    else
        snprintf(files->final_path, capacity, "%s_%u.cptrace", files->stem, attempt);
    snprintf(files->part_path, capacity, "%s.part", files->final_path);
    return 0;
}

static int set_stem(struct rec_trace_files *files, const char *folder, const char *name)
{
    char stamp[32];
    const time_t now = (time_t)(rec_platform_utc_ns() / 1000000000u);
    struct tm local;
    localtime_r(&now, &local);
    strftime(stamp, sizeof stamp, "%Y%m%d_%H%M%S", &local);
    const size_t capacity = strlen(folder) + strlen(name) + strlen(stamp) + 3;
    files->folder = strdup(folder);
    files->stem = malloc(capacity);
    if (!files->folder || !files->stem)
        return ENOMEM;
    snprintf(files->stem, capacity, "%s/%s_%s", folder, name, stamp);
    return 0;
}

/* The search for a free name goes on after the one that this process took last, if the stem is the same: a function that runs a thousand
 * times a second would otherwise look at all names before. */
static unsigned next_attempt(const char *stem)
{
    static char last_stem[512];
    static unsigned last_attempt;
    rec_lock();
    if (strncmp(last_stem, stem, sizeof last_stem - 1) != 0) {
        snprintf(last_stem, sizeof last_stem, "%s", stem);
        last_attempt = 0;
    }
    const unsigned attempt = ++last_attempt;
    rec_unlock();
    return attempt;
}

int rec_trace_files_plan(struct rec_trace_files *files, const char *folder, const char *name)
{
    files->part_file = -1;
    const int status = set_stem(files, folder, name);
    return status ? status : set_paths(files, next_attempt(files->stem));
}

int rec_trace_files_create_part(struct rec_trace_files *files)
{
    int status = rec_file_create_new(files->part_path, &files->part_file);
    if (status == ENOENT && (status = rec_directory_create(files->folder)) == 0)
        status = rec_file_create_new(files->part_path, &files->part_file);
    while (status == EEXIST && files->attempt < ATTEMPT_MAX) {
        status = set_paths(files, files->attempt + 1);
        if (status == 0)
            status = rec_file_create_new(files->part_path, &files->part_file);
    }
    return status;
}

int rec_trace_files_publish(struct rec_trace_files *files)
{
    char *part_path = files->part_path;
    files->part_path = NULL; /* set_paths must not free it while names are tried */
    int status = rec_file_publish(part_path, files->final_path);
    while (status == EEXIST && files->attempt < ATTEMPT_MAX) {
        status = set_paths(files, files->attempt + 1);
        if (status == 0)
            status = rec_file_publish(part_path, files->final_path);
    }
    free(files->part_path);
    files->part_path = part_path;
    return status;
}

int rec_trace_files_close(struct rec_trace_files *files)
{
    const int status = files->part_file >= 0 ? rec_file_close(files->part_file) : 0;
    files->part_file = -1;
    return status;
}

void rec_trace_files_remove(struct rec_trace_files *files)
{
    if (files->part_file >= 0)
        rec_file_remove(files->part_path);
    rec_trace_files_close(files);
}

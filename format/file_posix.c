#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os_files.h"

struct cptrace_file {
    int descriptor;
};

/* Some systems refuse larger requests. */
#define READ_MAX_BYTES ((size_t)1 << 30)

struct cptrace_file *cptrace_file_open(const char *path, int *error_number)
{
    struct cptrace_file *const file = malloc(sizeof *file);
    if (!file) {
        *error_number = ENOMEM;
        return NULL;
    }
    file->descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (file->descriptor < 0) {
        *error_number = errno;
        free(file);
        return NULL;
    }
    return file;
}

static_assert(sizeof(off_t) == 8, "a trace may be larger than 2 GiB");

int64_t cptrace_file_read(void *context, void *buffer, size_t capacity)
{
    const struct cptrace_file *const file = context;
    ssize_t count;
    do
        count = read(file->descriptor, buffer, capacity < READ_MAX_BYTES ? capacity : READ_MAX_BYTES);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

int64_t cptrace_file_read_at(const struct cptrace_file *file, uint64_t offset, void *buffer, size_t capacity)
{
    ssize_t count;
    do
        count = pread(file->descriptor, buffer, capacity < READ_MAX_BYTES ? capacity : READ_MAX_BYTES, (off_t)offset);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

int64_t cptrace_file_size(const struct cptrace_file *file)
{
    struct stat status;
    return fstat(file->descriptor, &status) == 0 ? (int64_t)status.st_size : -errno;
}

void cptrace_file_close(struct cptrace_file *file)
{
    if (!file)
        return;
    close(file->descriptor);
    free(file);
}

/* 0 or an errno value; EWOULDBLOCK: another process has it. */
static int lock(const struct cptrace_file *file, int how)
{
    int status;
    do
        status = flock(file->descriptor, how | LOCK_NB) == 0 ? 0 : errno;
    while (status == EINTR);
    return status;
}

bool cptrace_file_is_owned(const struct cptrace_file *file, uint64_t process_id)
{
    const int status = lock(file, LOCK_SH);
    if (status == 0 || status == EWOULDBLOCK)
        return status != 0;
    return process_id > 0 && process_id <= INT32_MAX && (kill((pid_t)process_id, 0) == 0 || errno == EPERM);
}

bool cptrace_file_claim(const struct cptrace_file *file) { return lock(file, LOCK_EX) != EWOULDBLOCK; }

int cptrace_folder_visit(const char *folder, bool (*visit)(void *context, const char *name), void *context)
{
    DIR *const directory = opendir(folder);
    if (!directory)
        return errno;
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(directory)) && visit(context, entry->d_name))
        errno = 0;
    const int status = entry ? 0 : errno;
    closedir(directory);
    return status;
}

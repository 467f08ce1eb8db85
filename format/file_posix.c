#include "file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

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

void cptrace_file_close(struct cptrace_file *file)
{
    if (!file)
        return;
    close(file->descriptor);
    free(file);
}

/* A file that is read: the only place that knows the operating system. */
#ifndef CPTRACE_FILE_H
#define CPTRACE_FILE_H

#include <stddef.h>
#include <stdint.h>

struct cptrace_file;

/* NULL on failure, with an errno value. */
struct cptrace_file *cptrace_file_open(const char *path, int *error_number);
/* How many bytes were read (0 at the end), or -errno. */
int64_t cptrace_file_read(void *file, void *buffer, size_t capacity);
/* As read, at an offset; safe to call from several threads. */
int64_t cptrace_file_read_at(const struct cptrace_file *file, uint64_t offset, void *buffer, size_t capacity);
/* The size in bytes, or -errno. */
int64_t cptrace_file_size(const struct cptrace_file *file);
void cptrace_file_close(struct cptrace_file *file);

#endif

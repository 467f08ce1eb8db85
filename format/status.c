#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

const char *cptrace_status_name(enum cptrace_status status)
{
    switch (status) {
    case CPTRACE_OK:
        return "ok";
    case CPTRACE_END:
        return "end";
    case CPTRACE_TRUNCATED:
        return "truncated";
    case CPTRACE_NOT_A_TRACE:
        return "not a trace";
    case CPTRACE_NEWER_VERSION:
        return "newer version";
    case CPTRACE_CORRUPT:
        return "corrupt";
    case CPTRACE_IO_ERROR:
        return "i/o error";
    case CPTRACE_NO_MEMORY:
        return "no memory";
    case CPTRACE_INVALID_ARGUMENT:
        return "invalid argument";
    }
    return "unknown status";
}

enum cptrace_status cptrace_error_set(struct cptrace_error *error, enum cptrace_status status, uint64_t offset, const char *format, ...)
{
    if (!error)
        return status;
    error->status = status;
    error->offset = offset;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return status;
}

enum cptrace_status cptrace_error_system(struct cptrace_error *error, uint64_t offset, const char *what, int error_number)
{
    return cptrace_error_set(error, CPTRACE_IO_ERROR, offset, "%s: %s", what, strerror(error_number));
}

enum cptrace_status cptrace_error_no_memory(struct cptrace_error *error, uint64_t offset)
{
    return cptrace_error_set(error, CPTRACE_NO_MEMORY, offset, "out of memory");
}

/* Fills struct cptrace_error. */
#ifndef CPTRACE_ERROR_H
#define CPTRACE_ERROR_H

#include "cptrace/cptrace.h"

#if defined(__MINGW32__)
__attribute__((format(gnu_printf, 4, 5)))
#elif defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
/* Returns status, so that a failure is one statement. error may be NULL. */
enum cptrace_status
cptrace_error_set(struct cptrace_error *error, enum cptrace_status status, uint64_t offset, const char *format, ...);

/* IO_ERROR with the system's words for error_number. */
enum cptrace_status cptrace_error_system(struct cptrace_error *error, uint64_t offset, const char *what, int error_number);
enum cptrace_status cptrace_error_no_memory(struct cptrace_error *error, uint64_t offset);

#endif

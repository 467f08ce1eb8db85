/* What recovery asks of the operating system, beside reading (file.h). */
#ifndef CPTRACE_OS_FILES_H
#define CPTRACE_OS_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "file.h"

#ifdef _WIN32
#define CPTRACE_PATHS_HAVE_BACKSLASH true
#else
#define CPTRACE_PATHS_HAVE_BACKSLASH false
#endif

/* Whether the process that keeps this file locked is still there; on a file system without locks, whether one with that number is. If not,
 * the file is locked by us for as long as it is open: shared with other readers. */
bool cptrace_file_is_owned(const struct cptrace_file *file, uint64_t process_id);
/* Makes our lock exclusive. false: somebody else has the file, too. */
bool cptrace_file_claim(const struct cptrace_file *file);

/* Calls visit with the name of each entry, in any order; stops when it returns false. 0 or an errno value. */
int cptrace_folder_visit(const char *folder, bool (*visit)(void *context, const char *name), void *context);

#endif

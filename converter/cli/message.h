/* Every message of the programs goes through these: "cp2html: error: FILE: offset 0x1f3: expected ..., found ...". Names from files are
 * shown without control characters, so that a hostile name cannot drive a terminal. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include <stdbool.h>

#include "cptrace/cptrace.h"

#if defined(__MINGW32__)
#define MESSAGE_FORMAT __attribute__((format(gnu_printf, 1, 2)))
#elif defined(__GNUC__)
#define MESSAGE_FORMAT __attribute__((format(printf, 1, 2)))
#else
#define MESSAGE_FORMAT
#endif

enum message_level { MESSAGE_QUIET, MESSAGE_NORMAL, MESSAGE_VERBOSE };

/* How the program calls itself ("cptrace info"); the string must outlive it. */
void message_program(const char *name);
void message_level(enum message_level level);

void message_error(const char *format, ...) MESSAGE_FORMAT;
void message_warning(const char *format, ...) MESSAGE_FORMAT; /* not when quiet */
void message_detail(const char *format, ...) MESSAGE_FORMAT;  /* when verbose */

/* An error of libcptrace about a file; "-" is shown as standard input. */
void message_trace_error(const char *path, const struct cptrace_error *error);

/* An error of usage, and where to read on. */
void message_usage(const char *format, ...) MESSAGE_FORMAT;

const char *message_file_name(const char *path);

#endif

/* What differs between operating systems, for the converter: threads, temporary files, terminals, signals. One implementation per system
 * (platform_posix.c, platform_win32.c); nothing else in converter/ asks which system it runs on. */
#ifndef PLATFORM_PLATFORM_H
#define PLATFORM_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A thread, and a gate: a lock with one condition. Starting may fail (returns false): callers then work alone. */
struct platform_thread;
bool platform_thread_start(struct platform_thread **thread, void (*work)(void *context), void *context);
void platform_thread_join(struct platform_thread *thread); /* frees it; NULL is fine */

struct platform_gate;
struct platform_gate *platform_gate_create(void); /* NULL: no memory */
void platform_gate_free(struct platform_gate *gate);
void platform_gate_lock(struct platform_gate *gate);
void platform_gate_unlock(struct platform_gate *gate);
void platform_gate_wait(struct platform_gate *gate); /* held; may wake without reason */
void platform_gate_wake(struct platform_gate *gate); /* held; wakes all */

/* Asks the system that this many files may be open at once, besides a few. It may refuse: then opening fails. */
void platform_allow_open_files(size_t count);

enum platform_file_kind { PLATFORM_FILE_REGULAR, PLATFORM_FILE_DIRECTORY, PLATFORM_FILE_OTHER, PLATFORM_FILE_MISSING };
enum platform_file_kind platform_file_kind(const char *path);
bool platform_same_file(const char *left, const char *right);

/* Creates a new file beside `beside` (NULL: in the folder for temporary files), open for writing, with *path owned by the caller. NULL with
 * errno set on failure. The file is guarded: see below. */
FILE *platform_temporary_file(const char *beside, char **path);
/* Puts a finished file in the place of another, or of none. 0, or an errno value. Ends the guard of `from`. */
int platform_replace_file(const char *from, const char *to);
/* Removes a file that platform_temporary_file made, and ends its guard. */
void platform_remove_file(const char *path);
/* Removes it already now where an open file may lose its name; else platform_remove_file must follow when it is closed. */
void platform_unlink_open_file(const char *path);

/* From here on, SIGINT, SIGTERM and SIGHUP remove every guarded file before the program dies of the signal. */
void platform_guard_files(void);

bool platform_is_terminal(FILE *stream);
unsigned platform_terminal_columns(FILE *stream); /* 80 when unknown */
void platform_binary_stream(FILE *stream);        /* no newline translation */
uint64_t platform_clock_ns(void);                 /* monotonic */

#endif

/* All that differs between operating systems, for the recorder. One implementation per system: platform_posix.c. */
#ifndef REC_PLATFORM_H
#define REC_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t rec_platform_monotonic_ns(void);
uint64_t rec_platform_utc_ns(void);
/* Whether the system itself takes the processor's time stamp counter for steady and equal on all processors. True when it does not tell. */
bool rec_platform_trusts_tsc(void);
uint64_t rec_platform_thread_id(void);
/* What the calling thread has used so far: CPU time, and how often it gave the CPU up to wait (0 where the system does not tell). */
uint64_t rec_platform_thread_cpu_ns(void);
uint64_t rec_platform_voluntary_switches(void);
/* The OS's name of the calling thread, NUL-terminated; empty when it has none. */
void rec_platform_thread_name(char *name, size_t capacity);
void rec_platform_random(void *bytes, size_t length);
uint32_t rec_platform_pid(void);

/* Files. Functions return 0 or an errno value. */
int rec_file_create_new(const char *path, int *file);            /* EEXIST when it is there */
int rec_file_append(int file, const void *bytes, size_t length); /* all of it: short writes and EINTR are retried */
int rec_file_resize(int file, uint64_t length_bytes);
int rec_file_lock(int file);      /* for as long as this process lives and keeps it open: others can see that it is in use */
bool rec_file_has_name(int file); /* it was not removed */
int rec_file_close(int file);
int rec_file_remove(const char *path);
int rec_file_open(const char *path, int *file);                           /* one that is there, for reading */
int rec_file_read(int file, void *bytes, size_t length, uint64_t offset); /* all of it, or EIO */
/* Calls visit with the name of each entry, in any order; entries that come and go meanwhile may be missed. */
int rec_directory_visit(const char *path, void (*visit)(void *context, const char *name), void *context);
/* Gives a finished file its name; EEXIST when that name is taken (never overwrites). */
int rec_file_publish(const char *from, const char *to);
int rec_directory_create(const char *path); /* and its parents; 0 when it is there */
bool rec_file_exists(const char *path);
void rec_file_facts(const char *path, uint64_t *size_bytes, uint64_t *mtime_ns); /* zeros when unknown */

/* Reserves disk space for [offset, offset + length) — so that touching the mapping cannot fail later — and maps it shared. */
int rec_map_shared(int file, uint64_t offset, size_t length, void **address);
void rec_unmap(void *address, size_t length);

/* A bell: stays rung until it is heard. */
#define REC_FOREVER_NS UINT64_MAX
struct rec_bell;
struct rec_bell *rec_bell_create(void);
void rec_bell_ring(struct rec_bell *bell);
void rec_bell_wait(struct rec_bell *bell, uint64_t at_most_ns);

struct rec_os_thread;
int rec_os_thread_start(void (*body)(void), struct rec_os_thread **thread); /* 0 or an errno value */
void rec_os_thread_join(struct rec_os_thread *thread);                      /* waits for its end and frees it */

struct rec_mutex;
struct rec_mutex *rec_mutex_create(void); /* NULL: no memory */
void rec_mutex_free(struct rec_mutex *mutex);
void rec_mutex_lock(struct rec_mutex *mutex);
bool rec_mutex_try_lock(struct rec_mutex *mutex); /* false: somebody holds it */
void rec_mutex_unlock(struct rec_mutex *mutex);

/* Runs `before` in the process that is about to fork, and `in_child` in the child, before any Python code. */
int rec_platform_on_fork(void (*before)(void), void (*in_child)(void));
/* Runs `body` with value when the calling thread ends. */
int rec_platform_on_thread_end(void (*body)(void *), void *value);

#endif

#define _GNU_SOURCE
#include "platform.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/random.h>
#include <sys/syscall.h>
#endif

static uint64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t rec_platform_monotonic_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
uint64_t rec_platform_utc_ns(void) { return clock_ns(CLOCK_REALTIME); }
uint32_t rec_platform_pid(void) { return (uint32_t)getpid(); }

uint64_t rec_platform_thread_id(void)
{
#if defined(__linux__)
    return (uint64_t)syscall(SYS_gettid);
#elif defined(__APPLE__)
    uint64_t id = 0;
    pthread_threadid_np(NULL, &id);
    return id;
#else
    return (uint64_t)(uintptr_t)pthread_self();
#endif
}

#ifdef __linux__
#define CLOCK_SOURCES "/sys/devices/system/clocksource/clocksource0/"

static bool read_line(const char *path, char *line, int capacity)
{
    FILE *file = fopen(path, "re");
    const bool is_read = file && fgets(line, capacity, file);
    if (file)
        fclose(file);
    return is_read;
}

/* The kernel leaves the TSC when it finds it unsteady (and strikes it from those available); guests often use their host's clock instead,
 * with a TSC that is as good. */
bool rec_platform_trusts_tsc(void)
{
    char current[64], available[256];
    if (!read_line(CLOCK_SOURCES "current_clocksource", current, sizeof current))
        return true; /* a sandbox without /sys */
    if (strcmp(current, "tsc\n") == 0)
        return true;
    const bool is_host_clock = strncmp(current, "kvm-clock", 9) == 0 || strncmp(current, "hyperv_clocksource", 18) == 0;
    return is_host_clock && read_line(CLOCK_SOURCES "available_clocksource", available, sizeof available) && strstr(available, "tsc ");
}
#else
bool rec_platform_trusts_tsc(void) { return true; }
#endif

uint64_t rec_platform_thread_cpu_ns(void) { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

uint64_t rec_platform_voluntary_switches(void)
{
#ifdef RUSAGE_THREAD
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) == 0)
        return (uint64_t)usage.ru_nvcsw;
#endif
    return 0;
}

void rec_platform_thread_name(char *name, size_t capacity)
{
    name[0] = 0;
#if defined(__linux__) || defined(__APPLE__)
    if (pthread_getname_np(pthread_self(), name, capacity) != 0)
        name[0] = 0;
#else
    (void)capacity;
#endif
}

void rec_platform_random(void *bytes, size_t length)
{
#if defined(__linux__)
    if (getrandom(bytes, length, 0) == (ssize_t)length)
        return;
#elif defined(__APPLE__)
    arc4random_buf(bytes, length);
    return;
#endif
    /* No source of randomness: ids need only differ between runs. */
    uint64_t seed = rec_platform_utc_ns() ^ ((uint64_t)getpid() << 40);
    for (size_t i = 0; i < length; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ((unsigned char *)bytes)[i] = (unsigned char)(seed >> 56);
    }
}

static int open_file(const char *path, int flags, int *file)
{
    do
        *file = open(path, flags | O_CLOEXEC, 0666);
    while (*file < 0 && errno == EINTR);
    return *file < 0 ? errno : 0;
}

int rec_file_create_new(const char *path, int *file) { return open_file(path, O_RDWR | O_CREAT | O_EXCL, file); }
int rec_file_open(const char *path, int *file) { return open_file(path, O_RDONLY | O_NOFOLLOW, file); }

/* Who writes beyond RLIMIT_FSIZE gets SIGXFSZ besides EFBIG: that is for what the program writes. */
struct size_signal {
    sigset_t before;
    bool was_pending;
};

static void hold_size_signal(struct size_signal *held)
{
    sigset_t size, pending;
    sigemptyset(&size);
    sigaddset(&size, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &size, &held->before);
    held->was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ);
}

static void release_size_signal(const struct size_signal *held, int status)
{
    sigset_t size, pending;
    int number;
    sigemptyset(&size);
    sigaddset(&size, SIGXFSZ);
    if (status == EFBIG && !held->was_pending && sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ))
        sigwait(&size, &number);
    pthread_sigmask(SIG_SETMASK, &held->before, NULL);
}

static int write_all(int file, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(file, bytes, length);
        if (written < 0 && errno != EINTR)
            return errno;
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

int rec_file_append(int file, const void *bytes, size_t length)
{
    struct size_signal held;
    hold_size_signal(&held);
    const int status = write_all(file, bytes, length);
    release_size_signal(&held, status);
    return status;
}

int rec_file_read(int file, void *bytes, size_t length, uint64_t offset)
{
    ssize_t got;
    do
        got = pread(file, bytes, length, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)length ? 0 : got < 0 ? errno : EIO;
}

int rec_directory_visit(const char *path, void (*visit)(void *context, const char *name), void *context)
{
    DIR *directory = opendir(path);
    if (!directory)
        return errno;
    for (const struct dirent *entry; (entry = readdir(directory));)
        visit(context, entry->d_name);
    closedir(directory);
    return 0;
}

int rec_file_resize(int file, uint64_t length_bytes)
{
    int result;
    do
        result = ftruncate(file, (off_t)length_bytes);
    while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

int rec_file_lock(int file) { return flock(file, LOCK_EX | LOCK_NB) < 0 ? errno : 0; }

bool rec_file_has_name(int file)
{
    struct stat facts;
    return fstat(file, &facts) == 0 && facts.st_nlink > 0;
}

/* Interrupted, it is closed nevertheless. */
int rec_file_close(int file) { return close(file) < 0 && errno != EINTR ? errno : 0; }
int rec_file_remove(const char *path) { return unlink(path) < 0 ? errno : 0; }

/* ENOSYS where the system or the file system does not know of it. */
static int rename_to_new(const char *from, const char *to)
{
#if defined(__linux__) && defined(RENAME_NOREPLACE)
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == EINVAL ? ENOSYS : errno;
#elif defined(__APPLE__)
    if (renamex_np(from, to, RENAME_EXCL) == 0)
        return 0;
    return errno == ENOTSUP ? ENOSYS : errno;
#else
    (void)from, (void)to;
    return ENOSYS;
#endif
}

int rec_file_publish(const char *from, const char *to)
{
    int status = rename_to_new(from, to);
    if (status != ENOSYS)
        return status;
    if (link(from, to) == 0)
        return unlink(from) < 0 ? errno : 0;
    if (errno == EEXIST)
        return EEXIST;
    /* A file system without hard links: look, then rename. */
    if (rec_file_exists(to))
        return EEXIST;
    return rename(from, to) < 0 ? errno : 0;
}

bool rec_file_exists(const char *path)
{
    struct stat facts;
    return lstat(path, &facts) == 0;
}

int rec_directory_create(const char *path)
{
    if (mkdir(path, 0777) == 0)
        return 0;
    if (errno == EEXIST) {
        struct stat facts;
        return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode) ? 0 : ENOTDIR;
    }
    if (errno != ENOENT)
        return errno;
    char *parent = strdup(path);
    if (!parent)
        return ENOMEM;
    int status = ENOENT;
    size_t end = strlen(parent);
    while (end > 1 && parent[end - 1] == '/')
        end--;
    while (end > 0 && parent[end - 1] != '/')
        end--;
    if (end > 1) {
        parent[end - 1] = 0;
        status = rec_directory_create(parent);
    }
    free(parent);
    if (status)
        return status;
    return mkdir(path, 0777) == 0 || errno == EEXIST ? 0 : errno;
}

void rec_file_facts(const char *path, uint64_t *size_bytes, uint64_t *mtime_ns)
{
    struct stat facts;
    *size_bytes = *mtime_ns = 0;
    if (stat(path, &facts) != 0 || !S_ISREG(facts.st_mode))
        return;
    *size_bytes = (uint64_t)facts.st_size;
#ifdef __APPLE__
    *mtime_ns = (uint64_t)facts.st_mtimespec.tv_sec * 1000000000u + (uint64_t)facts.st_mtimespec.tv_nsec;
#else
    *mtime_ns = (uint64_t)facts.st_mtim.tv_sec * 1000000000u + (uint64_t)facts.st_mtim.tv_nsec;
#endif
}

static int reserve_by_writing(int file, uint64_t offset, size_t length)
{
    static const char zeros[65536];
    while (length > 0) {
        size_t part = length < sizeof zeros ? length : sizeof zeros;
        ssize_t written = pwrite(file, zeros, part, (off_t)offset);
        if (written < 0 && errno != EINTR)
            return errno;
        if (written > 0) {
            offset += (uint64_t)written;
            length -= (size_t)written;
        }
    }
    return 0;
}

/* A hole in a shared mapping kills the process with SIGBUS when the disk is full; reserved space does not. */
static int reserve(int file, uint64_t offset, size_t length)
{
#ifdef __linux__
    int result;
    do
        result = fallocate(file, 0, (off_t)offset, (off_t)length);
    while (result < 0 && errno == EINTR);
    if (result == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
        return errno;
#endif
    return reserve_by_writing(file, offset, length);
}

int rec_map_shared(int file, uint64_t offset, size_t length, void **address)
{
    struct size_signal held;
    hold_size_signal(&held);
    const int status = reserve(file, offset, length);
    release_size_signal(&held, status);
    if (status)
        return status;
    void *mapped = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)offset);
    if (mapped == MAP_FAILED)
        return errno;
    *address = mapped;
    return 0;
}

void rec_unmap(void *address, size_t length) { munmap(address, length); }

struct rec_bell {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    bool rung;
};

struct rec_bell *rec_bell_create(void)
{
    struct rec_bell *bell = calloc(1, sizeof *bell);
    if (!bell)
        return NULL;
    pthread_mutex_init(&bell->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
#ifndef __APPLE__ /* which has no choice, and waits for a time instead of until one */
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
    pthread_cond_init(&bell->condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return bell;
}

void rec_bell_ring(struct rec_bell *bell)
{
    pthread_mutex_lock(&bell->mutex);
    bell->rung = true;
    pthread_cond_signal(&bell->condition);
    pthread_mutex_unlock(&bell->mutex);
}

/* Of the clock that bells go by. */
static struct timespec timespec_of(uint64_t ns)
{
    enum { NS_PER_S = 1000000000 };
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

/* With the mutex. Not 0 when the end has come. */
static int wait_until(struct rec_bell *bell, uint64_t end_ns)
{
#ifdef __APPLE__
    const uint64_t now_ns = rec_platform_monotonic_ns();
    const struct timespec left = timespec_of(end_ns > now_ns ? end_ns - now_ns : 0);
    return pthread_cond_timedwait_relative_np(&bell->condition, &bell->mutex, &left);
#else
    const struct timespec end = timespec_of(end_ns);
    return pthread_cond_timedwait(&bell->condition, &bell->mutex, &end);
#endif
}

void rec_bell_wait(struct rec_bell *bell, uint64_t at_most_ns)
{
    const uint64_t end_ns = rec_platform_monotonic_ns() + at_most_ns;
    int status = 0;
    pthread_mutex_lock(&bell->mutex);
    while (!bell->rung && status == 0)
        status = at_most_ns == REC_FOREVER_NS ? pthread_cond_wait(&bell->condition, &bell->mutex) : wait_until(bell, end_ns);
    bell->rung = false;
    pthread_mutex_unlock(&bell->mutex);
}

struct rec_os_thread {
    pthread_t id;
    void (*body)(void);
};

static void *thread_main(void *argument)
{
#ifdef __linux__
    pthread_setname_np(pthread_self(), "callprofiler");
#endif
    ((struct rec_os_thread *)argument)->body();
    return NULL;
}

int rec_os_thread_start(void (*body)(void), struct rec_os_thread **thread)
{
    struct rec_os_thread *started = malloc(sizeof *started);
    if (!started)
        return ENOMEM;
    started->body = body;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    /* The program's signals are for the program's threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&started->id, &attributes, thread_main, started);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (status)
        free(started);
    else
        *thread = started;
    return status;
}

void rec_os_thread_join(struct rec_os_thread *thread)
{
    pthread_join(thread->id, NULL);
    free(thread);
}

struct rec_mutex {
    pthread_mutex_t mutex;
};

struct rec_mutex *rec_mutex_create(void)
{
    struct rec_mutex *mutex = calloc(1, sizeof *mutex);
    if (mutex)
        pthread_mutex_init(&mutex->mutex, NULL);
    return mutex;
}

void rec_mutex_free(struct rec_mutex *mutex)
{
    if (!mutex)
        return;
    pthread_mutex_destroy(&mutex->mutex);
    free(mutex);
}

void rec_mutex_lock(struct rec_mutex *mutex) { pthread_mutex_lock(&mutex->mutex); }
bool rec_mutex_try_lock(struct rec_mutex *mutex) { return pthread_mutex_trylock(&mutex->mutex) == 0; }
void rec_mutex_unlock(struct rec_mutex *mutex) { pthread_mutex_unlock(&mutex->mutex); }

int rec_platform_on_fork(void (*before)(void), void (*in_child)(void)) { return pthread_atfork(before, NULL, in_child); }

static pthread_key_t thread_end_key;
static pthread_once_t thread_end_once = PTHREAD_ONCE_INIT;
static void (*thread_end_body)(void *);

static void make_thread_end_key(void) { pthread_key_create(&thread_end_key, thread_end_body); }

int rec_platform_on_thread_end(void (*body)(void *), void *value)
{
    thread_end_body = body;
    pthread_once(&thread_end_once, make_thread_end_key);
    return pthread_setspecific(thread_end_key, value);
}

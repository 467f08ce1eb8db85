#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct platform_thread {
    pthread_t handle;
    void (*work)(void *context);
    void *context;
};

/* The signals at which guarded files are removed, and the mask before they were blocked. */
static const int fatal_signals[] = {SIGINT, SIGTERM, SIGHUP};
#define FATAL_SIGNAL_COUNT (sizeof fatal_signals / sizeof fatal_signals[0])

static void fatal_signal_set(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < FATAL_SIGNAL_COUNT; ++i)
        sigaddset(set, fatal_signals[i]);
}

static void block_fatal_signals(sigset_t *previous)
{
    sigset_t blocked;
    fatal_signal_set(&blocked);
    pthread_sigmask(SIG_BLOCK, &blocked, previous);
}

static void restore_signals(const sigset_t *previous) { pthread_sigmask(SIG_SETMASK, previous, NULL); }

static void *thread_main(void *argument)
{
    const struct platform_thread *thread = argument;
    thread->work(thread->context);
    return NULL;
}

bool platform_thread_start(struct platform_thread **thread, void (*work)(void *context), void *context)
{
    struct platform_thread *started = malloc(sizeof *started);
    if (!started)
        return false;
    started->work = work;
    started->context = context;
    /* A signal is taken by the thread that makes files, so that blocking it there is enough. */
    sigset_t previous;
    block_fatal_signals(&previous);
    const int problem = pthread_create(&started->handle, NULL, thread_main, started);
    restore_signals(&previous);
    if (problem) {
        free(started);
        return false;
    }
    *thread = started;
    return true;
}

void platform_thread_join(struct platform_thread *thread)
{
    if (!thread)
        return;
    pthread_join(thread->handle, NULL);
    free(thread);
}

struct platform_gate {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
};

struct platform_gate *platform_gate_create(void)
{
    struct platform_gate *gate = malloc(sizeof *gate);
    if (!gate)
        return NULL;
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->condition, NULL);
    return gate;
}

void platform_gate_free(struct platform_gate *gate)
{
    if (!gate)
        return;
    pthread_cond_destroy(&gate->condition);
    pthread_mutex_destroy(&gate->mutex);
    free(gate);
}

void platform_gate_lock(struct platform_gate *gate) { pthread_mutex_lock(&gate->mutex); }

void platform_gate_unlock(struct platform_gate *gate) { pthread_mutex_unlock(&gate->mutex); }

void platform_gate_wait(struct platform_gate *gate) { pthread_cond_wait(&gate->condition, &gate->mutex); }

void platform_gate_wake(struct platform_gate *gate) { pthread_cond_broadcast(&gate->condition); }

void platform_allow_open_files(size_t count)
{
    enum { BESIDES = 64 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= count + BESIDES)
        return;
    const rlim_t wanted = (rlim_t)count + BESIDES;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

enum platform_file_kind platform_file_kind(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return PLATFORM_FILE_MISSING;
    if (S_ISDIR(status.st_mode))
        return PLATFORM_FILE_DIRECTORY;
    return S_ISREG(status.st_mode) ? PLATFORM_FILE_REGULAR : PLATFORM_FILE_OTHER;
}

bool platform_same_file(const char *left, const char *right)
{
    struct stat a, b;
    return stat(left, &a) == 0 && stat(right, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Guarded files stand in a fixed table, because a signal handler reads it: a program here has at most two. Fatal signals are blocked
 * wherever the table and the file system disagree for a moment. */
#define GUARDED_FILE_MAX 4
static char *volatile guarded_files[GUARDED_FILE_MAX];

static void guard_file(char *path)
{
    for (size_t i = 0; i < GUARDED_FILE_MAX; ++i) {
        if (!guarded_files[i]) {
            guarded_files[i] = path;
            return;
        }
    }
}

static void unguard_file(const char *path)
{
    for (size_t i = 0; i < GUARDED_FILE_MAX; ++i) {
        char *guarded = guarded_files[i];
        if (guarded && strcmp(guarded, path) == 0) {
            guarded_files[i] = NULL;
            free(guarded);
        }
    }
}

static void remove_guarded_files(int signal_number)
{
    for (size_t i = 0; i < GUARDED_FILE_MAX; ++i) {
        if (guarded_files[i])
            unlink(guarded_files[i]);
    }
    /* SA_RESETHAND: the second delivery ends the program with this signal, as its parent expects. */
    raise(signal_number);
}

void platform_guard_files(void)
{
    for (size_t i = 0; i < FATAL_SIGNAL_COUNT; ++i) {
        struct sigaction previous;
        if (sigaction(fatal_signals[i], NULL, &previous) == 0 && previous.sa_handler == SIG_IGN)
            continue; /* nohup */
        struct sigaction action = {.sa_handler = remove_guarded_files, .sa_flags = (int)SA_RESETHAND};
        fatal_signal_set(&action.sa_mask);
        sigaction(fatal_signals[i], &action, NULL);
    }
}

static char *temporary_path(const char *beside)
{
    static const char suffix[] = ".XXXXXX";
    const char *folder = getenv("TMPDIR");
    const char *stem = beside ? beside : (folder && *folder ? folder : "/tmp");
    const char *middle = beside ? "" : "/cptrace";
    const size_t capacity = strlen(stem) + strlen(middle) + sizeof suffix;
    char *path = malloc(capacity);
    if (path)
        snprintf(path, capacity, "%s%s%s", stem, middle, suffix);
    return path;
}

/* mkstemp makes files for the owner alone; a report should get the mode that any new file of this user has. */
static void set_usual_mode(int descriptor)
{
    const mode_t mask = umask(0);
    umask(mask);
    fchmod(descriptor, 0666 & ~mask);
}

/* A stream to a new file at *made, which mkstemp's pattern is. Fatal signals are blocked. */
static FILE *open_guarded(char *made, bool usual_mode)
{
    char *guarded = malloc(strlen(made) + 1);
    const int descriptor = guarded ? mkstemp(made) : -1;
    if (descriptor < 0) {
        free(guarded);
        return NULL;
    }
    if (usual_mode)
        set_usual_mode(descriptor);
    FILE *stream = fdopen(descriptor, "w+b");
    if (!stream) {
        const int problem = errno;
        close(descriptor);
        unlink(made);
        free(guarded);
        errno = problem;
        return NULL;
    }
    guard_file(strcpy(guarded, made));
    return stream;
}

FILE *platform_temporary_file(const char *beside, char **path)
{
    char *made = temporary_path(beside);
    if (!made)
        return NULL;
    sigset_t previous;
    block_fatal_signals(&previous);
    FILE *stream = open_guarded(made, beside != NULL);
    const int problem = errno;
    restore_signals(&previous);
    if (!stream) {
        free(made);
        errno = problem;
        return NULL;
    }
    *path = made;
    return stream;
}

int platform_replace_file(const char *from, const char *to)
{
    sigset_t previous;
    block_fatal_signals(&previous);
    const int problem = rename(from, to) == 0 ? 0 : errno;
    if (!problem)
        unguard_file(from);
    restore_signals(&previous);
    return problem;
}

void platform_remove_file(const char *path)
{
    sigset_t previous;
    block_fatal_signals(&previous);
    unlink(path);
    unguard_file(path);
    restore_signals(&previous);
}

void platform_unlink_open_file(const char *path) { platform_remove_file(path); }

bool platform_is_terminal(FILE *stream) { return isatty(fileno(stream)) == 1; }

unsigned platform_terminal_columns(FILE *stream)
{
    struct winsize size;
    return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void platform_binary_stream(FILE *stream) { (void)stream; }

uint64_t platform_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

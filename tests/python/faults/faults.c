/* Preloaded into a Python process: makes system calls of the recorder fail, as rules say, and leaves all others alone. fault_injection.py
 * builds it.
 *
 *     CALL[:PATH]=ACTION[@FIRST][+TIMES][%EVERY]      several rules are separated by blanks
 *
 * CALL: the name of a function below. PATH: what the path must contain. ACTION: the name of an error; or for write and pwrite `short` (one
 * byte is written), `half`, `fullBYTES` (so many bytes are taken in all, then ENOSPC); for these and open `sleepMS`, `wait` (for
 * other rules); for clock_gettime `back` (a day).
 * FIRST: the first matching call that fails (1). TIMES: how many do. EVERY: only each so manieth.
 * The rules stand in FAULTS when the process begins; it can set others: faults_set(rules). faults_count(rule number): calls that it hit. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RULES_MAX = 16 };

struct rule {
    char call[24], path[64], action[24];
    long first, times, every;
    long matched, hit, budget;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[RULES_MAX];
static int rule_count;
static _Atomic int generation; /* of the rules */

static void take_number(const char *text, char mark, long *number)
{
    const char *at = strchr(text, mark);
    if (at)
        *number = strtol(at + 1, NULL, 10);
}

static void parse(char *text, struct rule *rule)
{
    *rule = (struct rule){.first = 1, .times = LONG_MAX, .every = 1, .budget = -1};
    char *action = strchr(text, '='), *path;
    if (!action) {
        fprintf(stderr, "faults: no action in %s\n", text);
        abort();
    }
    *action++ = 0;
    take_number(action, '@', &rule->first);
    take_number(action, '+', &rule->times);
    take_number(action, '%', &rule->every);
    action[strcspn(action, "@+%")] = 0;
    if ((path = strchr(text, ':')))
        *path++ = 0;
    snprintf(rule->call, sizeof rule->call, "%s", text);
    snprintf(rule->path, sizeof rule->path, "%s", path ? path : "");
    snprintf(rule->action, sizeof rule->action, "%s", action);
    if (strncmp(action, "full", 4) == 0)
        rule->budget = strtol(action + 4, NULL, 10);
}

void faults_set(const char *text)
{
    char copy[1024], *rest = copy;
    snprintf(copy, sizeof copy, "%s", text);
    pthread_mutex_lock(&mutex);
    rule_count = 0;
    for (char *word; (word = strsep(&rest, " "));)
        if (*word && rule_count < RULES_MAX)
            parse(word, &rules[rule_count++]);
    generation++;
    pthread_mutex_unlock(&mutex);
}

long faults_count(int number) { return rules[number].hit; }

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("FAULTS");
    if (text)
        faults_set(text);
}

/* ---- which calls ---- */

static int is_from_recorder(const void *caller)
{
    Dl_info info;
    return dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, "_recorder");
}

static void path_of(int file, char path[PATH_MAX])
{
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    const ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
}

/* The rule that this call falls under, or NULL. */
static struct rule *hit(const void *caller, const char *call, const char *path)
{
    struct rule *found = NULL;
    if (rule_count == 0 || !is_from_recorder(caller))
        return NULL;
    pthread_mutex_lock(&mutex);
    for (struct rule *rule = rules; rule < rules + rule_count && !found; rule++) {
        if (strcmp(rule->call, call) != 0 || !strstr(path, rule->path) || ++rule->matched < rule->first)
            continue;
        if (rule->hit >= rule->times || (rule->matched - rule->first + 1) % rule->every != 0)
            continue;
        rule->hit++;
        found = rule;
    }
    pthread_mutex_unlock(&mutex);
    return found;
}

static struct rule *hit_file(const void *caller, const char *call, int file)
{
    char path[PATH_MAX];
    if (rule_count == 0)
        return NULL;
    path_of(file, path);
    return hit(caller, call, path);
}

/* ---- what happens ---- */

static int error_of(const struct rule *rule)
{
    static const struct {
        const char *name;
        int number;
    } errors[] = {{"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EFBIG", EFBIG}, {"EROFS", EROFS},   {"EACCES", EACCES},
                  {"EMFILE", EMFILE}, {"ENFILE", ENFILE}, {"EINTR", EINTR}, {"EIO", EIO},       {"ENOMEM", ENOMEM},
                  {"EAGAIN", EAGAIN}, {"ENOENT", ENOENT}, {"EPERM", EPERM}, {"ENOSYS", ENOSYS}, {"EOPNOTSUPP", EOPNOTSUPP}};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strcmp(errors[i].name, rule->action) == 0)
            return errors[i].number;
    fprintf(stderr, "faults: no action %s\n", rule->action);
    abort();
}

static int fail(const struct rule *rule)
{
    errno = error_of(rule);
    return -1;
}

/* True: it goes through, but late. */
static int takes_time(const struct rule *rule)
{
    if (strncmp(rule->action, "sleep", 5) == 0) {
        usleep((useconds_t)strtol(rule->action + 5, NULL, 10) * 1000);
        return 1;
    }
    if (strcmp(rule->action, "wait") != 0)
        return 0;
    for (const int now = generation; now == generation;)
        usleep(1000);
    return 1;
}

/* How much of a write goes through; -1: none, with errno set. */
static ssize_t part_of(struct rule *rule, size_t length)
{
    if (strcmp(rule->action, "short") == 0)
        return length ? 1 : 0;
    if (strcmp(rule->action, "half") == 0)
        return (ssize_t)(length + 1) / 2;
    if (takes_time(rule))
        return (ssize_t)length;
    if (rule->budget < 0)
        return fail(rule);
    const long part = rule->budget < (long)length ? rule->budget : (long)length;
    rule->budget -= part;
    if (part > 0 || length == 0)
        return part;
    errno = ENOSPC;
    return -1;
}

/* ---- the functions ---- */

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define CALLER __builtin_return_address(0)

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    const struct rule *rule = hit(CALLER, "open", path);
    return rule && !takes_time(rule) ? fail(rule) : NEXT(open)(path, flags, mode);
}

ssize_t write(int file, const void *bytes, size_t length)
{
    struct rule *rule = hit_file(CALLER, "write", file);
    const ssize_t part = rule ? part_of(rule, length) : (ssize_t)length;
    return part < 0 ? -1 : NEXT(write)(file, bytes, (size_t)part);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset)
{
    struct rule *rule = hit_file(CALLER, "pwrite", file);
    const ssize_t part = rule ? part_of(rule, length) : (ssize_t)length;
    return part < 0 ? -1 : NEXT(pwrite)(file, bytes, (size_t)part, offset);
}

ssize_t pread(int file, void *bytes, size_t length, off_t offset)
{
    const struct rule *rule = hit_file(CALLER, "pread", file);
    return rule ? fail(rule) : NEXT(pread)(file, bytes, length, offset);
}

int fallocate(int file, int mode, off_t offset, off_t length)
{
    const struct rule *rule = hit_file(CALLER, "fallocate", file);
    return rule ? fail(rule) : NEXT(fallocate)(file, mode, offset, length);
}

int ftruncate(int file, off_t length)
{
    const struct rule *rule = hit_file(CALLER, "ftruncate", file);
    return rule ? fail(rule) : NEXT(ftruncate)(file, length);
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
    const struct rule *rule = file >= 0 ? hit_file(CALLER, "mmap", file) : NULL;
    if (!rule)
        return NEXT(mmap)(address, length, protection, flags, file, offset);
    fail(rule);
    return MAP_FAILED;
}

int flock(int file, int operation)
{
    const struct rule *rule = hit_file(CALLER, "flock", file);
    return rule ? fail(rule) : NEXT(flock)(file, operation);
}

int close(int file)
{
    const struct rule *rule = hit_file(CALLER, "close", file);
    const int result = NEXT(close)(file);
    return rule ? fail(rule) : result;
}

int mkdir(const char *path, mode_t mode)
{
    const struct rule *rule = hit(CALLER, "mkdir", path);
    return rule ? fail(rule) : NEXT(mkdir)(path, mode);
}

DIR *opendir(const char *path)
{
    const struct rule *rule = hit(CALLER, "opendir", path);
    if (!rule)
        return NEXT(opendir)(path);
    fail(rule);
    return NULL;
}

int unlink(const char *path)
{
    const struct rule *rule = hit(CALLER, "unlink", path);
    return rule ? fail(rule) : NEXT(unlink)(path);
}

int link(const char *from, const char *to)
{
    const struct rule *rule = hit(CALLER, "link", from);
    return rule ? fail(rule) : NEXT(link)(from, to);
}

int rename(const char *from, const char *to)
{
    const struct rule *rule = hit(CALLER, "rename", from);
    return rule ? fail(rule) : NEXT(rename)(from, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    const struct rule *rule = hit(CALLER, "renameat2", from);
    return rule ? fail(rule) : NEXT(renameat2)(from_folder, from, to_folder, to, flags);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    const int result = NEXT(clock_gettime)(id, now);
    if (id == CLOCK_REALTIME && hit(CALLER, "clock_gettime", "realtime"))
        now->tv_sec -= 86400;
    return result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *value)
{
    const struct rule *rule = hit(CALLER, "pthread_create", "");
    return rule ? error_of(rule) : NEXT(pthread_create)(thread, attributes, body, value);
}

/* Where files of any size are asked for by name, the same functions have other names. */
int open64(const char *path, int flags, ...) __attribute__((alias("open")));
ssize_t pwrite64(int file, const void *bytes, size_t length, off_t offset) __attribute__((alias("pwrite")));
ssize_t pread64(int file, void *bytes, size_t length, off_t offset) __attribute__((alias("pread")));
int fallocate64(int file, int mode, off_t offset, off_t length) __attribute__((alias("fallocate")));
int ftruncate64(int file, off_t length) __attribute__((alias("ftruncate")));
void *mmap64(void *address, size_t length, int protection, int flags, int file, off_t offset) __attribute__((alias("mmap")));

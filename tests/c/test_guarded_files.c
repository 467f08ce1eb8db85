/* A signal that ends a program comes here right after each step of the making of a file, by wrappers of what the platform asks of the
 * system: no half file stays, and a finished one is not removed.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/platform.h"

FILE *__real_fdopen(int descriptor, const char *mode);
FILE *__wrap_fdopen(int descriptor, const char *mode);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);

enum step { STEP_NONE, STEP_MADE, STEP_RENAMED, STEP_REMOVED };
static enum step interrupted_step;
static int signal_number;

static void after(enum step step)
{
    if (step == interrupted_step) {
        interrupted_step = STEP_NONE;
        kill(getpid(), signal_number);
    }
}

FILE *__wrap_fdopen(int descriptor, const char *mode)
{
    after(STEP_MADE);
    return __real_fdopen(descriptor, mode);
}

int __wrap_rename(const char *from, const char *to)
{
    const int result = __real_rename(from, to);
    after(STEP_RENAMED);
    return result;
}

int __wrap_unlink(const char *path)
{
    const int result = __real_unlink(path);
    after(STEP_REMOVED);
    return result;
}

/* ---- a program that makes files ---- */

static void until_stopped(void *stopped)
{
    while (!__atomic_load_n((bool *)stopped, __ATOMIC_ACQUIRE))
        usleep(100);
}

/* One file is written and put in its place, another is removed, beside a thread that could take the signal as well. */
static void make_files(void)
{
    bool stopped = false;
    struct platform_thread *thread;
    platform_guard_files();
    if (!platform_thread_start(&thread, until_stopped, &stopped))
        _exit(1);
    char *kept_path;
    char *removed_path;
    FILE *kept = platform_temporary_file("report.html", &kept_path);
    FILE *removed = platform_temporary_file(NULL, &removed_path);
    if (!kept || !removed || fputs("whole", kept) < 0 || fclose(kept) != 0)
        _exit(1);
    if (platform_replace_file(kept_path, "report.html") != 0)
        _exit(1);
    fclose(removed);
    platform_remove_file(removed_path);
    __atomic_store_n(&stopped, true, __ATOMIC_RELEASE);
    platform_thread_join(thread);
    free(kept_path);
    free(removed_path);
    _exit(0);
}

static char folder[] = "/tmp/guarded.XXXXXX";

static void enter_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    setenv("TMPDIR", folder, 1);
}

/* The number of files, all of which are removed. */
static int clear_folder(void)
{
    int count = 0;
    DIR *entries = opendir(".");
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (entry->d_name[0] != '.') {
            ++count;
            unlink(entry->d_name);
        }
    }
    closedir(entries);
    return count;
}

static void leave_folder(void) { rmdir(folder); }

static int status_of_interrupted(enum step step, int number)
{
    interrupted_step = step;
    signal_number = number;
    const pid_t child = fork();
    if (child == 0) {
        signal(number, SIG_DFL); /* the test runner ignores SIGINT */
        make_files();
    }
    interrupted_step = STEP_NONE;
    int status;
    waitpid(child, &status, 0);
    return status;
}

TestSuite(guarded_files, .init = enter_folder, .fini = leave_folder);

Test(guarded_files, no_signal_leaves_the_finished_file)
{
    cr_assert_eq(status_of_interrupted(STEP_NONE, SIGTERM), 0);
    cr_assert_eq(clear_folder(), 1);
}

Test(guarded_files, a_signal_leaves_what_is_finished_and_nothing_else)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; ++i) {
        for (enum step step = STEP_MADE; step <= STEP_REMOVED; ++step) {
            const int status = status_of_interrupted(step, numbers[i]);
            cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i], "step %d, signal %d: status %#x", step, numbers[i], status);
            cr_assert_eq(clear_folder(), step == STEP_MADE ? 0 : 1, "step %d, signal %d", step, numbers[i]);
        }
    }
}

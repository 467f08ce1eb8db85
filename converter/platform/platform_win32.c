#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <windows.h>

struct platform_thread {
    HANDLE handle;
    void (*work)(void *context);
    void *context;
};

static DWORD WINAPI thread_main(LPVOID argument)
{
    const struct platform_thread *thread = argument;
    thread->work(thread->context);
    return 0;
}

bool platform_thread_start(struct platform_thread **thread, void (*work)(void *context), void *context)
{
    struct platform_thread *started = malloc(sizeof *started);
    if (!started)
        return false;
    started->work = work;
    started->context = context;
    started->handle = CreateThread(NULL, 0, thread_main, started, 0, NULL);
    if (!started->handle) {
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
    WaitForSingleObject(thread->handle, INFINITE);
    CloseHandle(thread->handle);
    free(thread);
}

struct platform_gate {
    SRWLOCK lock;
    CONDITION_VARIABLE condition;
};

struct platform_gate *platform_gate_create(void)
{
    struct platform_gate *gate = malloc(sizeof *gate);
    if (!gate)
        return NULL;
    InitializeSRWLock(&gate->lock);
    InitializeConditionVariable(&gate->condition);
    return gate;
}

void platform_gate_free(struct platform_gate *gate) { free(gate); }

void platform_gate_lock(struct platform_gate *gate) { AcquireSRWLockExclusive(&gate->lock); }

void platform_gate_unlock(struct platform_gate *gate) { ReleaseSRWLockExclusive(&gate->lock); }

void platform_gate_wait(struct platform_gate *gate) { SleepConditionVariableSRW(&gate->condition, &gate->lock, INFINITE, 0); }

void platform_gate_wake(struct platform_gate *gate) { WakeAllConditionVariable(&gate->condition); }

void platform_allow_open_files(size_t count) { (void)count; } /* it has no such limit */

enum platform_file_kind platform_file_kind(const char *path)
{
    const DWORD attributes = GetFileAttributesA(path);
    if (attributes == INVALID_FILE_ATTRIBUTES)
        return PLATFORM_FILE_MISSING;
    return attributes & FILE_ATTRIBUTE_DIRECTORY ? PLATFORM_FILE_DIRECTORY : PLATFORM_FILE_REGULAR;
}

bool platform_same_file(const char *left, const char *right)
{
    char a[MAX_PATH], b[MAX_PATH];
    const DWORD a_length = GetFullPathNameA(left, sizeof a, a, NULL);
    const DWORD b_length = GetFullPathNameA(right, sizeof b, b, NULL);
    return a_length > 0 && a_length < sizeof a && b_length > 0 && b_length < sizeof b && _stricmp(a, b) == 0;
}

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

/* An open file cannot be removed here: the streams are closed first (the process ends right after). */
static BOOL WINAPI remove_guarded_files(DWORD event)
{
    (void)event;
    _fcloseall();
    for (size_t i = 0; i < GUARDED_FILE_MAX; ++i) {
        if (guarded_files[i])
            DeleteFileA(guarded_files[i]);
    }
    return FALSE; /* the default handler ends the program */
}

void platform_guard_files(void) { SetConsoleCtrlHandler(remove_guarded_files, TRUE); }

FILE *platform_temporary_file(const char *beside, char **path)
{
    char folder[MAX_PATH + 1] = "";
    if (!beside && GetTempPathA(sizeof folder, folder) == 0)
        folder[0] = '\0';
    const char *stem = beside ? beside : folder;
    const size_t capacity = strlen(stem) + 32;
    char *made = malloc(capacity);
    char *guarded = malloc(capacity);
    for (unsigned attempt = 0; made && guarded && attempt < 100; ++attempt) {
        snprintf(made, capacity, "%s%s.%08lx", stem, beside ? "" : "cptrace",
                 (unsigned long)(GetTickCount() * 2654435761u + GetCurrentProcessId() + attempt));
        const int descriptor = _open(made, _O_CREAT | _O_EXCL | _O_RDWR | _O_BINARY, _S_IREAD | _S_IWRITE);
        if (descriptor < 0 && errno == EEXIST)
            continue;
        FILE *stream = descriptor < 0 ? NULL : _fdopen(descriptor, "w+b");
        if (!stream)
            break;
        strcpy(guarded, made);
        guard_file(guarded);
        *path = made;
        return stream;
    }
    free(made);
    free(guarded);
    return NULL;
}

int platform_replace_file(const char *from, const char *to)
{
    if (!MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING))
        return GetLastError() == ERROR_ACCESS_DENIED ? EACCES : EIO;
    unguard_file(from);
    return 0;
}

void platform_remove_file(const char *path)
{
    DeleteFileA(path);
    unguard_file(path);
}

void platform_unlink_open_file(const char *path) { (void)path; /* not possible; platform_remove_file follows */ }

bool platform_is_terminal(FILE *stream) { return _isatty(_fileno(stream)) != 0; }

unsigned platform_terminal_columns(FILE *stream)
{
    CONSOLE_SCREEN_BUFFER_INFO screen;
    const HANDLE console = (HANDLE)_get_osfhandle(_fileno(stream));
    if (!GetConsoleScreenBufferInfo(console, &screen))
        return 80;
    return (unsigned)(screen.srWindow.Right - screen.srWindow.Left + 1);
}

void platform_binary_stream(FILE *stream) { _setmode(_fileno(stream), _O_BINARY); }

uint64_t platform_clock_ns(void)
{
    LARGE_INTEGER frequency, counter;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&counter);
    const uint64_t whole = (uint64_t)(counter.QuadPart / frequency.QuadPart);
    const uint64_t rest = (uint64_t)(counter.QuadPart % frequency.QuadPart);
    return whole * 1000000000u + rest * 1000000000u / (uint64_t)frequency.QuadPart;
}

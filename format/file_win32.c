#include "os_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

struct cptrace_file {
    HANDLE handle;
    uint64_t position; /* of the next sequential read */
};

#define READ_MAX_BYTES ((size_t)1 << 30)

static int errno_of(DWORD code)
{
    switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
        return ENOENT;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
        return EACCES;
    case ERROR_NOT_ENOUGH_MEMORY:
        return ENOMEM;
    default:
        return EIO;
    }
}

/* Paths are UTF-8, as everywhere in this library. */
static wchar_t *wide_path(const char *path)
{
    const int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    wchar_t *const wide = length > 0 ? malloc((size_t)length * sizeof *wide) : NULL;
    if (wide)
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, length);
    return wide;
}

struct cptrace_file *cptrace_file_open(const char *path, int *error_number)
{
    wchar_t *const wide = wide_path(path);
    struct cptrace_file *const file = calloc(1, sizeof *file);
    *error_number = wide ? ENOMEM : EINVAL;
    if (wide && file) {
        file->handle =
            CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING, 0, NULL);
        if (file->handle != INVALID_HANDLE_VALUE) {
            free(wide);
            return file;
        }
        *error_number = errno_of(GetLastError());
    }
    free(wide);
    free(file);
    return NULL;
}

int64_t cptrace_file_read_at(const struct cptrace_file *file, uint64_t offset, void *buffer, size_t capacity)
{
    OVERLAPPED at = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
    DWORD count = 0;
    if (!ReadFile(file->handle, buffer, (DWORD)(capacity < READ_MAX_BYTES ? capacity : READ_MAX_BYTES), &count, &at)) {
        const DWORD code = GetLastError();
        return code == ERROR_HANDLE_EOF || code == ERROR_BROKEN_PIPE ? 0 : -errno_of(code);
    }
    return count;
}

int64_t cptrace_file_read(void *context, void *buffer, size_t capacity)
{
    struct cptrace_file *const file = context;
    const int64_t count = cptrace_file_read_at(file, file->position, buffer, capacity);
    if (count > 0)
        file->position += (uint64_t)count;
    return count;
}

int64_t cptrace_file_size(const struct cptrace_file *file)
{
    LARGE_INTEGER size;
    return GetFileSizeEx(file->handle, &size) ? (int64_t)size.QuadPart : -errno_of(GetLastError());
}

void cptrace_file_close(struct cptrace_file *file)
{
    if (!file)
        return;
    CloseHandle(file->handle);
    free(file);
}

bool cptrace_file_is_owned(const struct cptrace_file *file, uint64_t process_id)
{
    (void)file;
    HANDLE process = process_id <= MAXDWORD ? OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)process_id) : NULL;
    DWORD code = 0;
    const bool exists = process && GetExitCodeProcess(process, &code) && code == STILL_ACTIVE;
    if (process)
        CloseHandle(process);
    return exists;
}

bool cptrace_file_claim(const struct cptrace_file *file)
{
    (void)file;
    return true;
}

static bool visit_wide(const wchar_t *wide, bool (*visit)(void *context, const char *name), void *context)
{
    char name[MAX_PATH * 3 + 1];
    return WideCharToMultiByte(CP_UTF8, 0, wide, -1, name, sizeof name, NULL, NULL) == 0 || visit(context, name);
}

int cptrace_folder_visit(const char *folder, bool (*visit)(void *context, const char *name), void *context)
{
    static const char every[] = "\\*";
    const size_t length = strlen(folder);
    char *const pattern = malloc(length + sizeof every);
    if (!pattern)
        return ENOMEM;
    memcpy(pattern, folder, length);
    memcpy(pattern + length, every, sizeof every);
    wchar_t *const wide = wide_path(pattern);
    free(pattern);
    if (!wide)
        return EINVAL;
    WIN32_FIND_DATAW entry;
    const HANDLE search = FindFirstFileW(wide, &entry);
    free(wide);
    if (search == INVALID_HANDLE_VALUE)
        return errno_of(GetLastError());
    while (visit_wide(entry.cFileName, visit, context) && FindNextFileW(search, &entry))
        continue;
    FindClose(search);
    return 0;
}

#include "cli/message.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *program = "cptrace";
static enum message_level level = MESSAGE_NORMAL;

void message_program(const char *name) { program = name; }

void message_level(enum message_level wanted) { level = wanted; }

/* C0 and DEL alone: bytes above are left to the terminal's encoding. */
static void print_line(const char *kind, const char *format, va_list arguments)
{
    char text[4096];
    vsnprintf(text, sizeof text, format, arguments);
    for (char *c = text; *c; ++c) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    fflush(stdout);
    fprintf(stderr, "%s: %s%s\n", program, kind, text);
}

void message_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("error: ", format, arguments);
    va_end(arguments);
}

void message_warning(const char *format, ...)
{
    if (level == MESSAGE_QUIET)
        return;
    va_list arguments;
    va_start(arguments, format);
    print_line("warning: ", format, arguments);
    va_end(arguments);
}

void message_detail(const char *format, ...)
{
    if (level != MESSAGE_VERBOSE)
        return;
    va_list arguments;
    va_start(arguments, format);
    print_line("", format, arguments);
    va_end(arguments);
}

void message_usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("error: ", format, arguments);
    va_end(arguments);
    fprintf(stderr, "Try '%s --help'.\n", program);
}

const char *message_file_name(const char *path) { return strcmp(path, "-") == 0 ? "<stdin>" : path; }

void message_trace_error(const char *path, const struct cptrace_error *error)
{
    const char *name = message_file_name(path);
    switch (error->status) {
    case CPTRACE_IO_ERROR:
    case CPTRACE_NO_MEMORY:
        message_error("%s: %s", name, error->message);
        break;
    case CPTRACE_NOT_A_TRACE:
        message_error("%s: not a .cptrace file: %s", name, error->message);
        break;
    case CPTRACE_NEWER_VERSION:
        message_error("%s: written in a newer format than this program reads: %s", name, error->message);
        break;
    default:
        message_error("%s: offset 0x%" PRIx64 ": %s", name, error->offset, error->message);
        break;
    }
}

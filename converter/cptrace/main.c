/* cptrace: looks into .cptrace files. */
#include <stdio.h>
#include <string.h>

#include "cli/message.h"
#include "commands.h"
#include "platform/platform.h"

struct command {
    const char *name;
    const char *program; /* for messages */
    const char *summary;
    enum exit_code (*run)(int argument_count, char **arguments);
};

static const struct command commands[] = {
    {"info", "cptrace info", "what was run, when, and how much was recorded", cmd_info},
    {"calls", "cptrace calls", "every call as one JSON object a line", cmd_calls},
    {"dump", "cptrace dump", "every record of the file as one line, with its offset", cmd_dump},
    {"check", "cptrace check", "whether the file is whole, and where it is not", cmd_check},
    {"recover", "cptrace recover", "makes traces of what killed processes left in a folder", cmd_recover},
    {"merge", "cptrace merge", "the traces of several processes as one trace", cmd_merge},
    {"strip", "cptrace strip", "a copy without what is private", cmd_strip},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_help(FILE *stream)
{
    fputs("Usage: cptrace COMMAND [OPTIONS] TRACE\n\nLooks into a .cptrace file. TRACE may be - for standard input, or what a killed "
          "process left\n(.callprofiler-*.ring, *.cptrace.part).\n\nCommands:\n",
          stream);
    for (size_t i = 0; i < COMMAND_COUNT; ++i)
        fprintf(stream, "  %-8s %s\n", commands[i].name, commands[i].summary);
    fputs("\nOptions:\n  --help     this text; after a command, its own\n  --version  the version\n\n"
          "Exit codes: 0 ok, 1 reading, writing or memory failed, 2 wrong usage, 3 not a trace,\n"
          "a newer version or corrupt, 4 done, but the trace was damaged or cut.\n",
          stream);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; ++i) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

int main(int argument_count, char **arguments)
{
    message_program("cptrace");
    platform_guard_files();
    if (argument_count < 2) {
        message_usage("no command given");
        return EXIT_CODE_USAGE;
    }
    if (strcmp(arguments[1], "--help") == 0 || strcmp(arguments[1], "-h") == 0) {
        print_help(stdout);
        return EXIT_CODE_OK;
    }
    if (strcmp(arguments[1], "--version") == 0) {
        printf("cptrace %s (format version %d)\n", CALLPROFILER_VERSION, CPTRACE_FORMAT_VERSION);
        return EXIT_CODE_OK;
    }
    const struct command *command = find_command(arguments[1]);
    if (!command) {
        message_usage("no command '%s'", arguments[1]);
        return EXIT_CODE_USAGE;
    }
    message_program(command->program);
    return command->run(argument_count - 2, arguments + 2);
}

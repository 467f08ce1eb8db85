/* cptrace recover: makes traces of what runs left whose process died. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/output_file.h"
#include "cli/trace_argument.h"
#include "commands.h"
#include "cptrace/recovery.h"
#include "platform/platform.h"

enum { RECOVER_OPTION_OUTPUT = 1, RECOVER_OPTION_KEEP, RECOVER_OPTION_HELP };

static const struct option_row recover_rows[] = {
    {RECOVER_OPTION_OUTPUT, 'o', "output", "OUT", "where the trace goes (- for standard output); only with one file, which stays"},
    {RECOVER_OPTION_KEEP, 'k', "keep", NULL, "keep the files that a trace was made of"},
    {RECOVER_OPTION_HELP, 'h', "help", NULL, "this text"},
};

static const struct option_table recover_options = {
    .usage = "cptrace recover [-k] FOLDER...\n       cptrace recover [-k] [-o OUT.cptrace] FILE",
    .summary = "Makes ordinary traces of what runs left whose process was killed or crashed: .callprofiler-*.ring\n"
               "and *.cptrace.part. All that was recorded up to that moment is in them. Without -o the trace gets\n"
               "the name that its run gave it, beside its files, which are then removed, unless something in them\n"
               "could not be read. Files of processes that still run are left alone.",
    .rows = recover_rows,
    .row_count = sizeof recover_rows / sizeof recover_rows[0],
    .notes = "Files that stay can be recovered again: a trace that is there already is not made twice. The other\n"
             "commands and cp2html read such files as they are.\n\n"
             "Exit codes: 0 ok, 1 reading, writing or memory failed, 2 wrong usage, 3 a file is no leftover, or\n"
             "corrupt, 4 done, but a trace lacks something.",
};

struct recover {
    const char *output; /* NULL: beside its files */
    bool keeps;
    enum exit_code code;
};

static void note(struct recover *recover, enum exit_code code)
{
    if (recover->code == EXIT_CODE_OK || recover->code == EXIT_CODE_PARTIAL)
        recover->code = code == EXIT_CODE_OK ? recover->code : code;
}

static bool copy_out(const struct cptrace_recovery *recovery, FILE *stream, const char *path)
{
    static char buffer[1 << 16];
    uint64_t offset = 0;
    int64_t count;
    while ((count = cptrace_recovery_read(recovery, offset, buffer, sizeof buffer)) > 0) {
        if (fwrite(buffer, 1, (size_t)count, stream) != (size_t)count)
            return true; /* closing tells */
        offset += (uint64_t)count;
    }
    if (count < 0)
        message_error("%s: cannot read: %s", path, strerror((int)-count));
    return count == 0;
}

/* Whether a file holds exactly what the recovery makes: it was made before, of the same files. */
static bool holds_recovered(const char *path, const struct cptrace_recovery *recovery)
{
    static char expected[1 << 16], found[1 << 16];
    FILE *const file = fopen(path, "rb");
    if (!file)
        return false;
    uint64_t offset = 0;
    int64_t count;
    bool same = true;
    while (same && (count = cptrace_recovery_read(recovery, offset, expected, sizeof expected)) != 0) {
        same = count > 0 && fread(found, 1, (size_t)count, file) == (size_t)count && memcmp(found, expected, (size_t)count) == 0;
        offset += same ? (uint64_t)count : 0;
    }
    same = same && fgetc(file) == EOF && !ferror(file);
    fclose(file);
    return same;
}

/* The name that the run chose, or the next one that is free, or whose file is the trace already. NULL: told to the user. */
static char *choose_name(const struct cptrace_recovery *recovery, bool *already)
{
    static const char suffix[] = ".cptrace";
    const char *const wanted = cptrace_recovery_trace_path(recovery);
    const size_t length = strlen(wanted),
                 stem = length > strlen(suffix) && strcmp(wanted + length - strlen(suffix), suffix) == 0 ? length - strlen(suffix) : length;
    char *name = malloc(length + 24);
    for (unsigned attempt = 1; name; attempt++) {
        if (attempt == 1)
            snprintf(name, length + 24, "%s", wanted);
        else
            snprintf(name, length + 24, "%.*s_%u%s", (int)stem, wanted, attempt, suffix);
        const enum platform_file_kind kind = platform_file_kind(name);
        *already = kind == PLATFORM_FILE_REGULAR && holds_recovered(name, recovery);
        if (*already || kind == PLATFORM_FILE_MISSING)
            return name;
    }
    message_error("%s: no memory", wanted);
    return NULL;
}

static bool remove_leftover(const char *path)
{
    if (!path || remove(path) == 0 || errno == ENOENT)
        return true;
    message_error("%s: cannot remove: %s", path, strerror(errno));
    return false;
}

static enum exit_code remove_leftovers(const struct cptrace_recovery *recovery)
{
    const bool part_removed = remove_leftover(cptrace_recovery_part_path(recovery));
    return remove_leftover(cptrace_recovery_ring_path(recovery)) && part_removed ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

/* What could not be read now may be readable for somebody else. */
static void tell_kept(const struct cptrace_recovery *recovery)
{
    const char *const ring = cptrace_recovery_ring_path(recovery), *const part = cptrace_recovery_part_path(recovery);
    printf("kept: %s%s%s: not all of it could be read\n", ring ? message_file_name(ring) : "", ring && part ? ", " : "",
           part ? message_file_name(part) : "");
}

/* The trace is there: what becomes of the files that it was made of. */
static enum exit_code put_away(const struct recover *recover, const struct cptrace_recovery *recovery, const char *path)
{
    const char *const trouble = cptrace_recovery_trouble(recovery);
    if (trouble)
        message_warning("%s: %s", message_file_name(path), trouble);
    const bool stays = recover->keeps || recover->output;
    if (trouble && !stays)
        tell_kept(recovery);
    if (trouble)
        return EXIT_CODE_PARTIAL;
    return stays ? EXIT_CODE_OK : remove_leftovers(recovery);
}

static bool write_trace(const struct cptrace_recovery *recovery, const char *path, const char *to)
{
    struct output_file output;
    if (!output_file_open(&output, to))
        return false;
    const bool copied = copy_out(recovery, output.stream, path);
    if (!output_file_close(&output, copied) || !copied)
        return false;
    if (strcmp(to, "-") != 0)
        printf("recovered: %s\n", to);
    return true;
}

static bool write_under_its_name(const struct cptrace_recovery *recovery, const char *path)
{
    bool already;
    char *const name = choose_name(recovery, &already);
    bool done = name != NULL;
    if (done && already)
        printf("already recovered as %s\n", name);
    else if (done)
        done = write_trace(recovery, path, name);
    free(name);
    return done;
}

static enum exit_code make_trace(const struct recover *recover, struct cptrace_recovery *recovery, const char *path)
{
    struct cptrace_error error = {0};
    const enum cptrace_status status = cptrace_recovery_end_cut(recovery, &error);
    if (status != CPTRACE_OK) {
        message_trace_error(path, &error);
        return exit_code_of(status);
    }
    const bool written = recover->output ? write_trace(recovery, path, recover->output) : write_under_its_name(recovery, path);
    return written ? put_away(recover, recovery, path) : EXIT_CODE_FAILED;
}

static enum exit_code leave_alone(const struct cptrace_recovery *recovery, const char *path)
{
    const uint64_t process_id = cptrace_recovery_process_id(recovery);
    printf("left alone: %s: process %" PRIu64 " is still recording\n", message_file_name(path), process_id);
    return EXIT_CODE_OK;
}

static enum exit_code remove_idle(const struct recover *recover, const struct cptrace_recovery *recovery, const char *path)
{
    if (recover->keeps)
        return EXIT_CODE_OK;
    const enum exit_code code = remove_leftovers(recovery);
    if (code == EXIT_CODE_OK)
        printf("removed: %s: it held no run that is not saved\n", message_file_name(path));
    return code;
}

static enum exit_code recover_file(const struct recover *recover, const char *path)
{
    struct cptrace_recovery *recovery;
    struct cptrace_error error = {0};
    const enum cptrace_status status = cptrace_recovery_open(path, &recovery, &error);
    if (status != CPTRACE_OK) {
        error.status = status;
        message_trace_error(path, &error);
        return exit_code_of(status);
    }
    const enum cptrace_leftover kind = cptrace_recovery_kind(recovery);
    enum exit_code code;
    if (kind == CPTRACE_LEFTOVER_LIVE || !cptrace_recovery_claim(recovery))
        code = leave_alone(recovery, path);
    else if (kind == CPTRACE_LEFTOVER_IDLE)
        code = remove_idle(recover, recovery, path);
    else
        code = make_trace(recover, recovery, path);
    cptrace_recovery_close(recovery);
    return code;
}

static bool recover_one_of_many(void *context, const char *path)
{
    struct recover *const recover = context;
    if (platform_file_kind(path) == PLATFORM_FILE_REGULAR) /* a ring file's part goes with it */
        note(recover, recover_file(recover, path));
    return true;
}

static void recover_path(struct recover *recover, const char *path)
{
    if (platform_file_kind(path) != PLATFORM_FILE_DIRECTORY) {
        note(recover, recover_file(recover, path));
        return;
    }
    struct cptrace_error error = {0};
    const enum cptrace_status status = cptrace_leftovers_visit(path, recover_one_of_many, recover, &error);
    if (status != CPTRACE_OK) {
        message_trace_error(path, &error);
        note(recover, exit_code_of(status));
    }
}

enum exit_code cmd_recover(int argument_count, char **arguments)
{
    struct recover recover = {.code = EXIT_CODE_OK};
    struct option_walk walk = option_walk_begin(&recover_options, argument_count, arguments);
    const char *value;
    const char **paths = calloc((size_t)argument_count + 1, sizeof *paths);
    size_t path_count = 0;
    enum exit_code code = paths ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    for (int option; code == EXIT_CODE_OK && (option = option_next(&walk, &value)) != OPTION_END;) {
        if (option == RECOVER_OPTION_HELP) {
            option_table_help(&recover_options, stdout);
            free(paths);
            return trace_argument_close_output(EXIT_CODE_OK);
        }
        if (option == RECOVER_OPTION_OUTPUT)
            recover.output = value;
        else if (option == RECOVER_OPTION_KEEP)
            recover.keeps = true;
        else if (option == OPTION_OPERAND)
            paths[path_count++] = value;
        else
            code = EXIT_CODE_USAGE;
    }
    if (code == EXIT_CODE_OK && path_count == 0) {
        message_usage("no folder or file given");
        code = EXIT_CODE_USAGE;
    } else if (code == EXIT_CODE_OK && recover.output && (path_count > 1 || platform_file_kind(paths[0]) == PLATFORM_FILE_DIRECTORY)) {
        message_usage("--output takes one file, not a folder or several");
        code = EXIT_CODE_USAGE;
    }
    for (size_t i = 0; i < path_count && code == EXIT_CODE_OK; i++)
        recover_path(&recover, paths[i]);
    free(paths);
    return code == EXIT_CODE_OK ? trace_argument_close_output(recover.code) : code;
}

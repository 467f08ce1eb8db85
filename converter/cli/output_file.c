#include "cli/output_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "platform/platform.h"

bool output_file_open(struct output_file *output, const char *path)
{
    *output = (struct output_file){.path = path};
    if (strcmp(path, "-") == 0) {
        output->stream = stdout;
        platform_binary_stream(stdout);
        return true;
    }
    const enum platform_file_kind kind = platform_file_kind(path);
    if (kind == PLATFORM_FILE_DIRECTORY) {
        message_error("%s: is a directory", path);
        return false;
    }
    if (kind == PLATFORM_FILE_OTHER)
        output->stream = fopen(path, "wb");
    else
        output->stream = platform_temporary_file(path, &output->temporary);
    if (!output->stream)
        message_error("%s: cannot create: %s", path, strerror(errno));
    return output->stream != NULL;
}

bool output_file_close(struct output_file *output, bool wanted)
{
    errno = 0;
    const bool failed = ferror(output->stream) != 0;
    const bool closed = fclose(output->stream) == 0;
    int problem = failed || !closed ? (errno ? errno : EIO) : 0;
    if (output->temporary) {
        if (wanted && problem == 0)
            problem = platform_replace_file(output->temporary, output->path);
        if (!wanted || problem != 0)
            platform_remove_file(output->temporary);
        free(output->temporary);
        output->temporary = NULL;
    }
    if (wanted && problem != 0)
        message_error("%s: cannot write: %s", strcmp(output->path, "-") == 0 ? "<stdout>" : output->path, strerror(problem));
    return !wanted || problem == 0;
}

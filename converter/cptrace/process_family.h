/* Which of several traces is of the process that started the others. */
#ifndef CPTRACE_PROGRAM_PROCESS_FAMILY_H
#define CPTRACE_PROGRAM_PROCESS_FAMILY_H

#include "replay/replay.h"

struct process {
    const char *path;
    struct trace *trace;
    uint64_t start_ns; /* on the timeline of the first */
    bool has_parent;   /* its info pair parent_run names the run of another */
};

/* Sets has_parent, and puts the one first that others name and that names none of them. False: no memory. */
bool process_family_arrange(struct process *processes, size_t count);

#endif

/* What is left out of a trace before it is shared. */
#ifndef REWRITE_REDACTION_H
#define REWRITE_REDACTION_H

#include <stdbool.h>

#include "cptrace/cptrace.h"
#include "cptrace/writer.h"

struct redaction {
    bool arguments; /* values of calls */
    bool paths;     /* folders: of files that functions are in, and those that info pairs name */
    bool host, argv, labels;
    bool texts;   /* that the program gave: marks and counters; names of spans, tasks and threads */
    bool unknown; /* info pairs of which nobody here knows what they hold */
};

/* Whether an info or end pair stays. */
bool redaction_keeps(const struct redaction *redaction, struct cptrace_string key);

/* What stays of the path of a file that holds a module: the part below the folder that the module was imported from, or the file's name. A
 * part of path. */
struct cptrace_string redaction_path(struct cptrace_string path, struct cptrace_string module);

#endif

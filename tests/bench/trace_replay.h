/* A recorded trace goes through rings and transcoder into a file again, as the recorder's drainer had it. */
#ifndef CPTRACE_BENCH_TRACE_REPLAY_H
#define CPTRACE_BENCH_TRACE_REPLAY_H

#include <stddef.h>

/* Prints what the drain of its events costs, next to plain zstd on the same bytes: medians over so many rounds. The file goes to copy_path
 * too, unless that is NULL: two builds that only differ in speed write the same bytes. Returns the exit status of the program. */
int replay_trace(const char *path, size_t rounds, const char *copy_path);

#endif

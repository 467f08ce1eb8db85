/* What the subcommands that read one trace share: opening it with a clear message, and saying in the end whether it was whole. */
#ifndef CLI_TRACE_ARGUMENT_H
#define CLI_TRACE_ARGUMENT_H

#include "cli/exit_code.h"
#include "replay/replay.h"

/* Takes the one operand; tells the user when there is none, or more than one. */
bool trace_argument_set(const char **path, const char *operand);
bool trace_argument_given(const char *path);

/* Opens it. On failure the user has been told. */
enum exit_code trace_argument_open(const char *path, struct trace **trace);
enum exit_code trace_argument_survey(const char *path, struct trace **trace); /* without reading the events: trace_survey */

/* OK for a whole trace; else warns what is missing, and PARTIAL. */
enum exit_code trace_argument_judge(const char *path, const struct trace *trace);

/* For commands that write a trace anew: tells that one with lost blocks cannot be, and returns false for it. */
bool trace_argument_refuse_damaged(const char *path, const struct trace *trace);

/* Closes standard output and checks that all was written. The first failure wins: pass the code so far. */
enum exit_code trace_argument_close_output(enum exit_code code);

#endif

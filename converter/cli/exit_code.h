/* What the programs of this folder tell their caller. The numbers are part of their interface. */
#ifndef CLI_EXIT_CODE_H
#define CLI_EXIT_CODE_H

#include "cptrace/cptrace.h"

enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILED = 1,  /* the system refused: reading, writing, memory */
    EXIT_CODE_USAGE = 2,   /* wrong options or arguments */
    EXIT_CODE_INVALID = 3, /* not a trace, of a newer version, or corrupt (`cptrace check`: damaged) */
    EXIT_CODE_PARTIAL = 4, /* done, but the input was damaged or cut (`cptrace check`: cut) */
};

static inline enum exit_code exit_code_of(enum cptrace_status status)
{
    switch (status) {
    case CPTRACE_OK:
    case CPTRACE_END:
        return EXIT_CODE_OK;
    case CPTRACE_TRUNCATED:
    case CPTRACE_NOT_A_TRACE:
    case CPTRACE_NEWER_VERSION:
    case CPTRACE_CORRUPT:
        return EXIT_CODE_INVALID;
    default:
        return EXIT_CODE_FAILED;
    }
}

#endif

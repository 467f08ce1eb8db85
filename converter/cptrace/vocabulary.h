/* The words that the tools print for what a trace holds. */
#ifndef CPTRACE_TOOL_VOCABULARY_H
#define CPTRACE_TOOL_VOCABULARY_H

#include "replay/replay.h"

static inline const char *vocabulary_category(uint8_t category)
{
    static const char *const words[] = {"unknown", "user", "stdlib", "third-party", "builtin"};
    return category < sizeof words / sizeof words[0] ? words[category] : words[0];
}

static inline const char *vocabulary_outcome(enum replay_outcome outcome)
{
    static const char *const words[] = {[REPLAY_RETURNED] = "returned", [REPLAY_RAISED] = "raised", [REPLAY_UNFINISHED] = "unfinished"};
    return words[outcome];
}

/* Where a function is defined, or an empty string. */
static inline struct cptrace_string vocabulary_file(const struct cptrace_definitions *definitions,
                                                    const struct cptrace_function_definition *function)
{
    if (function->file == CPTRACE_NO_NUMBER || function->file >= definitions->file_count)
        return (struct cptrace_string){.bytes = "", .length = 0};
    return definitions->files[function->file].path;
}

#endif

/* The directory of the page: what run it was, its totals, its integrity, and where every block is. JSON, as `Directory` in contract.ts. */
#ifndef PAGE_DIRECTORY_H
#define PAGE_DIRECTORY_H

#include "page/payload.h"
#include "replay/recorder_cost.h"

struct directory_facts {
    const struct trace_facts *facts;
    const struct replay_result *result;
    const struct payload *payload;
    const char *generator;
    const uint32_t *slowest_path;
    size_t slowest_path_length;
    const struct page_buffer *command;         /* see directory_command */
    const char *start_utc;                     /* ISO 8601 */
    const struct recorder_cost *recorder_cost; /* NULL: not told */
};

void directory_write(struct page_buffer *json, const struct directory_facts *directory);

/* argv, joined by spaces; the run's name when there is none. */
void directory_command(struct page_buffer *command, const struct trace_facts *facts);

/* The first value of an info key; empty when there is none. */
struct cptrace_string directory_info(const struct cptrace_info_pair *pairs, size_t count, const char *key);

/* "2026-11-23T14:02:07.123Z" */
void directory_utc(char text[32], uint64_t utc_ns);

#endif

#include "page/directory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "page/overview.h"

static const char *const KIND_NAMES[] = {[PACKED_FUNCTIONS] = "functions", [PACKED_PATHS] = "paths", [PACKED_PATH_NOTES] = "pathNotes",
                                         [PACKED_CALLS] = "calls",         [PACKED_LATE] = "late",   [PACKED_NOTES] = "notes"};

static bool equals(struct cptrace_string string, const char *text)
{
    return string.length == strlen(text) && memcmp(string.bytes, text, string.length) == 0;
}

struct cptrace_string directory_info(const struct cptrace_info_pair *pairs, size_t count, const char *key)
{
    for (size_t i = 0; i < count; ++i)
        if (equals(pairs[i].key, key))
            return pairs[i].value;
    return (struct cptrace_string){.bytes = "", .length = 0};
}

void directory_command(struct page_buffer *command, const struct trace_facts *facts)
{
    for (size_t i = 0; i < facts->info_count; ++i) {
        if (!equals(facts->info[i].key, "argv"))
            continue;
        if (command->length)
            page_buffer_text(command, " ");
        page_buffer_append(command, facts->info[i].value.bytes, facts->info[i].value.length);
    }
    if (command->length)
        return;
    const struct cptrace_string name = directory_info(facts->info, facts->info_count, "name");
    page_buffer_append(command, name.bytes, name.length);
}

/* Days since 1970 to a date, after Howard Hinnant's civil_from_days: gmtime is neither reentrant nor the same everywhere. */
void directory_utc(char text[32], uint64_t utc_ns)
{
    const uint64_t seconds = utc_ns / 1000000000u;
    const uint64_t days = seconds / 86400 + 719468;
    const uint64_t era = days / 146097, day_of_era = days % 146097;
    const uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const uint64_t month_from_march = (5 * day_of_year + 2) / 153;
    const unsigned day = (unsigned)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    const unsigned month = (unsigned)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    const unsigned year = (unsigned)(year_of_era + era * 400 + (month <= 2)) % 10000;
    snprintf(text, 32, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year, month % 13, day % 32, (unsigned)(seconds / 3600 % 24),
             (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60), (unsigned)(utc_ns / 1000000u % 1000));
}

/* --- JSON --- */

static void put_key(struct page_buffer *json, const char *key)
{
    const uint8_t before = json->length ? json->bytes[json->length - 1] : '{';
    if (before != '{' && before != '[')
        page_buffer_text(json, ",");
    page_buffer_text(json, "\"");
    page_buffer_text(json, key);
    page_buffer_text(json, "\":");
}

static void put_number(struct page_buffer *json, const char *key, uint64_t number)
{
    put_key(json, key);
    page_buffer_number(json, number);
}

static void put_string(struct page_buffer *json, const char *key, struct cptrace_string string)
{
    put_key(json, key);
    page_buffer_json(json, string);
}

static void put_bool(struct page_buffer *json, const char *key, bool value)
{
    put_key(json, key);
    page_buffer_text(json, value ? "true" : "false");
}

static void put_function(struct page_buffer *json, const char *key, uint32_t function)
{
    put_key(json, key);
    if (function == UINT32_MAX)
        page_buffer_text(json, "-1");
    else
        page_buffer_number(json, function);
}

static void put_comma(struct page_buffer *json, bool *first)
{
    if (!*first)
        page_buffer_text(json, ",");
    *first = false;
}

static void put_run(struct page_buffer *json, const struct directory_facts *directory)
{
    static const char *const keys[] = {"name", "python", "implementation", "host", "os", "pid", "cwd", "backend"};
    const struct trace_facts *const facts = directory->facts;
    put_key(json, "run");
    page_buffer_text(json, "{");
    put_string(json, "command",
               (struct cptrace_string){.bytes = (const char *)directory->command->bytes, .length = (uint32_t)directory->command->length});
    put_string(json, "startUtc", page_string(directory->start_utc));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; ++i)
        put_string(json, keys[i], directory_info(facts->info, facts->info_count, keys[i]));
    put_string(json, "outcome", directory_info(facts->end_info, facts->end_info_count, "outcome"));
    page_buffer_text(json, "}");
}

static void put_labels(struct page_buffer *json, const struct trace_facts *facts)
{
    bool first = true;
    put_key(json, "labels");
    page_buffer_text(json, "[");
    for (size_t i = 0; i < facts->label_count; ++i) {
        put_comma(json, &first);
        page_buffer_text(json, "[");
        page_buffer_json(json, facts->labels[i].key);
        page_buffer_text(json, ",");
        page_buffer_json(json, facts->labels[i].value);
        page_buffer_text(json, "]");
    }
    page_buffer_text(json, "]");
}

static void put_totals(struct page_buffer *json, const struct directory_facts *directory)
{
    const struct payload_totals *const totals = payload_totals(directory->payload);
    put_key(json, "totals");
    page_buffer_text(json, "{");
    put_number(json, "wallNs", directory->result->wall_ns);
    put_number(json, "calls", directory->result->call_count);
    put_number(json, "events", directory->result->event_count);
    put_number(json, "functions", directory->result->called_function_count);
    put_number(json, "lanes", directory->facts->definitions->lane_count);
    put_number(json, "tasks", directory->facts->definitions->task_count);
    put_number(json, "marks", directory->result->mark_count);
    put_number(json, "counters", directory->result->counter_count);
    if (directory->facts->waiting_known)
        put_number(json, "waitingNs", directory->result->waiting_ns);
    put_number(json, "omittedCalls", directory->result->omitted_call_count);
    put_number(json, "omittedNs", directory->result->omitted_ns);
    put_number(json, "raised", totals->raised);
    put_number(json, "unfinished", totals->unfinished);
    put_number(json, "paths", directory->result->path_count ? directory->result->path_count - 1 : 0);
    page_buffer_text(json, "}");
}

static void put_recorder_cost(struct page_buffer *json, const struct directory_facts *directory)
{
    if (!directory->recorder_cost)
        return;
    put_key(json, "recorderCost");
    page_buffer_text(json, "{");
    put_number(json, "ns", directory->recorder_cost->run_ns);
    put_number(json, "percent", recorder_cost_percent(directory->recorder_cost, directory->result->wall_ns));
    page_buffer_text(json, "}");
}

static void put_lanes(struct page_buffer *json, const struct cptrace_definitions *definitions)
{
    put_key(json, "lanes");
    page_buffer_text(json, "[");
    for (size_t i = 0; i < definitions->lane_count; ++i) {
        const struct cptrace_lane_definition *const lane = &definitions->lanes[i];
        char number[32];
        snprintf(number, sizeof number, "thread %" PRIu64, lane->os_thread_id);
        if (i)
            page_buffer_text(json, ",");
        page_buffer_json(json, lane->name.length ? lane->name : page_string(number));
    }
    page_buffer_text(json, "]");
}

static void put_integrity(struct page_buffer *json, const struct trace_facts *facts)
{
    put_key(json, "integrity");
    page_buffer_text(json, "{");
    put_bool(json, "complete", facts->complete);
    put_bool(json, "cut", facts->cut);
    put_number(json, "damagedBlocks", facts->damaged_blocks);
    put_key(json, "damage");
    page_buffer_text(json, "[");
    enum { DAMAGE_SHOWN = 20 };
    for (size_t i = 0; i < facts->damage_count && i < DAMAGE_SHOWN; ++i) {
        char text[360];
        const struct cptrace_damage *const damage = &facts->damage[i];
        snprintf(text, sizeof text, "%" PRIu64 " bytes at offset %" PRIu64 ": %.240s", damage->bytes, damage->offset,
                 damage->error.message);
        if (i)
            page_buffer_text(json, ",");
        page_buffer_json(json, page_string(text));
    }
    page_buffer_text(json, "]");
    bool first = true;
    put_key(json, "warnings");
    page_buffer_text(json, "[");
    for (size_t i = 0; i < facts->end_info_count; ++i) {
        if (!equals(facts->end_info[i].key, "warning"))
            continue;
        put_comma(json, &first);
        page_buffer_json(json, facts->end_info[i].value);
    }
    page_buffer_text(json, "]}");
}

static void put_embedded(struct page_buffer *json, const struct payload_totals *totals)
{
    put_key(json, "embedded");
    page_buffer_text(json, "{");
    put_number(json, "calls", totals->embedded_calls);
    put_number(json, "foldedCalls", totals->folded_calls);
    put_number(json, "foldedRoots", totals->folded_roots);
    put_number(json, "foldedRootsNs", totals->folded_roots_ns);
    put_number(json, "foldedPaths", totals->folded_paths);
    page_buffer_text(json, "}");
}

static void put_blocks(struct page_buffer *json, const struct payload *payload)
{
    size_t count;
    const struct packed_block *const blocks = payload_blocks(payload, &count);
    put_key(json, "blocks");
    page_buffer_text(json, "[");
    for (size_t i = 0; i < count; ++i) {
        page_buffer_text(json, i ? ",{" : "{");
        put_string(json, "kind", page_string(KIND_NAMES[blocks[i].kind]));
        put_number(json, "count", blocks[i].count);
        put_number(json, "bytes", blocks[i].raw_bytes);
        put_number(json, "crc", blocks[i].crc);
        if (blocks[i].kind == PACKED_CALLS) {
            put_number(json, "first", blocks[i].first);
            put_number(json, "baseQ", blocks[i].base);
        }
        page_buffer_text(json, "}");
    }
    page_buffer_text(json, "]");
}

/* Rounded to a whole number. */
static uint64_t tick_ns(const struct cptrace_header *header)
{
    const uint64_t half = UINT64_C(1) << 31;
    return (header->ns_per_tick_q32 >> 32) + ((header->ns_per_tick_q32 & (2 * half - 1)) >= half);
}

void directory_write(struct page_buffer *json, const struct directory_facts *directory)
{
    const struct payload_totals *const totals = payload_totals(directory->payload);
    page_buffer_text(json, "{");
    put_number(json, "contract", PAYLOAD_CONTRACT);
    put_string(json, "generator", page_string(directory->generator));
    put_run(json, directory);
    put_labels(json, directory->facts);
    put_totals(json, directory);
    put_recorder_cost(json, directory);
    put_lanes(json, directory->facts->definitions);
    put_number(json, "quantumNs", totals->quantum_ns);
    put_number(json, "tickNs", tick_ns(directory->facts->header));
    put_key(json, "slowestPath");
    page_buffer_text(json, "[");
    for (size_t i = 0; i < directory->slowest_path_length; ++i) {
        if (i)
            page_buffer_text(json, ",");
        page_buffer_number(json, directory->slowest_path[i]);
    }
    page_buffer_text(json, "]");
    put_function(json, "slowestSelf", overview_slowest_self(directory->result));
    put_function(json, "slowestTotal", overview_slowest_total(directory->result));
    put_integrity(json, directory->facts);
    put_embedded(json, totals);
    put_blocks(json, directory->payload);
    page_buffer_text(json, "}");
}

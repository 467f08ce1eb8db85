#include "page/html_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page/directory.h"
#include "page/overview.h"
#include "page/viewer_bundle.h"

enum { TOP_FUNCTIONS = 20, PATH_STEPS_SHOWN = 12 };

struct page {
    struct html_page_sink sink;
    int write_error; /* sticky */
    struct page_buffer text;
};

static void flush(struct page *page)
{
    if (!page->write_error && !page->text.failed && page->text.length)
        page->write_error = page->sink.write(page->sink.context, page->text.bytes, page->text.length);
    page->text.length = 0;
}

/* Large parts go to the sink directly. */
static void write_bytes(struct page *page, const void *bytes, size_t length)
{
    flush(page);
    if (!page->write_error && length)
        page->write_error = page->sink.write(page->sink.context, bytes, length);
}

static void put(struct page *page, const char *text) { page_buffer_text(&page->text, text); }

static void put_hostile(struct page *page, struct cptrace_string text) { page_buffer_html(&page->text, text); }

/* As formatNs of the viewer. */
static void put_duration(struct page *page, uint64_t ns)
{
    static const struct {
        uint64_t below;
        double scale;
        const char *unit;
    } units[] = {{1000000, 1e3, "&#xb5;s"}, {1000000000, 1e6, "ms"}, {UINT64_MAX, 1e9, "s"}};
    char text[48];
    if (ns < 1000) {
        snprintf(text, sizeof text, "%" PRIu64 " ns", ns);
    } else {
        size_t unit = 0;
        while (ns >= units[unit].below && unit < 2)
            ++unit;
        const double value = (double)ns / units[unit].scale;
        snprintf(text, sizeof text, "%.*f %s", unit == 2 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0, value, units[unit].unit);
    }
    put(page, text);
}

static void put_count(struct page *page, uint64_t count)
{
    char digits[24];
    const size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count);
    for (size_t i = 0; i < length; ++i) {
        if (i && (length - i) % 3 == 0)
            put(page, ",");
        page_buffer_append(&page->text, &digits[i], 1);
    }
}

static struct cptrace_string function_name(const struct directory_facts *d, uint32_t function)
{
    const struct cptrace_definitions *const definitions = d->facts->definitions;
    if (function >= definitions->function_count || definitions->functions[function].qualified_name.length == 0)
        return page_string("(no name)");
    return definitions->functions[function].qualified_name;
}

static struct cptrace_string command_of(const struct directory_facts *d)
{
    return (struct cptrace_string){.bytes = (const char *)d->command->bytes, .length = (uint32_t)d->command->length};
}

static void put_head(struct page *page, const struct directory_facts *d)
{
    put(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-");
    put(page, page_viewer_js_sha256);
    put(page, "'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
              "<meta name=\"color-scheme\" content=\"light dark\">\n"
              "<meta name=\"referrer\" content=\"no-referrer\">\n"
              "<link rel=\"icon\" href=\"data:,\">\n<title>");
    put_hostile(page, command_of(d));
    put(page, " - callprofiler</title>\n<style>");
    write_bytes(page, page_viewer_css, page_viewer_css_length);
    put(page, "</style>\n</head>\n<body>\n");
}

static void put_plain_header(struct page *page, const struct directory_facts *d)
{
    put(page, "<div id=\"cp-app\">\n<div class=\"plain\">\n<h1>");
    put_hostile(page, command_of(d));
    put(page, "</h1>\n<p>");
    put_hostile(page, page_string(d->start_utc));
    put(page, ", Python ");
    put_hostile(page, directory_info(d->facts->info, d->facts->info_count, "python"));
    put(page, "</p>\n<p>");
    put_duration(page, d->result->wall_ns);
    put(page, ", ");
    put_count(page, d->result->call_count);
    put(page, " calls, ");
    put_count(page, d->result->called_function_count);
    put(page, " functions</p>\n");
    if (!d->facts->complete)
        put(page, "<p><b>The trace is incomplete: it was cut or damaged.</b></p>\n");
}

static void put_plain_path(struct page *page, const struct directory_facts *d)
{
    if (d->slowest_path_length == 0)
        return;
    put(page, "<p class=\"red\">&#x25c6; Slowest path: ");
    for (size_t i = 0; i < d->slowest_path_length; ++i) {
        const bool skipped = i >= PATH_STEPS_SHOWN / 2 && i + PATH_STEPS_SHOWN / 2 < d->slowest_path_length;
        if (skipped)
            continue;
        const struct replay_path *const path = &d->result->paths[d->slowest_path[i]];
        if (i)
            put(page, i == d->slowest_path_length - PATH_STEPS_SHOWN / 2 && i > PATH_STEPS_SHOWN / 2 ? " &#x203a; &#x2026; &#x203a; "
                                                                                                     : " &#x203a; ");
        put_hostile(page, function_name(d, path->function));
        put(page, " ");
        put_duration(page, path->total_ns);
    }
    put(page, "</p>\n");
}

/* The functions with the largest self, largest first. */
static size_t top_functions(const struct replay_result *result, uint32_t top[TOP_FUNCTIONS])
{
    size_t count = 0;
    for (uint32_t i = 0; i < result->function_count; ++i) {
        if (result->functions[i].call_count == 0)
            continue;
        size_t at = count;
        while (at > 0 && result->functions[top[at - 1]].self_ns < result->functions[i].self_ns)
            --at;
        if (at == TOP_FUNCTIONS)
            continue;
        if (count < TOP_FUNCTIONS)
            ++count;
        memmove(&top[at + 1], &top[at], (count - at - 1) * sizeof *top);
        top[at] = i;
    }
    return count;
}

/* Readable without script, and by whoever reads the file as text. */
static void put_noscript(struct page *page, const struct directory_facts *d)
{
    uint32_t top[TOP_FUNCTIONS];
    const size_t count = top_functions(d->result, top);
    put(page, "<noscript>\n<p>The tree needs JavaScript, which is off here. The functions with the largest self time:</p>\n<table>\n"
              "<thead><tr><th>function</th><th>file</th><th>calls</th><th>total</th><th>self</th></tr></thead>\n<tbody>\n");
    const struct cptrace_definitions *const definitions = d->facts->definitions;
    for (size_t i = 0; i < count; ++i) {
        const struct cptrace_function_definition *const function = &definitions->functions[top[i]];
        const struct replay_function *const sums = &d->result->functions[top[i]];
        put(page, "<tr><td>");
        put_hostile(page, function_name(d, top[i]));
        put(page, "</td><td>");
        put_hostile(page, function->file < definitions->file_count ? definitions->files[function->file].path : function->library);
        if (function->line) {
            put(page, ":");
            page_buffer_number(&page->text, function->line);
        }
        put(page, "</td><td>");
        put_count(page, sums->call_count);
        put(page, "</td><td>");
        put_duration(page, sums->total_ns);
        put(page, "</td><td>");
        put_duration(page, sums->self_ns);
        put(page, "</td></tr>\n");
    }
    put(page, "</tbody>\n</table>\n</noscript>\n</div>\n</div>\n");
}

static void put_block(struct page *page, const struct packed_block *block, size_t number)
{
    put(page, "<script type=\"application/octet-stream;base64\" id=\"cp-block-");
    page_buffer_number(&page->text, number);
    put(page, "\">");
    write_bytes(page, block->base64, block->base64_bytes);
    put(page, "</script>\n");
}

/* The overview stands before the app, single calls after it: the page is usable while they still load. */
static void put_body(struct page *page, const struct directory_facts *d)
{
    size_t count;
    const struct packed_block *const blocks = payload_blocks(d->payload, &count);
    put(page, "<script type=\"application/json\" id=\"cp-directory\">");
    directory_write(&page->text, d);
    put(page, "</script>\n");
    for (size_t i = 0; i < count; ++i)
        if (blocks[i].kind <= PACKED_PATH_NOTES)
            put_block(page, &blocks[i], i);
    put(page, "<script>");
    write_bytes(page, page_viewer_js, page_viewer_js_length);
    put(page, "</script>\n");
    for (size_t i = 0; i < count; ++i)
        if (blocks[i].kind > PACKED_PATH_NOTES)
            put_block(page, &blocks[i], i);
    put(page, "<script type=\"application/json\" id=\"cp-end\">{}</script>\n</body>\n</html>\n");
    flush(page);
}

static enum cptrace_status report(struct cptrace_error *error, enum cptrace_status status, const char *message)
{
    if (error) {
        *error = (struct cptrace_error){.status = status};
        snprintf(error->message, sizeof error->message, "%s", message);
    }
    return status;
}

enum cptrace_status html_page_write(const struct trace_facts *facts, const struct replay_result *result, const struct payload *payload,
                                    const char *generator, struct html_page_sink sink, struct cptrace_error *error)
{
    struct page page = {.sink = sink};
    struct page_buffer command = {0};
    char start_utc[32];
    uint32_t *slowest_path;
    struct recorder_cost recorder_cost;
    const bool cost_is_told = recorder_cost_estimate(facts, result, &recorder_cost);
    directory_command(&command, facts);
    directory_utc(start_utc, facts->start_utc_ns);
    const size_t slowest_path_length = overview_slowest_path(result, facts->definitions, &slowest_path);
    const struct directory_facts directory = {
        .facts = facts,
        .result = result,
        .payload = payload,
        .generator = generator ? generator : "callprofiler",
        .slowest_path = slowest_path,
        .slowest_path_length = slowest_path_length,
        .command = &command,
        .start_utc = start_utc,
        .recorder_cost = cost_is_told ? &recorder_cost : NULL,
    };
    put_head(&page, &directory);
    put_plain_header(&page, &directory);
    put_plain_path(&page, &directory);
    put_noscript(&page, &directory);
    put_body(&page, &directory);

    enum cptrace_status status = CPTRACE_OK;
    if (page.text.failed || command.failed)
        status = report(error, CPTRACE_NO_MEMORY, "not enough memory to write the page");
    else if (page.write_error)
        status = report(error, CPTRACE_IO_ERROR, strerror(page.write_error));
    free(slowest_path);
    page_buffer_free(&command);
    page_buffer_free(&page.text);
    return status;
}

enum cptrace_status html_page_render(struct trace *trace, const struct html_page_options *options, struct html_page_sink sink,
                                     struct cptrace_error *error)
{
    static const struct html_page_options defaults = {0};
    if (!options)
        options = &defaults;
    struct payload *const payload = payload_create(trace_facts(trace), options->max_bytes);
    if (!payload)
        return report(error, CPTRACE_NO_MEMORY, "not enough memory for the page");
    const struct replay_visitor visitor = payload_visitor(payload);
    struct replay_result result;
    struct cptrace_error replay_error = {.message = "the replay was stopped"};
    const int stopped = trace_replay(trace, &visitor, 1, options->progress, options->progress_context, &result, &replay_error);
    enum cptrace_status status;
    if (stopped) {
        status = replay_error.status != CPTRACE_OK ? replay_error.status : CPTRACE_NO_MEMORY;
        report(error, status, replay_error.message);
        if (error)
            error->offset = replay_error.offset;
    } else {
        status = payload_finish(payload, trace_facts(trace), &result, error);
    }
    if (status == CPTRACE_OK)
        status = html_page_write(trace_facts(trace), &result, payload, options->generator, sink, error);
    payload_free(payload);
    return status;
}

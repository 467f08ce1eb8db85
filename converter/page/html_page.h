/* Writes the report: one self-contained HTML page. It opens from file://, asks the network for nothing, and is readable without script. */
#ifndef PAGE_HTML_PAGE_H
#define PAGE_HTML_PAGE_H

#include "page/payload.h"

/* Where the page goes. write takes all of bytes or returns an errno value. */
struct html_page_sink {
    int (*write)(void *context, const void *bytes, size_t length);
    void *context;
};

/* NULL or zeroed = defaults. */
struct html_page_options {
    uint64_t max_bytes;    /* what the page should not exceed; 0: 20 MB. Shown exactly: calls that do not fit are counted on the page */
    const char *generator; /* "callprofiler 0.1.0" */
    void (*progress)(void *context, uint64_t events_done, uint64_t events_all);
    void *progress_context;
};

/* Replays the trace and writes its page. A cut or damaged trace gives a page that says so. */
enum cptrace_status html_page_render(struct trace *trace, const struct html_page_options *options, struct html_page_sink sink,
                                     struct cptrace_error *error);

/* The second half alone, for a payload that was collected together with other visitors. */
enum cptrace_status html_page_write(const struct trace_facts *facts, const struct replay_result *result, const struct payload *payload,
                                    const char *generator, struct html_page_sink sink, struct cptrace_error *error);

#endif

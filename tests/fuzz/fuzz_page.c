/* A whole file (image.h), through replay into a page, whose script must not be closed by what the file says; and surveyed by its index. */
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "page/html_page.h"
#include "replay/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGE_BYTES_MAX (8u << 20)

struct page {
    char bytes[PAGE_BYTES_MAX];
    size_t length;
};

static int append(void *context, const void *bytes, size_t length)
{
    struct page *const page = context;
    if (length > PAGE_BYTES_MAX - page->length)
        return 27; /* EFBIG */
    memcpy(page->bytes + page->length, bytes, length);
    page->length += length;
    return 0;
}

static size_t count(const struct page *page, const char *needle)
{
    const size_t length = strlen(needle);
    size_t found = 0;
    for (const char *at = page->bytes, *end = at + page->length; (at = memchr(at, needle[0], (size_t)(end - at))); at++)
        found += (size_t)(end - at) >= length && memcmp(at, needle, length) == 0;
    return found;
}

/* Whatever the index says, single blocks are verified before they are shown. */
static void survey(const char *path)
{
    struct cptrace_reader *reader;
    struct cptrace_block_buffer buffer = {0};
    struct cptrace_block block;
    static struct cptrace_events events;
    if (cptrace_reader_open(path, &reader, NULL) != CPTRACE_OK)
        return;
    cptrace_reader_survey(reader, NULL);
    size_t entry_count;
    const struct cptrace_block_entry *const entries = cptrace_reader_blocks(reader, &entry_count);
    for (size_t i = 0; i < entry_count; i++) {
        const bool wanted[3] = {false, true, true};
        cptrace_reader_block_mentions(reader, &entries[i], wanted, 3);
        if (cptrace_reader_read_block(reader, &entries[i], &buffer, &block, NULL) == CPTRACE_OK && block.kind == CPTRACE_BLOCK_EVENTS)
            cptrace_events_decode(&block, &events, NULL);
    }
    cptrace_block_buffer_free(&buffer);
    cptrace_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct image image;
    static struct page page;
    struct trace *trace;
    image_build(&image, data, size);
    page.length = 0;
    const char *const path = image_save("trace.cptrace", image.bytes, image.length);
    survey(path);
    if (trace_open(path, &trace, NULL) != CPTRACE_OK)
        return 0;
    const struct html_page_options options = {.max_bytes = 1 << 20, .generator = "fuzz"};
    const enum cptrace_status status = html_page_render(trace, &options, (struct html_page_sink){append, &page}, NULL);
    trace_close(trace);
    if (status == CPTRACE_OK && count(&page, "<script") != count(&page, "</script"))
        abort();
    return 0;
}

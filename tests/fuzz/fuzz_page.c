/* A whole file (image.h), through replay into a page. What the file says must not close the page's script. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct image image;
    static struct page page;
    struct trace *trace;
    image_build(&image, data, size);
    page.length = 0;
    if (trace_open(image_save("trace.cptrace", image.bytes, image.length), &trace, NULL) != CPTRACE_OK)
        return 0;
    const struct html_page_options options = {.max_bytes = 1 << 20, .generator = "fuzz"};
    const enum cptrace_status status = html_page_render(trace, &options, (struct html_page_sink){append, &page}, NULL);
    trace_close(trace);
    if (status == CPTRACE_OK && count(&page, "<script") != count(&page, "</script"))
        abort();
    return 0;
}

/* The viewer, built by npm from converter/viewer and turned into C by embed.cmake. */
#ifndef PAGE_VIEWER_BUNDLE_H
#define PAGE_VIEWER_BUNDLE_H

#include <stddef.h>

extern const unsigned char page_viewer_js[], page_viewer_css[];
extern const size_t page_viewer_js_length, page_viewer_css_length;
extern const char page_viewer_js_sha256[]; /* base64, for the page's content security policy */

#endif

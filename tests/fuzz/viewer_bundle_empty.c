/* In the place of the viewer: fuzz_page looks at what C writes around it. */
#include "page/viewer_bundle.h"

const unsigned char page_viewer_js[1] = "", page_viewer_css[1] = "";
const size_t page_viewer_js_length = 0, page_viewer_css_length = 0;
const char page_viewer_js_sha256[] = "";

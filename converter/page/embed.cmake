# Turns the built viewer into a C file. Usage:
#   cmake -DDIST=<folder with viewer.js, viewer.css, viewer.js.sha256> -DOUTPUT=<file.c> -P embed.cmake

function(append_array name file)
  file(READ "${file}" hex HEX)
  string(LENGTH "${hex}" length)
  math(EXPR bytes "${length} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," values "${hex}")
  # Some compilers dislike lines of a hundred thousand characters.
  string(REGEX REPLACE "(................................................................................)" "\\1\n" values "${values}")
  string(APPEND C_TEXT "const unsigned char ${name}[] = {\n${values}\n};\nconst size_t ${name}_length = ${bytes};\n\n")
  set(C_TEXT "${C_TEXT}" PARENT_SCOPE)
endfunction()

set(C_TEXT "/* Made by embed.cmake from converter/viewer; do not edit. */\n#include \"page/viewer_bundle.h\"\n\n")
append_array(page_viewer_js "${DIST}/viewer.js")
append_array(page_viewer_css "${DIST}/viewer.css")
file(READ "${DIST}/viewer.js.sha256" hash)
string(STRIP "${hash}" hash)
string(APPEND C_TEXT "const char page_viewer_js_sha256[] = \"${hash}\";\n")
file(WRITE "${OUTPUT}" "${C_TEXT}")

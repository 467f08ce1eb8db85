# One version for all.
version=$(sed -n 's/^project(callprofiler VERSION \([0-9.]*\).*/\1/p' "$ROOT/CMakeLists.txt")
[ "$(cptrace --version)" = "cptrace $version (format version 3)" ] && echo ok
[ "$(cp2html --version)" = "cp2html $version (format version 3)" ] && echo ok

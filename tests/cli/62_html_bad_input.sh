# Nothing is written for what is no trace; a cut trace is rendered, and exit 4 says that it is cut.
try() { cp2html "$@" 2>&1 >/dev/null | steady; echo "exit ${PIPESTATUS[0]}"; }
: >empty.cptrace
mkdir folder.cptrace
echo no >text
try empty.cptrace
try folder.cptrace
try text
try missing.cptrace
ls | grep html
try killed.cptrace
ls | grep html
try -q killed.cptrace

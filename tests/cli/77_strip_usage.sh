try() { cptrace strip "$@" 2>&1 >/dev/null | steady; echo "exit ${PIPESTATUS[0]}"; }
try
try process_parent.cptrace
try process_parent.cptrace process_child.cptrace -o out.cptrace
try process_parent.cptrace -o process_parent.cptrace
try process_parent.cptrace --paths=all -o out.cptrace
try missing.cptrace -o out.cptrace
try process_killed.cptrace -o killed_too.cptrace
cptrace check -q killed_too.cptrace && echo whole
try process_killed.cptrace -o killed_too.cptrace
try -q process_killed.cptrace -f -o killed_too.cptrace
cptrace strip - -o - <process_parent.cptrace >piped; cptrace check -q piped && echo whole
ls | grep ^out
true

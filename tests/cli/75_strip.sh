# By default all that may be private goes, but for what the program itself named; every call stays as it was.
cptrace strip -v process_parent.cptrace -o stripped.cptrace 2>&1 | steady
cptrace check stripped.cptrace | steady
cptrace dump stripped.cptrace | grep -vE ' block |whole|header' | cut -d ' ' -f 2-
calls() { cptrace calls "$1" | sed -E 's/"file":"[^"]*"/"file"/; s/"arguments":"[^"]*",//'; }
calls stripped.cptrace >stripped
calls process_parent.cptrace | diff - stripped && echo same

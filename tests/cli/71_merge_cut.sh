# A killed process: what was open then is unfinished; exit 4.
cptrace merge process_parent.cptrace process_killed.cptrace process_child.cptrace -o merged.cptrace 2>&1 | sed 's/[0-9]* bytes/N bytes/'
echo "exit ${PIPESTATUS[0]}"
cptrace check -q merged.cptrace && echo whole
cptrace calls merged.cptrace | grep -c unfinished
cptrace calls -l 'pid 102 · MainThread' merged.cptrace
# A merged trace is a trace: it can be merged.
cptrace merge -q process_parent.cptrace process_child.cptrace -o two.cptrace
cptrace merge -q two.cptrace process_killed.cptrace -o three.cptrace
cptrace dump -n three.cptrace | grep -E ' lane | pair key="process' | cut -d ' ' -f 2-

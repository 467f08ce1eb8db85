# A killed program: all that was written is read, exit 4.
cptrace check killed.cptrace | steady; echo "exit ${PIPESTATUS[0]}"
cptrace calls killed.cptrace 2>&1 | steady | cut -c 1-80; echo "exit ${PIPESTATUS[0]}"
cptrace info --json killed.cptrace 2>/dev/null | grep -E '"(complete|cut|calls|events)"'
cptrace dump --no-events killed.cptrace | tail -n 1 | sed "s/^[0-9a-f]*/@/"

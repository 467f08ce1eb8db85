# Lost blocks are refused: there is no way to write that the end of a call is unknown. Nothing is left behind.
offset=$(cptrace dump --no-events process_child.cptrace | awk '/ events lane=/ { print $1; exit }')
printf '\377' | dd of=process_child.cptrace bs=1 seek=$((16#$offset + 30)) conv=notrunc status=none
cptrace merge process_parent.cptrace process_child.cptrace -o merged.cptrace 2>&1 | sed 's/0x[0-9a-f]* ([^)]*)/@ (...)/'
echo "exit ${PIPESTATUS[0]}"
cptrace strip process_child.cptrace -o stripped.cptrace 2>&1 | sed 's/0x[0-9a-f]* ([^)]*)/@ (...)/'
echo "exit ${PIPESTATUS[0]}"
ls | grep -E 'merged|stripped'
true

# Damage in a block that the part needs is told; in another, it is not met. Wrong parts are refused as in calls.
offset=$(cptrace dump --no-events many_blocks.cptrace | awk '/ events lane=/ && ++n == 2 { print $1 }')
printf '\377' | dd of=many_blocks.cptrace bs=1 seek=$((16#$offset + 30)) conv=notrunc status=none
cptrace dump -n -r 300ns..500ns many_blocks.cptrace 2>&1 | sed -E 's/0x[0-9a-f]+: .*/OFFSET/'; echo "exit ${PIPESTATUS[0]}"
cptrace dump -f h -r 720ns..720ns many_blocks.cptrace 2>&1 | cut -d ' ' -f 2-5; echo "exit ${PIPESTATUS[0]}"
try() { cptrace dump "$@" nested.cptrace 2>&1 >/dev/null; echo "exit $?"; }
try --range=3..4
try --lane 7
try --function no_such
try --range

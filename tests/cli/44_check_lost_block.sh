# The second block of events lost: what was open before it and is not after it ended in the gap; what began in the gap is known from
# the snapshot of open calls behind it; all that was outside is exact.
offset=$(cptrace dump --no-events many_blocks.cptrace | awk '/ events lane=/ && ++n == 2 { print $1 }')
at=$((16#$offset + 30))
printf '\377' | dd of=many_blocks.cptrace bs=1 seek=$at conv=notrunc status=none
cptrace check many_blocks.cptrace | sed 's/lost: .*/lost: .../' | steady
cptrace calls many_blocks.cptrace 2>/dev/null

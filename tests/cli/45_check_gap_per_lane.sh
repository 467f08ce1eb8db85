# One lost block of two lanes that record at once: nobody knows whose it was, so each lane has its own stretch of time, between its blocks
# around the damage.
cp two_lanes.cptrace t.cptrace
nth_events_block() { cptrace dump --no-events t.cptrace | awk -v n="$1" '/ events lane=/ && ++seen == n { print $1 }'; }
destroy() { printf '\377' | dd of=t.cptrace bs=1 seek=$((16#$1 + 30)) conv=notrunc status=none; }
cptrace dump --no-events t.cptrace | grep ' events lane=' | sed -E 's/.*(lane=[0-9]+).*/\1/' | sort | uniq -c
second=$(nth_events_block 2)
destroy "$second"
cptrace check t.cptrace | sed 's/lost: .*/lost: .../' | steady
echo "exit ${PIPESTATUS[0]}"
cptrace info t.cptrace 2>&1 | grep -i damage | sed 's/0x[0-9a-f]*: .*/OFFSET/' | steady

# Without its index the trace is scanned, and the part is the same. So it is when the index is damaged.
index=$(grep -abo cptindex many_blocks.cptrace | cut -d: -f1)
head -c $((index - 8)) many_blocks.cptrace >cut.cptrace
cptrace calls -v -r 720ns.. cut.cptrace 2>&1 >part | sed 's/[0-9]* bytes/N bytes/'
cptrace calls -r 720ns.. many_blocks.cptrace | diff - part && echo same
cp many_blocks.cptrace damaged.cptrace
printf '\377' | dd of=damaged.cptrace bs=1 seek=$((index + 20)) conv=notrunc status=none
cptrace calls -v -r 720ns.. damaged.cptrace 2>messages | diff - part && echo same
grep -c 'scan of the whole file' messages
cptrace calls -r 720ns.. - <many_blocks.cptrace | diff - part && echo same

# Two traces in one file, a block that stands twice: told with offset and what is wrong there, and the calls stay right.
cptrace calls many_blocks.cptrace >calls
cat many_blocks.cptrace nested.cptrace >both.cptrace
cptrace check both.cptrace | steady
cptrace calls both.cptrace 2>/dev/null | diff calls - && echo same calls
size=$(wc -c <many_blocks.cptrace | tr -d ' ')
offset=$((16#$(cptrace dump --no-events many_blocks.cptrace | awk '/ events lane=/ && ++n == 2 { print $1 }')))
next=$((16#$(cptrace dump --no-events many_blocks.cptrace | awk '/ events lane=/ && ++n == 3 { print $1 }')))
{ head -c $next many_blocks.cptrace; tail -c $((size - offset)) many_blocks.cptrace; } >twice.cptrace
cptrace check twice.cptrace | steady
cptrace calls twice.cptrace 2>/dev/null | diff calls - && echo same calls

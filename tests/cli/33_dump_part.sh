# The blocks that a part needs, and the records that it is about: the same options as those of calls.
part() { echo "== $*"; cptrace dump -v "$@" 2>&1 | sed -E 's/calibration_ticks.*//' | steady; }
part --range 300ns..500ns many_blocks.cptrace
part --range 720ns..720ns many_blocks.cptrace
part --lane worker two_lanes.cptrace
part --function gen generator_small_blocks.cptrace
part --function 'GET /a' annotated.cptrace
part -f len -r 0ns..200ns -l 0 many_blocks.cptrace
part -f len -n many_blocks.cptrace
part -f main left_out_open.cptrace
echo "== every record, by parts"
cptrace dump many_blocks.cptrace | grep -E '\+[0-9]+ (call|return|open)' >all
for range in 0ns..299ns 300ns..599ns 600ns..; do cptrace dump -r $range many_blocks.cptrace; done | grep -E '\+[0-9]+ (call|return)' >by_range
grep -v open all | diff - by_range && echo same
for function in main f g h len; do cptrace dump -f $function many_blocks.cptrace; done | grep -E '\+[0-9]+ (call|return|open)' | sort >by_function
sort all | diff - by_function && echo same
echo "== from a pipe, and without the index"
cptrace dump -r 720ns.. many_blocks.cptrace >part
cptrace dump -r 720ns.. - <many_blocks.cptrace | diff - part && echo same
head -c $(($(grep -abo cptindex many_blocks.cptrace | cut -d: -f1) - 8)) many_blocks.cptrace >cut.cptrace
cptrace dump -r 720ns.. cut.cptrace 2>/dev/null | diff - part && echo same

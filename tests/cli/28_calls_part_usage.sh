try() { cptrace calls "$@" nested.cptrace 2>&1 >/dev/null; echo "exit $?"; }
for range in 3..4 1s 2s..1s 1s..2x 1..s .. 1s...2s 99999999999h.. -1s..; do
  try --range=$range
done
try --lane 7
try --lane ''
try --function no_such
try --range

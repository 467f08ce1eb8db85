# What ran in a stretch of the run, from the blocks that it needs: ends are given as far as they were read.
for range in 300ns..500ns 720ns..720ns 1us.. ..50ns 5us..; do
  echo "== $range"
  cptrace calls -v --range $range many_blocks.cptrace 2>&1
done
echo "== marks"
cptrace calls --range 350ns..450ns annotated_small_blocks.cptrace
# The same times, however they are written.
for range in 0.3us..0.5us 0.0003ms..0.0005ms 300ns..0.0000005s 0h300ns..500ns; do
  cptrace calls --range $range many_blocks.cptrace | cksum
done | uniq | wc -l | tr -d ' '

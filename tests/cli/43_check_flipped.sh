# Every seventh byte of the file damaged, one after the other (the tests of the reader damage every one): always found, never as "whole", never a crash.
size=$(wc -c <many_blocks.cptrace | tr -d ' ')
for ((offset = 0; offset < size; offset += 7)); do
  cp many_blocks.cptrace flipped
  byte=$(od -An -tu1 -j $offset -N 1 flipped | tr -d ' ')
  printf "\\$(printf %o $((byte ^ 4)))" | dd of=flipped bs=1 seek=$offset conv=notrunc status=none
  cptrace check -q flipped 2>/dev/null
  code=$?
  case $code in 3 | 4) ;; *) echo "offset $offset: exit $code" ;; esac
  cptrace calls flipped >/dev/null 2>&1
  code=$?
  case $code in 3 | 4) ;; *) echo "offset $offset: calls: exit $code" ;; esac
done
echo done

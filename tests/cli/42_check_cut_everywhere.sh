# Cut after every byte (every third, for speed; the tests of the reader cut everywhere): never a crash; a header that is not whole is no trace (3), anything after it is cut (4).
size=$(wc -c <many_blocks.cptrace | tr -d ' ')
for ((length = 0; length < size; length += 3)); do
  head -c $length many_blocks.cptrace >part
  cptrace check -q part 2>/dev/null
  echo $?
done | uniq -c | awk '{ print "exit " $2 }'

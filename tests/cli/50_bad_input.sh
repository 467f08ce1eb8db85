# One clear message, and the documented exit code.
try() { "$@" 2>&1 >/dev/null; echo "exit $?"; }
: >empty
echo 'hello, world: this is a text, and it is longer than a header, so that only the signature tells what it is' >text
mkdir folder
cp nested.cptrace newer
printf '\004' | dd of=newer bs=1 seek=16 conv=notrunc status=none
cp nested.cptrace corrupt_header
printf '\377' | dd of=corrupt_header bs=1 seek=50 conv=notrunc status=none
head -c 40 nested.cptrace >half_header
for input in empty text folder newer corrupt_header half_header missing; do
  try cptrace info $input
  try cptrace calls $input
  try cptrace dump $input
  try cptrace check $input
done
try cptrace info - <empty

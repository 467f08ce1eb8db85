# A kill in the middle leaves no half file: here while the trace still comes in.
export TMPDIR=$PWD/spool
mkdir spool
for signal in INT TERM; do
  mkfifo pipe
  set -m
  cptrace strip - -o stripped.cptrace <pipe 2>/dev/null &
  child=$!
  set +m
  exec 3>pipe
  head -c 200 nested.cptrace >&3
  for ((i = 0; i < 100; ++i)); do [ -n "$(ls spool)" ] && break; sleep 0.05; done
  kill -$signal $child
  wait $child
  [ $? -gt 128 ] && echo "died of the signal"
  exec 3>&-
  rm pipe
  ls spool stripped* 2>/dev/null | grep -v "^spool:"
done
true

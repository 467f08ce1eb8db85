# Ctrl-C or a kill in the middle leaves no half file: here while the trace still comes in, spooled to a temporary file.
export TMPDIR=$PWD/spool
mkdir spool
for signal in INT TERM; do
  mkfifo pipe
  # A child that a script puts in the background ignores SIGINT, unless job control is on.
  set -m
  cp2html -o page.html - <pipe 2>/dev/null &
  child=$!
  set +m
  exec 3>pipe
  head -c 200 nested.cptrace >&3
  for ((i = 0; i < 100; ++i)); do [ -n "$(ls spool)" ] && break; sleep 0.05; done
  [ -n "$(ls spool)" ] || echo "no spool file appeared"
  kill -$signal $child
  wait $child
  [ $? -gt 128 ] && echo "died of the signal"
  exec 3>&-
  rm pipe
  ls spool page.html* 2>/dev/null | grep -v "^spool:"
done
true

#!/usr/bin/env bash
# Runs the command line cases: NN_name.sh must print NN_name.stdout and exit with what NN_name.exit says (no file: 0).
#
#   tests/cli/run.sh [BIN]            BIN: the folder of cp2html, cptrace and cli_traces (default: they are on PATH)
#   tests/cli/run.sh --update [BIN]   writes the .stdout and .exit files anew: read the difference before you keep it
#   CASES='10_* 3*' tests/cli/run.sh  only these
#
# Each case runs in a fresh folder with the traces of cli_traces in it, and sees $ROOT (of the repository) and the
# filter `steady`.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
UPDATE=
if [ "${1:-}" = --update ]; then
  UPDATE=yes
  shift
fi
if [ $# -gt 0 ]; then PATH=$(cd "$1" && pwd):$PATH; fi
for program in cptrace cp2html cli_traces; do
  command -v "$program" >/dev/null || { echo "tests/cli/run.sh: $program is not on PATH: build first, or give its folder" >&2; exit 2; }
done
export ROOT=${HERE%/tests/cli} LC_ALL=C.UTF-8 TZ=UTC PATH

# Sizes and offsets depend on the version of zstd: sizes become N, and each offset @1, @2 ... in the order of appearance.
steady() {
  awk '{
    line = ""
    while (match($0, /(^[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]|0x[0-9a-f]+)/)) {
      offset = substr($0, RSTART, RLENGTH)
      sub(/^0x/, "", offset); sub(/^0+/, "", offset)
      if (!(offset in seen)) seen[offset] = ++count
      line = line substr($0, 1, RSTART - 1) "@" seen[offset]
      $0 = substr($0, RSTART + RLENGTH)
      if ($0 ~ /^[0-9a-f]/) { line = line substr($0, 1, 1); $0 = substr($0, 2) }
    }
    print line $0
  }' | sed -E 's/compressed_bytes=[0-9]+/compressed_bytes=N/; s/[0-9.]+ bytes/N bytes/g; s/"bytes": [0-9]+/"bytes": N/'
}
export -f steady

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
mkdir "$WORK/traces"
cli_traces "$WORK/traces" || exit 2

run_case() { # run_case SCRIPT: leaves stdout and exit in $WORK
  rm -rf "$WORK/case"
  cp -R "$WORK/traces" "$WORK/case"
  (cd "$WORK/case" && bash "$1") >"$WORK/stdout" 2>"$WORK/stderr" </dev/null
  echo $? >"$WORK/exit"
}

keep() { # keep CASE
  cp "$WORK/stdout" "$1.stdout"
  if [ "$(cat "$WORK/exit")" = 0 ]; then rm -f "$1.exit"; else cp "$WORK/exit" "$1.exit"; fi
}

agrees() { # agrees CASE
  local expected=0
  if [ -f "$1.exit" ]; then expected=$(cat "$1.exit"); fi
  diff -u "$1.stdout" "$WORK/stdout" || return 1
  [ "$(cat "$WORK/exit")" = "$expected" ] && return 0
  echo "expected exit code $expected, found $(cat "$WORK/exit")"
  return 1
}

failed=0 count=0
set -f # the patterns are for the folder of the cases, not for this one
patterns=(${CASES:-[0-9][0-9]_*})
set +f
for pattern in "${patterns[@]}"; do
  for script in "$HERE"/$pattern.sh; do
    case=${script%.sh}
    name=${case##*/}
    [ -f "$script" ] || continue
    run_case "$script"
    if [ -n "$UPDATE" ]; then keep "$case"; continue; fi
    count=$((count + 1))
    if problem=$(agrees "$case"); then
      echo "ok   $name"
    else
      failed=$((failed + 1))
      printf 'FAIL %s\n%s\n' "$name" "$problem"
      sed 's/^/stderr: /' "$WORK/stderr"
    fi
  done
done
[ -n "$UPDATE" ] && exit
echo "$((count - failed)) of $count cases passed"
[ "$failed" = 0 ] && [ "$count" -gt 0 ]

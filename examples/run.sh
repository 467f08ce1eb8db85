#!/usr/bin/env bash
# Installs what is missing, builds, records the examples, renders each as a page, and prints the paths of the pages.
#
#   bash examples/run.sh [EXAMPLE...]       default: every example, such as quickstart or ast_roundtrip
#
# VENV=FOLDER: an environment that has callprofiler already, instead of building one. OUT=FOLDER: where traces and pages go.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/requirements.sh

OWN_VENV=build/examples-venv
VENV=${VENV:-$OWN_VENV}
OUT=${OUT:-build/examples}

build() {
  say "Building callprofiler into $VENV"
  [[ -x $VENV/bin/python ]] || python3 -m venv "$VENV"
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check .
}

record() { # record EXAMPLE: leaves the newest trace of it in $OUT/EXAMPLE.cptrace
  local folder=$OUT/$1.run
  rm -rf "$folder"
  CALLPROFILER_DIR=$folder CALLPROFILER_QUIET=1 "$VENV/bin/python" "examples/$1.py"
  mv "$folder"/*.cptrace "$OUT/$1.cptrace"
  rmdir "$folder"
}

render() { # render EXAMPLE
  "$VENV/bin/cp2html" "$OUT/$1.cptrace" -o "$OUT/$1.html"
}

describe() { # describe EXAMPLE: one line on its trace
  "$VENV/bin/cptrace" info --json "$OUT/$1.cptrace" | "$VENV/bin/python" -c '
import json, sys
info = json.load(sys.stdin)
bytes_per_call = info["bytes"] / max(info["calls"], 1)
print("   {calls:,} calls of {functions:,} functions in {0:.3f} s; trace {bytes:,} bytes ({1:.2f} a call)".format(
    info["wall_ns"] / 1e9, bytes_per_call, **info))'
}

all_examples() {
  local file
  for file in examples/*.py; do basename "$file" .py; done
}

main() {
  local examples=("$@") example
  ((${#examples[@]})) || read -ra examples <<<"$(all_examples | tr '\n' ' ')"
  if [[ $VENV == "$OWN_VENV" ]]; then
    install_missing $NEEDED_TO_BUILD
    build
  fi
  mkdir -p "$OUT"
  for example in "${examples[@]}"; do
    say "$example"
    record "$example"
    render "$example"
    describe "$example"
  done
  say "The pages; open them in a browser"
  for example in "${examples[@]}"; do echo "$PWD/$OUT/$example.html"; done
}

main "$@"

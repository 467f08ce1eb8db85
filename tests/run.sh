#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Non-zero when anything failed.
#
#   bash tests/run.sh                   with the default python3
#   bash tests/run.sh --all-pythons     with every python3.9 to python3.15 (and python3.13t) that is on PATH
set -uo pipefail
cd "$(dirname "$0")/.."
source tools/requirements.sh

LOGS=build/test-logs
REPORTS=build/test-reports
ALL_PYTHONS='3.9 3.10 3.11 3.12 3.13 3.13t 3.14 3.15'
PYTHON_PACKAGES='pytest markdown-it-py'
PROFILED_PACKAGES='numpy uvloop coverage' # some tests record them; where there is no wheel of one, these skip

usage() {
  sed -n '2,5s/^# \{0,1\}//p' tests/run.sh
}

# --- steps: each has a log, a line on the screen, and a line in the results. One that cannot be done here exits with 77 and says why ---

step() { # step NAME COMMAND...: runs it; on failure shows the end of its log
  local name=$1 log=$LOGS/${1//[^a-zA-Z0-9.]/-}.log start=$SECONDS status=ok
  shift
  "$@" >"$log" 2>&1
  case $? in
    0) ;;
    77) status=skip ;;
    *) status=FAIL ;;
  esac
  printf '%-4s %-40s %4d s\n' "$status" "$name" "$((SECONDS - start))" | tee -a "$LOGS/results"
  if [[ $status == skip ]]; then sed 's/^/     | /' "$log" | tail -n 1; fi
  [[ $status != FAIL ]] && return 0
  sed 's/^/     | /' "$log" | tail -n 60
  echo "     full log: $log"
  return 1
}

summary() {
  local failed
  failed=$(grep -c '^FAIL' "$LOGS/results")
  say "Summary"
  cat "$LOGS/results"
  if ((failed)); then
    printf '\n%s of %s steps FAILED (after %d s)\n' "$failed" "$(wc -l <"$LOGS/results" | tr -d ' ')" "$SECONDS"
    return 1
  fi
  printf '\nAll %s steps passed in %d s%s\n' "$(wc -l <"$LOGS/results" | tr -d ' ')" "$SECONDS" "$(grep -q '^skip' "$LOGS/results" && echo ', but for those skipped')"
}

# --- C ---

c_tests() {
  step "C build (ASan, UBSan)" build_preset dev && step "C and command line tests" ctest --preset dev
  step "Ring and drainer (TSan)" race_tests
}

race_tests() {
  cmake --preset tsan && cmake --build --preset tsan --target race_recorder && ctest --preset tsan
}

build_preset() {
  cmake --preset "$1" && cmake --build --preset "$1"
}

# --- Python ---

pythons() { # the versions to test: "default", or those of ALL_PYTHONS that work here
  local version
  if [[ $1 != all ]]; then
    echo default
    return
  fi
  for version in $ALL_PYTHONS; do
    if "python$version" -c 'import venv, ensurepip' 2>/dev/null && has_python_headers "python$version"; then echo "$version"; fi
  done
}

venv_of() { echo "build/venv/$1"; }

command_of() { # command_of VERSION
  if [[ $1 == default ]]; then echo python3; else echo "python$1"; fi
}

make_venv() { # make_venv VERSION
  local venv
  venv=$(venv_of "$1")
  [[ -x $venv/bin/pytest ]] || "$(command_of "$1")" -m venv --clear "$venv" || return
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check $PYTHON_PACKAGES && install_profiled_packages "$venv"
}

install_profiled_packages() { # install_profiled_packages VENV: wheels only, since building them here takes minutes
  local package
  for package in $PROFILED_PACKAGES; do
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "$package" ||
      echo "no wheel of $package for this Python: its tests will skip"
  done
}

install_wheel() { # install_wheel VERSION: the wheel is built once and installed as a user would
  local python wheels=build/wheels/$1
  python=$(venv_of "$1")/bin/python
  rm -rf "$wheels"
  "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$wheels" . &&
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$wheels"/*.whl
}

test_python() { # test_python VERSION
  step "Python $1: install" prepare_python "$1" && step "Python $1: pytest" run_pytest "$1"
}

prepare_python() {
  make_venv "$1" && install_wheel "$1"
}

run_pytest() { # run_pytest VERSION: a free-threaded one stays so, whatever is imported
  local gil=()
  if [[ $1 == *t ]]; then gil=(env PYTHON_GIL=0); fi
  "${gil[@]}" "$(venv_of "$1")/bin/python" -m pytest -q -p no:cacheprovider tests/python
}

test_all_pythons() { # the first one alone, since it also builds what all wheels share; then two at a time
  local first others
  read -r first others <<<"$(tr '\n' ' ' <<<"$1")"
  test_python "$first"
  [[ -z $others ]] || xargs -n 1 -P 2 bash "$0" --python <<<"$others"
}

# --- the second reader and the page, on traces of real programs ---

make_reports() { # make_reports VENV: a trace and a page of every example
  rm -rf "$REPORTS"
  VENV=$1 OUT=$REPORTS bash examples/run.sh
}

check_symbols() { # check_symbols VENV
  tests/check_symbols --self-test &&
    tests/check_symbols build/dev/format/libcptrace.a "$(find "$1"/lib -name '_recorder*.so' | head -n 1)"
}

check_layers() {
  tests/check_layers --self-test && tests/check_layers
}

oracle_tests() { # oracle_tests VENV: SPEC.md's own example and damaged files, then the corpus, and traces of real programs
  local corpus
  corpus=$(ls tests/data/compat/v*/*.cptrace | grep -v '/damaged\.cptrace$')
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check zstandard &&
    SPEC_EXAMPLE=$PWD/build/dev/tests/c/spec_example CPTRACE=$PWD/build/dev/converter/cptrace \
      "$1/bin/python" -m pytest -q -rs -p no:cacheprovider tests/oracle &&
    CPTRACE=build/dev/converter/cptrace "$1/bin/python" tests/oracle/check.py $corpus "$REPORTS"/*.cptrace
}

npm_test() { # npm_test FOLDER
  (cd "$1" && npm ci --no-audit --no-fund && npm test)
}

browser_tests() { # browser_tests VENV
  local browser
  browser=$(find_chromium) || return
  REPORTS=$PWD/$REPORTS CHROMIUM=$browser CP2HTML=$PWD/$1/bin/cp2html MAKE_TRACES=$PWD/build/dev/tests/browser/make_traces \
    npm_test tests/browser
}

# --- all of it ---

run_everything() { # run_everything all|default
  local versions venv
  versions=$(pythons "$1")
  [[ -n $versions ]] || die "no Python that can be tested was found"
  rm -rf "$LOGS"
  mkdir -p "$LOGS"
  : >"$LOGS/results"
  venv=$(venv_of "$(head -n 1 <<<"$versions")")

  say "Checks and C"
  step "Layers" check_layers
  c_tests
  step "Same bytes on i386 and s390x" bash tests/portability/run.sh
  step "Viewer unit tests" npm_test converter/viewer
  say "Python: $(tr '\n' ' ' <<<"$versions")"
  test_all_pythons "$versions"
  say "Tools and page"
  step "Hostile traces" "$venv/bin/python" -m pytest -q -p no:cacheprovider tests/hostile
  step "Exported symbols" check_symbols "$venv"
  step "Traces and pages of the examples" make_reports "$venv"
  step "Independent reader" oracle_tests "$venv"
  step "Page in a browser" browser_tests "$venv"
  summary
}

case ${1-} in
  '') install_missing $NEEDED_TO_TEST && run_everything default ;;
  --all-pythons) install_missing $NEEDED_TO_TEST && run_everything all ;;
  --python) test_python "$2" || true ;; # one of --all-pythons; its failure is in the results
  -h | --help) usage ;;
  *) usage >&2; exit 2 ;;
esac

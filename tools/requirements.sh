# Sourced by examples/run.sh and tests/run.sh: what they need from the system, and installing only what is missing.

# need | how to see that it is there | apt | dnf | brew
REQUIREMENTS='
compiler    | command -v cc                                      | build-essential | gcc make        | -
cmake       | command -v cmake                                   | cmake           | cmake           | cmake
ninja       | command -v ninja                                   | ninja-build     | ninja-build     | ninja
pkg-config  | command -v pkg-config                              | pkg-config      | pkgconf         | pkgconf
libzstd     | has_library libzstd zstd.h                         | libzstd-dev     | libzstd-devel   | zstd
libdeflate  | has_library libdeflate libdeflate.h                | libdeflate-dev  | libdeflate-devel | libdeflate
node        | command -v node                                    | nodejs          | nodejs          | node
npm         | command -v npm                                     | npm             | npm             | -
python      | command -v python3                                 | python3         | python3         | python
venv        | python3 -c "import venv, ensurepip"                | python3-venv    | python3-pip     | -
python-dev  | has_python_headers python3                         | python3-dev     | python3-devel   | -
criterion   | has_library criterion criterion/criterion.h        | libcriterion-dev | libcriterion-devel | criterion
zstd        | command -v zstd                                    | zstd            | zstd            | zstd
certificates | has_certificates                                  | ca-certificates | ca-certificates | -
chromium    | find_chromium                                      | chromium        | chromium        | -
'
NEEDED_TO_BUILD='compiler cmake ninja pkg-config libzstd libdeflate node npm python venv python-dev certificates'
NEEDED_TO_TEST="$NEEDED_TO_BUILD criterion zstd chromium"

say() { printf '\n== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

has_library() { # has_library MODULE HEADER
  pkg-config --exists "$1" 2>/dev/null || cc -E -include "$2" -x c /dev/null >/dev/null 2>&1
}

has_python_headers() { # has_python_headers PYTHON
  "$1" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}

has_certificates() {
  [[ -n ${SSL_CERT_FILE:-} || -e /etc/ssl/certs/ca-certificates.crt || -e /etc/pki/tls/certs/ca-bundle.crt || $(uname) == Darwin ]]
}

find_chromium() { # prints the browser that the page is tested in
  local name
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
    [[ -n $name ]] && command -v "$name" && return
  done
  return 1
}

package_column() {
  if command -v apt-get >/dev/null; then echo 3
  elif command -v dnf >/dev/null; then echo 4
  elif command -v brew >/dev/null; then echo 5
  else die "none of apt-get, dnf and brew is here; please install by hand: $*"
  fi
}

requirement() { # requirement NEED COLUMN
  awk -F'|' -v need="$1" -v column="$2" '{ gsub(/^ +| +$/, "", $1) } $1 == need { gsub(/^ +| +$/, "", $column); print $column }' <<<"$REQUIREMENTS"
}

missing() { # missing NEED...: prints those that are not there
  local need
  for need in "$@"; do
    eval "$(requirement "$need" 2)" >/dev/null 2>&1 || echo "$need"
  done
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

install_packages() { # install_packages COLUMN PACKAGE...
  local column=$1
  shift
  case $column in
    3)
      as_root apt-get -q update >/dev/null
      as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@"
      ;;
    4) as_root dnf -q -y install "$@" ;;
    5) brew install --quiet "$@" ;;
  esac
}

install_missing() { # install_missing NEED...: quiet when nothing is missing
  local needs column need packages=() log
  read -ra needs <<<"$(missing "$@" | tr '\n' ' ')"
  ((${#needs[@]})) || return 0
  column=$(package_column "${needs[@]}")
  for need in "${needs[@]}"; do
    read -ra names <<<"$(requirement "$need" "$column")"
    [[ ${names[0]} == - ]] || packages+=("${names[@]}")
  done
  say "Installing ${packages[*]}"
  log=$(mktemp)
  install_packages "$column" "${packages[@]}" >"$log" 2>&1 || { tail -n 30 "$log" >&2; die "the packages could not be installed"; }
  rm -f "$log"
  hash -r
  needs=("$(missing "$@")")
  [[ -z ${needs[0]} ]] || die "still missing after installing: ${needs[*]}"
}

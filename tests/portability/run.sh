#!/usr/bin/env bash
# Traces have the same bytes, and the tools say the same of them, on a 32-bit machine and on a big-endian one.
#
#   tests/portability/run.sh [MACHINE...]     MACHINE: i386, s390x (default: both)
#
# Needs a Debian with apt, cross compilers, qemu-user and the viewer that the dev build made. Exit 77: they cannot be had here.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/requirements.sh
BUILD=$PWD/build/portability
VIEWER=$PWD/build/dev/converter/page/viewer_bundle.c
VERSION=$(sed -n 's/^project(callprofiler VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
WARNINGS='-Wall -Wextra -Wshadow -Wformat -Wconversion -Wno-sign-conversion -Wno-psabi -Werror'

skip() { printf 'portability: skipped: %s\n' "$*" >&2; exit 77; }

machine() { # machine MACHINE: sets COMPILER and EMULATOR
  case $1 in
    native) COMPILER=gcc EMULATOR= ;;
    i386) COMPILER=i686-linux-gnu-gcc EMULATOR=qemu-i386 ;;
    s390x) COMPILER=s390x-linux-gnu-gcc EMULATOR=qemu-s390x ;;
    *) die "unknown machine $1" ;;
  esac
}

packages_of() { # packages_of MACHINE: what its compiler and emulator are in
  case $1 in
    i386) echo gcc-i686-linux-gnu libc6-dev-i386-cross qemu-user ;;
    s390x) echo gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user ;;
  esac
}

install_tools() { # install_tools MACHINE...
  local name packages=
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || skip "the cross compilers are installed with apt, which is not here"
  for name in "$@"; do
    machine "$name"
    command -v "$COMPILER" "$EMULATOR" >/dev/null 2>&1 && command -v "$EMULATOR" >/dev/null || packages+=" $(packages_of "$name")"
  done
  [[ -z $packages ]] || install_packages 3 $packages >"$BUILD/apt.log" 2>&1 || skip "apt has not got $packages ($BUILD/apt.log)"
}

# libzstd and libdeflate of that machine, unpacked into a folder of ours; the system's package lists are left alone. All machines get the
# same versions: those of this Debian.
fetch_libraries() { # fetch_libraries MACHINE
  local root=$BUILD/$1 architecture=$1 apt
  if [[ $architecture == native ]]; then architecture=$(dpkg --print-architecture); fi
  [[ ! -e $root/libraries.done ]] || return 0
  mkdir -p "$root/lists/partial" "$root/cache/archives/partial" "$root/debs" "$root/libraries"
  apt=(apt-get -q -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" -o "Dir::State::lists=$root/lists"
    -o "Dir::Cache=$root/cache" -o Dir::State::status=/dev/null -o Acquire::Languages=none -o APT::Sandbox::User=)
  "${apt[@]}" update || true # one bad list need not be the one that counts
  (cd "$root/debs" && "${apt[@]}" download libzstd-dev libdeflate-dev) || return
  for deb in "$root"/debs/*.deb; do dpkg-deb -x "$deb" "$root/libraries" || return; done
  rm -rf "$root/lists" "$root/cache"
  touch "$root/libraries.done"
}

compile() { # compile MACHINE: its programs, in bin/; each is linked statically, so that the emulator needs nothing else
  local root=$BUILD/$1 objects=$BUILD/$1/objects source list
  machine "$1"
  list=$(ls format/*.c converter/{replay,rewrite,cli,page,cptrace,cp2html}/*.c converter/platform/platform_posix.c | grep -v win32)
  list+=" tests/cli/cli_traces.c tests/browser/make_traces.c tests/portability/ring_trace.c $VIEWER"
  rm -rf "$objects" "$root/bin"
  mkdir -p "$objects" "$root/bin" "$root/programs"
  for source in $list; do printf '%s %s\n' "$source" "$objects/$(tr '/.' '__' <<<"${source#"$PWD"/}").o"; done |
    xargs -P 2 -L 1 sh -c "exec $COMPILER -std=gnu11 -O1 -D_FILE_OFFSET_BITS=64 -DCALLPROFILER_VERSION='\"$VERSION\"' $WARNINGS \
      -Iformat/include -Iformat -Iconverter -isystem $root/libraries/usr/include -c \$0 -o \$1" || return
  link_program "$1" cptrace converter_cptrace_ converter_rewrite_ converter_replay_ converter_cli_ converter_platform_ format_ &&
    link_program "$1" cp2html converter_cp2html_ converter_page_ build_dev_ converter_replay_ converter_cli_ converter_platform_ format_ &&
    link_program "$1" cli_traces tests_cli_ format_ &&
    link_program "$1" make_traces tests_browser_ format_ &&
    link_program "$1" ring_trace tests_portability_ format_
}

link_program() { # link_program MACHINE NAME OBJECT_PREFIX...
  local root=$BUILD/$1 name=$2 objects=() prefix
  for prefix in "${@:3}"; do objects+=("$root/objects/$prefix"*.o); done
  "$COMPILER" -static -o "$root/programs/$name" "${objects[@]}" $(find "$root/libraries" -name 'libzstd.a' -o -name 'libdeflate.a') \
    -lpthread -lm || return
  printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$EMULATOR" "$root/programs/$name" >"$root/bin/$name"
  chmod +x "$root/bin/$name"
}

write_traces() { # write_traces MACHINE: with the writer of that machine
  local root=$BUILD/$1
  rm -rf "$root/traces"
  mkdir "$root/traces"
  "$root/bin/cli_traces" "$root/traces" && "$root/bin/make_traces" "$root/traces" 20000 && "$root/bin/ring_trace" "$root/traces/ring.cptrace"
}

damage_traces() { # of the native ones: copies that are cut, and copies with a byte in the middle that is another
  local trace size
  mkdir -p "$BUILD/damaged"
  for trace in "$BUILD"/native/traces/*.cptrace; do
    size=$(stat -c %s "$trace")
    head -c $((size * 2 / 3)) "$trace" >"$BUILD/damaged/cut_$(basename "$trace")"
    cp "$trace" "$BUILD/damaged/flipped_$(basename "$trace")"
    printf '\125' | dd of="$BUILD/damaged/flipped_$(basename "$trace")" bs=1 seek=$((size / 2)) conv=notrunc status=none
  done
}

read_traces() { # read_traces MACHINE: what its tools say of the native traces, whole and damaged, into said/
  local root=$BUILD/$1 trace name command
  rm -rf "$root/said"
  mkdir "$root/said"
  for trace in "$BUILD"/native/traces/*.cptrace "$BUILD"/damaged/*.cptrace; do
    name=$(basename "$trace" .cptrace)
    for command in dump calls 'info --json' info check; do
      (cd "$(dirname "$trace")" && "$root/bin/cptrace" $command "$name.cptrace" >"$root/said/$name.${command// /}" 2>&1) ||
        echo "exit $?" >>"$root/said/$name.${command// /}"
    done
    (cd "$(dirname "$trace")" && "$root/bin/cp2html" -q -o "$root/said/$name.html" "$name.cptrace" >"$root/said/$name.cp2html" 2>&1) ||
      echo "exit $?" >>"$root/said/$name.cp2html"
  done
  sed -i -E "s/zstd: [A-Z][A-Za-z' ]+/zstd: ITS REASON/" "$root"/said/* # why a frame is damaged: libzstd's 32-bit decoder notices other things first
}

compare() { # compare MACHINE
  diff -r "$BUILD/native/traces" "$BUILD/$1/traces" || die "$1 writes other traces"
  diff -r "$BUILD/native/said" "$BUILD/$1/said" >"$BUILD/$1/difference" || {
    head -n 20 "$BUILD/$1/difference"
    die "the tools of $1 say something else: $BUILD/$1/difference"
  }
  printf 'portability: %s: %d traces with the same bytes, %d outputs the same\n' "$1" "$(ls "$BUILD/$1/traces" | wc -l)" "$(ls "$BUILD/$1/said" | wc -l)"
}

export -f read_traces
export BUILD

machines=("$@")
((${#machines[@]})) || machines=(i386 s390x)
[[ -e $VIEWER ]] || die "build the preset dev first: the viewer is taken from there"
mkdir -p "$BUILD"
install_tools "${machines[@]}"
for name in native "${machines[@]}"; do
  fetch_libraries "$name" >"$BUILD/apt.log" 2>&1 || skip "apt has not got libzstd-dev and libdeflate-dev for $name ($BUILD/apt.log)"
  compile "$name"
  write_traces "$name"
done
damage_traces
printf '%s\n' native "${machines[@]}" | xargs -P 2 -n 1 bash -c 'read_traces "$1"' read_traces
for name in "${machines[@]}"; do compare "$name"; done

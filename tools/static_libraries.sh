#!/usr/bin/env bash
# Builds libzstd and libdeflate as static libraries, for wheels: the programs in a wheel then need no library beside them
# (the repair tools mend extension modules, but on macOS not programs).
#
#   bash tools/static_libraries.sh PREFIX      afterwards build with CMAKE_PREFIX_PATH=PREFIX
set -euo pipefail
PREFIX=$1
SOURCES=$(mktemp -d)
trap 'rm -rf "$SOURCES"' EXIT

build() { # build REPOSITORY TAG SOURCE_FOLDER OPTION...
  local name=${1##*/} repository=$1 tag=$2 folder=$3
  shift 3
  git -c advice.detachedHead=false clone --quiet --depth 1 --branch "$tag" "$repository" "$SOURCES/$name"
  cmake -S "$SOURCES/$name/$folder" -B "$SOURCES/$name-build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$PREFIX" \
    -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_POSITION_INDEPENDENT_CODE=ON "$@"
  cmake --build "$SOURCES/$name-build" --parallel --target install
}

build https://github.com/facebook/zstd v1.5.7 build/cmake -DZSTD_BUILD_SHARED=OFF -DZSTD_BUILD_PROGRAMS=OFF -DZSTD_BUILD_TESTS=OFF
build https://github.com/ebiggers/libdeflate v1.24 . -DLIBDEFLATE_BUILD_SHARED_LIB=OFF -DLIBDEFLATE_BUILD_GZIP=OFF

#!/usr/bin/env bash
# Runs the tests of the arithmetic and of the nodes under the address and the thread sanitizer.
# Arguments: which sanitizers (default: address thread). Each has a build folder of its own, and its
# first build compiles the dependencies: expect half an hour on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
source Scripts/blas-environment.sh

# OpenBLAS is not instrumented, and what a process holds at its end is no leak.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=0}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1}"

[ $# -gt 0 ] || set -- address thread
for sanitizer in "$@"; do
  echo "sanitize: $sanitizer"
  folder=.build-$sanitizer
  swift build --build-tests --sanitize="$sanitizer" --scratch-path "$folder"
  swift test --skip-build --sanitize="$sanitizer" --scratch-path "$folder" --disable-xctest \
    --parallel --filter '^(BloomTests|PetalsNodeTests)\.'
done

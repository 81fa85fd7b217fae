#!/usr/bin/env bash
# Runs the tests of the arithmetic, the nodes and the metrics' threads under the address and the
# thread sanitizer. Arguments: which sanitizers (default: address thread). Each has a build folder of
# its own, and its first build compiles the dependencies: expect an hour for both on two cores.
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
  flags=(--sanitize="$sanitizer" --scratch-path "$folder")
  if [ "$sanitizer" = thread ] && [ "$(uname)" = Linux ]; then
    mkdir -p "$folder"
    "$(dirname "$(readlink -f "$(command -v swift)")")/clang" -O1 -fsanitize=thread \
      -c Tests/Sanitizers/mutex.c -o "$folder/mutex.o"
    flags+=(-Xlinker "$PWD/$folder/mutex.o")
  fi
  swift build --build-tests "${flags[@]}"
  # One at a time: instrumented arithmetic is so slow that many at once would let calls to peers
  # run out of time.
  swift test --skip-build "${flags[@]}" --disable-xctest \
    --no-parallel --filter '^(BloomTests|PetalsNodeTests)\.|/metricsThreadSafety'
done

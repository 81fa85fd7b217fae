#!/usr/bin/env bash
# Runs every kernel of every set that this processor has under the address and the undefined-behaviour sanitizer:
# minutes, without the rest of the package (Scripts/sanitize.sh runs the tests).
set -euo pipefail
cd "$(dirname "$0")/.."
clang="$(dirname "$(readlink -f "$(command -v swift)")")/clang"
[ -x "$clang" ] || clang=clang
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for file in Sources/BloomKernels/*.c Tests/Sanitizers/every_kernel.c; do
  "$clang" -O0 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
    -ISources/BloomKernels -ISources/BloomKernels/include -c "$file" -o "$folder/$(basename "$file").o"
done
# A linker may warn of each symbol of the sanitizers: its words count when it fails.
"$clang" -fsanitize=address,undefined "$folder"/*.o -lm -lpthread -o "$folder/every_kernel" 2> "$folder/words" ||
  { cat "$folder/words" >&2; exit 1; }
"$folder/every_kernel"

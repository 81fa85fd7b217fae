#!/usr/bin/env bash
# Builds and runs Documentation/Examples/OwnSuite, which knows this package by its products alone, and checks
# that its XCTest cases and its Swift Testing tests both ran. Debug: the quickest to compile.
set -euo pipefail
cd "$(dirname "$0")/.."
source Scripts/blas-environment.sh

log=$(mktemp)
trap 'rm -f "$log"' EXIT
swift test --package-path Documentation/Examples/OwnSuite --scratch-path .build-own-suite "$@" 2>&1 | tee "$log"

grep -qE 'Executed [1-9][0-9]* tests?, with 0 failures' "$log" ||
  { echo "own-suite: no XCTest case ran" >&2; exit 1; }
grep -qE 'Test run with [1-9][0-9]* tests? .*passed' "$log" ||
  { echo "own-suite: no test of Swift Testing ran" >&2; exit 1; }

#!/usr/bin/env bash
# Builds and runs every test and checks that as many ran as there are.
# Arguments go to `swift test` (for example --filter Oracle; the count is then only checked to be above zero).
#
# The release configuration shares its build folder with the command; no test uses @testable, so
# nothing needs -enable-testing.
set -euo pipefail
cd "$(dirname "$0")/.."
source Scripts/blas-environment.sh

swift build -c release --build-tests --explicit-target-dependency-import-check error
all=$(swift test list -c release --skip-build --disable-xctest 2>/dev/null | grep -c '/') || true
[ "$all" -gt 0 ] || { echo "test: \`swift test list\` lists no test" >&2; exit 1; }

# Tests that wait for a process or a socket overlap, but no more of them run at once than the processors
# can serve: without a limit all of them start together, and time runs out for whoever comes last.
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=${SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH:-$((cores * 4))}

mode=--parallel
for argument in "$@"; do [ "$argument" != --no-parallel ] || mode=; done
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
swift test -c release --skip-build --disable-xctest ${mode:+"$mode"} "$@" 2>&1 | tee "$log" || status=$?
if [ "$status" -ne 0 ]; then
  # Again at the end, where a reader of a long log looks first.
  printf '\ntest: what failed:\n'
  grep -E '^✘|^error:|Fatal error|recorded an issue' "$log" | head -n 60
  exit "$status"
fi

# "Test run with 123 tests in 45 suites passed after 1.234 seconds."
ran=$(sed -nE 's/.*Test run with ([0-9]+) tests?.*/\1/p' "$log" | tail -n 1)
expected=$all
case " $* " in *" --filter"* | *" --skip "*) expected=1 ;; esac
if [ "${ran:-0}" -lt "$expected" ]; then
  echo "test: ${ran:-0} tests ran, but $expected were expected" >&2
  exit 1
fi

#!/usr/bin/env bash
# Runs the tests with coverage in a build folder of its own and prints lines covered per target.
set -euo pipefail
cd "$(dirname "$0")/.."
source Scripts/blas-environment.sh

folder=.build-coverage
# One at a time: instrumented and not optimised, many at once would let calls to peers run out of time.
swift test --scratch-path "$folder" --enable-code-coverage --disable-xctest --no-parallel

# The profile's format belongs to the compiler: use the toolchain's own llvm-cov.
resources=$(swiftc -print-target-info |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["paths"]["runtimeResourcePath"])')
llvm_cov="$resources/../../bin/llvm-cov"
[ -x "$llvm_cov" ] || { echo "coverage: $llvm_cov is missing from the toolchain" >&2; exit 1; }

binaries=$(swift build --scratch-path "$folder" --show-bin-path)
"$llvm_cov" export --summary-only \
  --instr-profile "$binaries/codecov/default.profdata" \
  "$binaries"/*.xctest |
  python3 -c '
import collections, json, os, sys

totals = collections.defaultdict(lambda: [0, 0])
here = os.getcwd() + "/Sources/"
for file in json.load(sys.stdin)["data"][0]["files"]:
    if file["filename"].startswith(here):
        lines = file["summary"]["lines"]
        target = file["filename"][len(here):].split("/")[0]
        for name in (target, "all"):
            totals[name][0] += lines["covered"]
            totals[name][1] += lines["count"]
if not totals:
    sys.exit("coverage: the profile names no file of Sources")
for name, (covered, count) in sorted(totals.items(), key=lambda row: (row[0] == "all", row[0])):
    print(f"{name:20} {covered:6} of {count:6} lines  {100 * covered / max(1, count):5.1f} %")
'

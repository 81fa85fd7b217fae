#!/usr/bin/env bash
# Checks that the generated code of each target with protos is what its generate.sh makes of them.
set -euo pipefail
cd "$(dirname "$0")/.."
committed=$(mktemp -d)
trap 'rm -rf "$committed"' EXIT
for target in PipelineRPC PetalsSwarm; do
  generated=Sources/$target/Generated
  mkdir "$committed/$target"
  cp -R "$generated/." "$committed/$target"
  "Sources/$target/generate.sh"
  diff -ru "$committed/$target" "$generated" ||
    { echo "protos: $generated is not what generate.sh makes; commit what it made" >&2; exit 1; }
done
echo "protos: the generated code is what generate.sh makes"

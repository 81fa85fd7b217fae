#!/usr/bin/env bash
# Checks that Sources/PipelineRPC/Generated is what generate.sh makes of Protos.
set -euo pipefail
cd "$(dirname "$0")/.."
generated=Sources/PipelineRPC/Generated
committed=$(mktemp -d)
trap 'rm -rf "$committed"' EXIT
cp -R "$generated/." "$committed"
Sources/PipelineRPC/generate.sh
diff -ru "$committed" "$generated" ||
  { echo "protos: $generated is not what generate.sh makes; commit what it made" >&2; exit 1; }
echo "protos: the generated code is what generate.sh makes"

#!/usr/bin/env bash
# Writes Documentation/oracle-openapi.json from the description that the oracle serves.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:-.build/release/petals-e2e}
log=$(mktemp)
"$program" oracle --port 0 --json --dialect both > "$log" &
oracle=$!
trap 'kill "$oracle"' EXIT
until grep -q listening "$log"; do sleep 0.1; done
url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$log")
curl -fsS "$url/openapi.json" | python3 -m json.tool --indent 1 > Documentation/oracle-openapi.json

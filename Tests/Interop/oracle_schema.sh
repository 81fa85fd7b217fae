#!/usr/bin/env bash
# Runs schemathesis against the description that an oracle serves: no 5xx, no answer that the
# description does not have, no answer in another form.
#
#   python3 -m venv .venv && .venv/bin/pip install schemathesis
#   PATH=.venv/bin:$PATH Tests/Interop/oracle_schema.sh .build/release/petals-e2e [EXAMPLES]
set -euo pipefail
program=$1
examples=${2:-200}
folder=$(mktemp -d)
mkfifo "$folder/lines"
oracle=
trap 'kill $oracle 2> /dev/null || true; rm -r "$folder"' EXIT
for dialect in documented deployed both; do
  "$program" oracle --port 0 --json --dialect "$dialect" > "$folder/lines" &
  oracle=$!
  # The first line says where it listens; those after it are of no interest, but have to be read.
  exec 3< "$folder/lines"
  read -r listening <&3 || { echo "oracle_schema: $program oracle did not start" >&2; exit 1; }
  cat <&3 > /dev/null &
  url=${listening#*\"url\":\"}
  url=${url%%\"*}
  echo "== $dialect at $url"
  # The deployed oracle answers 404 to a method that it does not know, as the real one does.
  schemathesis run "$url/openapi.json" --max-examples "$examples" --workers 1 \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance \
    --mode all --no-color
  kill "$oracle"
  wait "$oracle" || true
done

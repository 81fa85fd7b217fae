#!/usr/bin/env bash
# Format, layers, no sleeping tests, and mutations that apply. Generated code keeps its generator's format.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v python3 >/dev/null ||
  { echo "lint: python3 is missing, which the checks are written in; apt-get install python3" >&2; exit 1; }

find Package.swift Sources Tests Documentation/Examples -name '*.swift' -not -path '*/Generated/*' -not -path '*/.build/*' -print0 |
  xargs -0 swift format lint --strict --parallel
echo "lint: format is clean"
python3 Scripts/manual-page.py --self-test
python3 Scripts/program_lines.py --self-test
python3 Scripts/check-layers.py --self-test
python3 Scripts/check-layers.py
python3 Scripts/check-no-sleep.py --self-test
python3 Scripts/check-no-sleep.py
for patch in Tests/Mutations/*.patch; do
  # Whose checkout it is does not matter here: git is asked about files, not about a repository.
  GIT_DIR=/nonexistent git apply --check "$patch" ||
    { echo "lint: $patch does not apply any more; take it over to the code as it is" >&2; exit 1; }
done
echo "lint: every mutation applies"

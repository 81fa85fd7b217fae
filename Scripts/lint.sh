#!/usr/bin/env bash
# Format, layers, and no sleeping tests. Generated code keeps its generator's format.
set -euo pipefail
cd "$(dirname "$0")/.."

find Package.swift Sources Tests -name '*.swift' -not -path '*/Generated/*' -print0 |
  xargs -0 swift format lint --strict --parallel
echo "lint: format is clean"
python3 Scripts/check-layers.py --self-test
python3 Scripts/check-layers.py
python3 Scripts/check-no-sleep.py --self-test
python3 Scripts/check-no-sleep.py

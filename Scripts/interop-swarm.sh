#!/usr/bin/env bash
# A swarm of this package's nodes and of Petals' own servers: Scripts/interop-swarm.sh COMMAND [mixed] [times] [replaced]
#
# The Petals that is compared with is 2.2.0.post1 on Python 3.10, with the packages that it needs in the versions that it
# works with, in an environment that is made at the first run: .build/interop/petals, or $PETALS_ENVIRONMENT. It
# takes 5.3 GB, most of them PyPI's torch with its CUDA libraries; TORCH_INDEX may name an index whose wheels are
# without. hivemind is built from its source without Go: its messages are compiled here, and p2pd is the one that
# `make deps-swarm` fetched.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  printf 'interop-swarm: %s\n' "$*" >&2
  exit 1
}

say() { printf 'interop-swarm: %s\n' "$*"; }

command=${1:?name the command: Scripts/interop-swarm.sh .build/release/petals-e2e}
environment=${PETALS_ENVIRONMENT:-$PWD/.build/interop/petals}
daemon=${PETALS_P2PD:-${XDG_CACHE_HOME:-$HOME/.cache}/petals-e2e/p2pd}
[ -x "$command" ] || fail "there is no command $command: make build"
[ -x "$daemon" ] || fail "p2pd is missing: make deps-swarm"

find_python() {
  local candidate
  for candidate in "${PYTHON310:-}" python3.10 "$HOME"/.pyenv/versions/3.10.*/bin/python3.10; do
    if [ -n "$candidate" ] && "$candidate" --version 2>/dev/null | grep -q ' 3\.10\.'; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  fail "Petals 2.2 needs Python 3.10: install it (pyenv install 3.10), or name it with PYTHON310"
}

pip() { "$environment/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }

# Without what serves NVIDIA's devices and plots alone; versions that Petals does not ask for are those it works with.
packages=(
  "transformers==4.33.3" "tokenizers<0.14" "huggingface-hub<0.20" "accelerate==0.22.0" "safetensors<0.5"
  "peft==0.5.0" "bitsandbytes==0.41.1" "speedtest-cli==2.1.3" "tensor_parallel==1.0.23" "numpy<2" "pydantic<2"
  "protobuf<4.26" scipy sentencepiece cpufeature async-timeout humanfriendly packaging Dijkstar psutil PyYAML msgpack
  sortedcontainers uvloop grpcio configargparse prefetch_generator pymultihash cryptography varint base58 netaddr
)

install_petals() {
  local python source site
  python=$(find_python)
  source=$(mktemp -d)
  # The function's own: it is gone when the script ends.
  # shellcheck disable=SC2064
  trap "rm -rf '$source'" EXIT
  say "makes an environment for Petals in $environment, of 5.3 GB"
  rm -rf "$environment"
  mkdir -p "$(dirname "$environment")"
  "$python" -m venv "$environment"
  pip install "setuptools<70" wheel "numpy<2" "pydantic<2" "multiaddr==0.0.9" "grpcio-tools<1.60" "protobuf<4.26"
  say "installs torch 2.1.2"
  pip install "torch==2.1.2" "numpy<2" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
  say "installs what Petals needs"
  pip install "${packages[@]}"
  say "builds hivemind 1.1.10.post2"
  pip download --no-deps --no-binary hivemind --no-build-isolation --dest "$source" "hivemind==1.1.10.post2"
  tar -xzf "$source"/hivemind-*.tar.gz --directory "$source" --strip-components 1
  site=$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  cp -r "$source/hivemind" "$site/"
  "$environment/bin/python" -m grpc_tools.protoc --proto_path="$site/hivemind/proto" \
    --python_out="$site/hivemind/proto" "$site"/hivemind/proto/*.proto
  sed -i -E 's/^import (\w+_pb2)/from . import \1/' "$site"/hivemind/proto/*_pb2.py
  cp "$daemon" "$site/hivemind/hivemind_cli/p2pd"
  mkdir -p "$site/hivemind-1.1.10.post2.dist-info"
  printf 'Metadata-Version: 2.1\nName: hivemind\nVersion: 1.1.10.post2\n' \
    >"$site/hivemind-1.1.10.post2.dist-info/METADATA"
  pip install --no-deps "petals==2.2.0.post1"
  "$environment/bin/python" -c 'import petals' || fail "Petals cannot be imported: see above"
  touch "$environment/complete"
}

if [ -e "$environment/complete" ]; then
  say "Petals is in $environment"
else
  install_petals
fi
# Petals asks a site on the Internet for the address that it is reached at, and the hub for models: neither is needed.
exec env HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 \
  "$environment/bin/python" Tests/Interop/petals_swarm.py "$command" "$daemon" "${@:2}"

#!/usr/bin/env bash
# Other implementations against the command: web3.py 6, 7 and 8, eth-account, py-evm and torch, each from a
# virtual environment of its own under .build/interop, made at the first run; and where there is node, what
# ethers and viem send (ETHERS_FILE names ethers' bundled file, which then runs itself). EXECUTION_APIS names a
# checkout of ethereum/execution-apis, whose schemas the chain's answers are compared with.
set -euo pipefail
cd "$(dirname "$0")/.."

command=$(swift build -c "${CONFIGURATION:-release}" --show-bin-path)/petals-e2e
environments=.build/interop
services=()

stop_services() {
  local service
  for service in "${services[@]}"; do kill "$service" 2>/dev/null || true; done
}
trap stop_services EXIT

# Starts a service on a free port and sets `url`.
start() {
  local log
  log=$(mktemp)
  "$command" "$@" --port 0 --json >"$log" &
  services+=($!)
  url=""
  while [ -z "$url" ]; do
    kill -0 "$!" || { echo "interop: petals-e2e $1 did not start" >&2; exit 1; }
    url=$(sed -nE 's/.*"event":"listening".*"url":"([^"]+)".*/\1/p' "$log")
  done
  rm "$log"
}

# The Python of an environment with packages in it.
python_with() {
  local folder=$environments/$1
  [ -x "$folder/bin/pip" ] || python3 -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"
  echo "$folder/bin/python"
}

for version in 6 7 8; do
  # web3.py asks for no version of pyunormalize, and does not work with 17 and later.
  python=$(python_with "web3-$version" "web3==$version.*" "pyunormalize<17" \
    pytest pytest-asyncio pytest-timeout flaky)
  start chain --no-proof-of-authority
  "$python" Tests/Interop/web3_check.py "$url"
  start chain
  "$python" Tests/Interop/web3_check.py "$url" --poa
  # web3.py's own tests. Its contracts need PUSH0, those of 7 and 8 MCOPY too; the chain's id and the time
  # from block to block are those of web3.py's repository.
  [ "$version" = 6 ] && hardfork=shanghai || hardfork=cancun
  start chain --no-proof-of-authority --hardfork "$hardfork" --chain-id 131277322940537 --block-time 3
  "$python" -m pytest -q -p no:cacheprovider --asyncio-mode=auto --timeout 60 --tb=short \
    --rootdir Tests/Interop/web3_modules --chain "$url" Tests/Interop/web3_modules
done
if [ -n "${EXECUTION_APIS:-}" ]; then
  python=$(python_with execution-apis jsonschema pyyaml)
  start chain --no-proof-of-authority --hardfork cancun
  "$python" Tests/Interop/execution_apis_check.py "$url" "$EXECUTION_APIS"
else
  echo "interop: EXECUTION_APIS is not set, so Tests/Interop/execution_apis_check.py was not run"
fi
python=$(python_with eth-account eth-account)
start oracle
"$python" Tests/Interop/oracle_check.py "$url"
python=$(python_with py-evm "py-evm==0.12.1b1")
# Other programs each time; the seeds are printed. EVM_PROGRAMS says how many.
"$python" Tests/Interop/evm_check.py "$command" --programs "${EVM_PROGRAMS:-500}" --seed "${EVM_SEED:-$RANDOM}"
python=$(python_with agents grpcio-tools torch numpy safetensors)
"$python" Tests/Interop/agent_chain.py "$command" Tests/TestVectors/bloom/tiny-f16
agree="web3.py 6, 7, 8, eth-account, py-evm and torch"
if command -v node >/dev/null; then
  start chain
  node Tests/Interop/javascript_check.mjs "$url" ${ETHERS_FILE:+"$ETHERS_FILE"}
  agree="$agree, and what ethers 6 and viem 2 send,"
else
  echo "interop: there is no node, so Tests/Interop/javascript_check.mjs was not run"
fi
echo "interop: $agree agree"

#!/usr/bin/env python3
"""Answers of a chain against the schemas of Ethereum's JSON-RPC specification (ethereum/execution-apis).

    git clone https://github.com/ethereum/execution-apis
    python3 -m venv venv && venv/bin/pip install jsonschema pyyaml
    petals-e2e chain --port 26902 --no-proof-of-authority --hardfork cancun &
    venv/bin/python execution_apis_check.py http://127.0.0.1:26902 execution-apis

Every method of the groups eth, debug and txpool is called, or is in MISSING or DIFFERENT with the reason.
The blocks must be unsealed, since the specification takes 32 bytes of extra data at most.
"""

import json
import pathlib
import sys
import urllib.request

import jsonschema
import yaml

URL, CHECKOUT = sys.argv[1], pathlib.Path(sys.argv[2])
LATER = "not in go-ethereum 1.13.15"
MISSING = dict.fromkeys((
    "eth_blobBaseFee", "eth_simulateV1", "eth_baseFee", "eth_capabilities", "eth_config",
    "eth_getStorageValues", "eth_getBlockAccessList", "debug_getRawBlockAccessList"), LATER)
DIFFERENT = {
    "eth_fillTransaction": "go-ethereum 1.13.15 says null for the price of a transaction with a fee cap",
    "eth_signTransaction": "go-ethereum 1.13.15 says null for the price of a transaction with a fee cap",
}
# A pending block has no hash, and a pending transaction no block: null in go-ethereum's answers, which the
# specification has not.


def load(folder):
    return [yaml.safe_load(path.read_text()) for path in sorted((CHECKOUT / "src" / folder).glob("*.yaml"))]


SCHEMAS = {name: schema for file in load("schemas") for name, schema in file.items()}
METHODS = {method["name"]: method for group in ("eth", "debug", "txpool") for file in load(group)
           for method in file}


# The time of a transaction's block came with later versions of go-ethereum.
SCHEMAS["TransactionInfo"]["allOf"][0]["required"].remove("blockTimestamp")


def send(method, *params):
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    request = urllib.request.Request(URL, message.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def ask(method, *params):
    answer = send(method, *params)
    if "error" in answer:
        sys.exit(f"execution_apis_check: {method}{list(params)}: {answer['error']}")
    return answer["result"]


def transactions():
    """Three kinds of transactions in one block, one of which creates a contract that logs; and one that waits."""
    sender = ask("eth_accounts")[0]
    # Init code that logs a topic and returns one byte of code, 0.
    creation = "0x602a600052600760206000a160016000f3"
    ask("evm_setAutomine", False)
    common = {"from": sender, "gas": "0x186a0"}
    hashes = [
        ask("eth_sendTransaction", common | {"data": creation, "gasPrice": "0x77359400"}),
        ask("eth_sendTransaction", common | {
            "to": sender, "value": "0x1", "gasPrice": "0x77359400",
            "accessList": [{"address": sender, "storageKeys": ["0x" + "00" * 32]}]}),
        ask("eth_sendTransaction", common | {
            "to": sender, "data": "0x01", "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1"}),
    ]
    filters = ask("eth_newFilter", {"fromBlock": "0x0"}), ask("eth_newBlockFilter")
    ask("evm_mine")
    waiting = ask("eth_sendTransaction", common | {
        "to": sender, "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1"})
    return sender, hashes, waiting, filters


def calls():
    """For each method the parameters that it is called with."""
    sender, hashes, waiting, (logs, blocks) = transactions()
    receipt = ask("eth_getTransactionReceipt", hashes[0])
    block, number, contract = receipt["blockHash"], receipt["blockNumber"], receipt["contractAddress"]
    tags = ["latest", "earliest", "pending", "safe", "finalized", number]
    made = [tag for tag in tags if tag != "pending"]
    call = {"from": sender, "to": contract, "data": "0x"}
    transaction = {"from": sender, "to": sender, "gas": "0x5208", "nonce": "0x63", "value": "0x0",
                   "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1"}
    signed = ask("eth_signTransaction", transaction)["raw"]
    none = [[]]
    return {
        **{name: none for name in (
            "eth_chainId", "eth_syncing", "eth_coinbase", "eth_accounts", "eth_blockNumber", "eth_gasPrice",
            "eth_maxPriorityFeePerGas", "eth_newBlockFilter", "eth_newPendingTransactionFilter",
            "txpool_content", "txpool_status", "txpool_inspect", "net_version")},
        "txpool_contentFrom": [[sender]],
        "eth_getBlockByNumber": [[tag, whole] for tag in made + ["0xffffff"] for whole in (False, True)],
        "eth_getBlockByHash": [[block, False], [block, True], ["0x" + "11" * 32, False]],
        "eth_getHeaderByNumber": [[number]], "eth_getHeaderByHash": [[block]],
        "eth_getBlockTransactionCountByHash": [[block]], "eth_getUncleCountByBlockHash": [[block]],
        "eth_getBlockTransactionCountByNumber": [[tag] for tag in tags],
        "eth_getUncleCountByBlockNumber": [[tag] for tag in tags],
        "eth_getBlockReceipts": [[tag] for tag in made],
        "eth_getTransactionByHash": [[each] for each in hashes + ["0x" + "11" * 32]],
        "eth_getTransactionByBlockHashAndIndex": [[block, "0x0"], [block, "0x9"]],
        "eth_getTransactionByBlockNumberAndIndex": [[number, "0x1"], [number, "0x9"]],
        "eth_getTransactionReceipt": [[each] for each in hashes + [waiting]],
        "eth_call": [[call, "latest"]], "eth_estimateGas": [[call]],
        "eth_createAccessList": [[call, "latest"]],
        "eth_feeHistory": [["0x2", "latest", [10, 90]], ["0x1", "latest", []]],
        "eth_newFilter": [[{"address": contract}]], "eth_getLogs": [[{"fromBlock": "0x0"}]],
        "eth_getFilterChanges": [[logs], [blocks]], "eth_getFilterLogs": [[logs]],
        "eth_uninstallFilter": [[logs]], "eth_sign": [[sender, "0x01"]],
        "eth_signTransaction": [[transaction]], "eth_sendTransaction": [[transaction | {"nonce": "0x62"}]],
        "eth_sendRawTransaction": [[signed]],
        "eth_getBalance": [[sender, tag] for tag in tags], "eth_getCode": [[contract, tag] for tag in tags],
        "eth_getTransactionCount": [[sender, tag] for tag in tags],
        "eth_getStorageAt": [[contract, "0x0", tag] for tag in tags],
        "eth_getProof": [[contract, ["0x" + "00" * 32], "latest"], [sender, [], "latest"]],
        "debug_getRawHeader": [[number]], "debug_getRawBlock": [[number]], "debug_getBadBlocks": [[]],
        "debug_getRawReceipts": [[number]], "debug_getRawTransaction": [[hashes[1]]],
        "debug_traceTransaction": [[hashes[0]]], "debug_traceCall": [[call, "latest"]],
        "debug_traceBlockByNumber": [[number]], "debug_traceBlockByHash": [[block]],
    }


def main():
    asked = calls()
    failures, checked = [], 0
    for name, method in sorted(METHODS.items()):
        if name in MISSING:
            answer = send(name)
            if answer.get("error", {}).get("code") != -32601:
                failures.append(f"{name} is there after all: {answer}")
            continue
        if name in DIFFERENT:
            continue
        if name not in asked:
            failures.append(f"{name} is neither called nor known to be missing")
            continue
        schema = {"allOf": [method["result"]["schema"]], "components": {"schemas": SCHEMAS}}
        validator = jsonschema.Draft202012Validator(schema)
        for params in asked[name]:
            answer = send(name, *params)
            if "error" in answer:
                failures.append(f"{name}{params}: {answer['error']}")
                continue
            checked += 1
            for error in validator.iter_errors(answer["result"]):
                best = jsonschema.exceptions.best_match([error])
                failures.append(f"{name}{params}: {list(best.absolute_path)}: {best.message[:200]}")
    for failure in failures:
        print(f"FAILED  {failure}")
    print(f"execution_apis_check: {checked} answers of {len(asked.keys() & METHODS.keys())} methods")
    if failures:
        sys.exit("execution_apis_check: the answers above are not as specified")


main()

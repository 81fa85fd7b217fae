#!/usr/bin/env python3
"""Random programs, run by py-evm and by `petals-e2e evm state-test`: states and logs must be equal.

Every program follows from its seed, which is printed when it differs:

    python3 -m venv venv && venv/bin/pip install py-evm==0.12.1b1 coincurve
    venv/bin/python Tests/Interop/evm_check.py .build/release/petals-e2e --programs 10000
    venv/bin/python Tests/Interop/evm_check.py .build/release/petals-e2e --seed 4711 --programs 1

A transaction calls one of three contracts (evm_programs.py) that call each other and the precompiles,
create others, loop, write and destroy themselves; one in eight creates a contract instead. In six of ten
others a fourth contract stands between, which writes the status, the output and the gas into its storage.
"""

import argparse
import gzip
import importlib
import json
import multiprocessing
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import rlp
from eth.db.atomic import AtomicDB
from eth.constants import BLANK_ROOT_HASH
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun import CancunVM
from eth.vm.forks.cancun.state import CancunState
from eth.vm.forks.london import LondonVM
from eth.vm.forks.london.state import LondonState
from eth.vm.forks.paris import ParisVM
from eth.vm.forks.paris.state import ParisState
from eth.vm.forks.shanghai import ShanghaiVM
from eth.vm.forks.shanghai.state import ShanghaiState
from eth_utils import keccak

from evm_programs import (
    COINBASE, CONTRACTS, EMPTY, KEY, ORDER, RICH, SENDER, program)


class PlainCancunState(CancunState):
    """Without the contract that every block of the main network keeps (EIP-4788)."""

    def set_system_contracts(self):
        pass


# The package's name `modexp` is the function, not the module.
modexp = importlib.import_module("eth.precompiles.modexp")


def power_without_base(data, power=modexp._modexp):
    """py-evm returns 0 for a base without bytes whatever the exponent; 0 to the power of 0 is 1 (EIP-198)."""
    if not any(data[:32]):
        data = data.ljust(96, b"\0")
        data = (1).to_bytes(32, "big") + data[32:96] + b"\0" + data[96:]
    return power(data)


modexp._modexp = power_without_base

FORKS = {
    "London": (LondonVM, LondonState),
    "Paris": (ParisVM, ParisState),
    "Shanghai": (ShanghaiVM, ShanghaiState),
    "Cancun": (CancunVM, PlainCancunState),
}
# Calls the first contract with its own input, and keeps what came of it: whether it succeeded, what it
# returned, and the gas it left, each in a slot, so that the state's root has them.
OBSERVER = bytes(19) + b"\xa9"
OBSERVING = bytes.fromhex(
    "366000600037"  # CALLDATACOPY of everything to 0
    "6000600036600034" + "73" + CONTRACTS[0].hex() + "6201d4c05a03f1"  # CALL with all gas but 120 000
    "60010161010055"  # SSTORE the success
    "3d60010161010155"  # SSTORE the size of what was returned
    "3d600060003e3d60002061010255"  # SSTORE its hash
    "5a6101035500")  # SSTORE the gas


def case(seed):
    """A state test with what py-evm makes of it."""
    chance = random.Random(seed)
    fork = ORDER[seed % len(ORDER)]
    vm, state_class = FORKS[fork]
    pre = {}
    for address in CONTRACTS:
        pre[address] = {
            "balance": chance.choice([0, 1, 1000, 10**18]), "nonce": chance.choice([0, 1, 7]),
            "code": program(chance, fork, 40),
            "storage": {slot: chance.randrange(1, 300) for slot in range(4) if chance.random() < 0.5},
        }
    pre[EMPTY] = {"balance": 0, "nonce": 0, "code": b"", "storage": {}}
    pre[RICH] = {"balance": 5, "nonce": 0, "code": b"", "storage": {}}
    pre[OBSERVER] = {"balance": 0, "nonce": 1, "code": OBSERVING, "storage": {}}
    pre[SENDER] = {"balance": 10**24, "nonce": chance.choice([0, 3]), "code": b"", "storage": {}}
    creates = chance.random() < 0.125
    data = program(chance, fork, 30) if creates else chance.randbytes(chance.choice([0, 4, 36, 100]))
    # More than what is taken before any code runs.
    observed = not creates and chance.random() < 0.6
    gas = 70_000 + 130_000 * observed + 18 * len(data) + chance.choice([0, 5_000, 60_000, 300_000, 1_500_000])
    value = chance.choice([0, 0, 1, 1000])
    base_fee = chance.choice([0, 7])
    random_value = chance.getrandbits(256)
    excess = chance.choice([0, 10_000_000])
    price, tip = base_fee + chance.choice([0, 3, 3, 1]), chance.choice([0, 2])

    builder = vm.get_transaction_builder()
    to = b"" if creates else OBSERVER if observed else CONTRACTS[0]
    fields = {"nonce": pre[SENDER]["nonce"], "gas": gas, "to": to, "value": value, "data": data}
    if seed % 3 == 0:
        listed = [(address, [chance.randrange(4)]) for address in CONTRACTS if chance.random() < 0.5]
        unsigned = builder.new_unsigned_dynamic_fee_transaction(
            chain_id=1, max_priority_fee_per_gas=min(tip, price), max_fee_per_gas=price,
            access_list=listed, **fields)
        signed = unsigned.as_signed_transaction(KEY)
    else:
        unsigned = builder.create_unsigned_transaction(
            gas_price=price, **fields)
        signed = unsigned.as_signed_transaction(KEY, chain_id=1)

    context = ExecutionContext(
        coinbase=COINBASE, timestamp=1000, block_number=300, difficulty=131072,
        mix_hash=random_value.to_bytes(32, "big"), gas_limit=30_000_000,
        prev_hashes=(keccak(str(299 - index).encode()) for index in range(256)), chain_id=1,
        base_fee_per_gas=base_fee, excess_blob_gas=excess)
    state = state_class(AtomicDB(), context, BLANK_ROOT_HASH)
    for address, account in pre.items():
        state.set_balance(address, account["balance"])
        state.set_nonce(address, account["nonce"])
        state.set_code(address, account["code"])
        for slot, content in account["storage"].items():
            state.set_storage(address, slot, content)
    state.persist()
    computation = state.apply_transaction(signed)
    # The coinbase is touched even by a fee of nothing, and an empty account that was is no account.
    if not state.has_code_or_nonce(COINBASE) and state.get_balance(COINBASE) == 0:
        state.delete_account(COINBASE)
    state.persist()
    logs = [[address, [topic.to_bytes(32, "big") for topic in topics], content]
            for address, topics, content in computation.get_log_entries()]

    transaction = {
        "to": None if creates else "0x" + to.hex(), "data": "0x" + data.hex(), "gasLimit": hex(gas),
        "value": hex(value), "nonce": hex(fields["nonce"]), "sender": "0x" + SENDER.hex(),
        "secretKey": KEY.to_hex(), "chainId": "0x1",
    }
    if seed % 3 == 0:
        transaction |= {
            "type": "0x2", "maxFeePerGas": hex(price), "maxPriorityFeePerGas": hex(min(tip, price)),
            "accessList": [
                {"address": "0x" + address.hex(),
                 "storageKeys": ["0x" + slot.to_bytes(32, "big").hex() for slot in slots]}
                for address, slots in listed]}
    else:
        transaction |= {"type": "0x0", "gasPrice": hex(price)}
    return {
        "name": f"seed {seed}", "fork": fork, "indexes": {"data": 0, "gas": 0, "value": 0},
        "env": {
            "currentCoinbase": "0x" + COINBASE.hex(), "currentNumber": hex(300),
            "currentTimestamp": hex(1000), "currentGasLimit": hex(30_000_000),
            "currentBaseFee": hex(base_fee), "currentDifficulty": hex(131072),
            "currentRandom": "0x" + random_value.to_bytes(32, "big").hex(),
            "currentExcessBlobGas": hex(excess)},
        "pre": {
            "0x" + address.hex(): {
                "balance": hex(account["balance"]), "nonce": hex(account["nonce"]),
                "code": "0x" + account["code"].hex(),
                "storage": {hex(slot): hex(content) for slot, content in account["storage"].items()}}
            for address, account in pre.items()},
        "transaction": transaction,
        "post": {"hash": "0x" + state.state_root.hex(), "logs": "0x" + keccak(rlp.encode(logs)).hex()},
        "txbytes": "0x" + signed.encode().hex(),
    }, computation.is_success


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("command", help="petals-e2e")
    parser.add_argument("--programs", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--seed", type=int, default=1, help="the first one's seed (1)")
    parser.add_argument("--keep", help="a file for the tests, packed by gzip")
    arguments = parser.parse_args()
    print(f"evm_check: seeds {arguments.seed} to {arguments.seed + arguments.programs - 1}", flush=True)
    succeeded = 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(arguments.keep or f"{folder}/programs.jsonl.gz")
        with gzip.open(path, "wt", compresslevel=3) as file, multiprocessing.Pool() as pool:
            seeds = range(arguments.seed, arguments.seed + arguments.programs)
            for test, success in pool.imap(case, seeds, chunksize=20):
                succeeded += success
                file.write(json.dumps(test, separators=(",", ":")) + "\n")
        result = subprocess.run(
            [arguments.command, "evm", "state-test", str(path)], capture_output=True, text=True)
    print(result.stdout, end="")
    sys.stderr.write(result.stderr)
    print(f"evm_check: py-evm says that {succeeded} of {arguments.programs} transactions succeeded")
    expected = f"{arguments.programs} of {arguments.programs} equal"
    if result.returncode != 0 or not re.search(rf"^{expected}$", result.stdout, re.MULTILINE):
        sys.exit("evm_check: the two differ; each seed above makes its program again")


if __name__ == "__main__":
    main()

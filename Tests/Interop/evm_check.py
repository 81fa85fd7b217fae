#!/usr/bin/env python3
"""Random programs, run by py-evm and by `petals-e2e evm state-test`: states and logs must be equal.

Every program follows from its seed, which is printed when it differs:

    python3 -m venv venv && venv/bin/pip install py-evm==0.12.1b1 coincurve
    venv/bin/python Tests/Interop/evm_check.py .build/release/petals-e2e --programs 10000
    venv/bin/python Tests/Interop/evm_check.py .build/release/petals-e2e --seed 4711 --programs 1

A transaction calls one of three contracts that call each other, create others, loop, write and
destroy themselves; one in eight creates a contract instead.
"""

import argparse
import gzip
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
from eth_keys import keys
from eth_utils import keccak


class PlainCancunState(CancunState):
    """Without the contract that every block of the main network keeps (EIP-4788)."""

    def set_system_contracts(self):
        pass


FORKS = {
    "London": (LondonVM, LondonState),
    "Paris": (ParisVM, ParisState),
    "Shanghai": (ShanghaiVM, ShanghaiState),
    "Cancun": (CancunVM, PlainCancunState),
}
ORDER = list(FORKS)
KEY = keys.PrivateKey(bytes.fromhex("45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8"))
SENDER = KEY.public_key.to_canonical_address()
CONTRACTS = [bytes(19) + bytes([0xa0 + index]) for index in range(3)]
NOBODY = bytes(19) + b"\xb0"
EMPTY = bytes(19) + b"\xb1"
RICH = bytes(19) + b"\xb2"
COINBASE = bytes.fromhex("2adc25665018aa1fe0e6bc666dac8fc2697ff9ba")

EDGES = [0, 1, 2, 31, 32, 33, 255, 256, (1 << 64) - 1, 1 << 64, (1 << 128) - 1, 1 << 128, (1 << 255) - 1,
         1 << 255, (1 << 256) - 1, (1 << 256) - 2]
ARITHMETIC = {op: 2 for op in [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0a, 0x0b, 0x10, 0x11, 0x12,
                               0x13, 0x14, 0x16, 0x17, 0x18, 0x1a, 0x1b, 0x1c, 0x1d]}
ARITHMETIC |= {0x08: 3, 0x09: 3, 0x15: 1, 0x19: 1}
ENVIRONMENT = [0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3a, 0x3d, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47,
               0x48, 0x58, 0x59, 0x5a]


class Program:
    """Bytecode that is written statement by statement; the stack's height is known throughout."""

    def __init__(self, chance, fork, nesting=0):
        self.chance = chance
        self.fork = ORDER.index(fork)
        self.fork_name = fork
        self.nesting = nesting
        self.code = bytearray()
        self.height = 0

    def emit(self, opcode, pops=0, pushes=0):
        self.code.append(opcode)
        self.height += pushes - pops

    def push(self, value, width=None):
        size = width or max(1, (value.bit_length() + 7) // 8)
        if value == 0 and not width and self.fork >= 2 and self.chance.random() < 0.5:
            return self.emit(0x5f, pushes=1)
        self.code.append(0x5f + size)
        self.code += value.to_bytes(size, "big")
        self.height += 1

    def value(self):
        kind = self.chance.random()
        if kind < 0.45:
            return self.chance.randrange(40)
        if kind < 0.7:
            return self.chance.choice(EDGES)
        return self.chance.getrandbits(self.chance.choice([8, 64, 65, 128, 160, 192, 256]))

    def offset(self):
        kind = self.chance.random()
        if kind < 0.93:
            return self.chance.randrange(200)
        if kind < 0.996:
            return self.chance.randrange(5000)
        return self.chance.choice([1 << 20, 1 << 32, (1 << 64) - 1, (1 << 256) - 1])

    def size(self):
        return self.chance.choice([0, 1, 4, 31, 32, 33, 64, 96, 128, 192, 213])

    def address(self):
        kind = self.chance.random()
        if kind < 0.45:
            return int.from_bytes(self.chance.choice(CONTRACTS), "big")
        if kind < 0.7:
            return self.chance.randrange(1, 10)
        if kind < 0.75:
            # Bits above the address must not matter.
            return self.chance.getrandbits(96) << 160 | 0xa1
        return int.from_bytes(self.chance.choice([NOBODY, EMPTY, RICH, SENDER, COINBASE]), "big")

    def need(self, count):
        while self.height < count:
            self.push(self.value())

    def statements(self, count):
        for _ in range(count):
            self.statement()

    def statement(self):
        if self.height > 200:
            for _ in range(100):
                self.emit(0x50, pops=1)
        names, weights = zip(*STATEMENTS.items())
        getattr(self, self.chance.choices(names, weights)[0])()

    def arithmetic(self):
        opcode = self.chance.choice(list(ARITHMETIC))
        pops = ARITHMETIC[opcode]
        if self.chance.random() < 0.6:
            for _ in range(pops):
                self.push(self.value())
        self.need(pops)
        self.emit(opcode, pops, 1)

    def shuffle(self):
        depth = self.chance.randrange(1, 17)
        self.need(depth + 1)
        if self.chance.random() < 0.5:
            self.emit(0x7f + depth, pushes=1)
        else:
            self.emit(0x8f + depth)

    def drop(self):
        self.need(1)
        self.emit(0x50, pops=1)

    def environment(self):
        extra = [0x4a] if self.fork >= 3 else []
        self.emit(self.chance.choice(ENVIRONMENT + extra), pushes=1)

    def lookup(self):
        opcode = self.chance.choice([0x31, 0x3b, 0x3f, 0x35, 0x40] + ([0x49] if self.fork >= 3 else []))
        if opcode in (0x31, 0x3b, 0x3f):
            self.push(self.address())
        else:
            self.push(self.chance.choice([self.offset(), 0, 299, 300, 44, 43]))
        self.emit(opcode, 1, 1)

    def memory(self):
        opcode = self.chance.choice([0x51, 0x52, 0x52, 0x53])
        if opcode != 0x51:
            self.push(self.value())
        self.push(self.offset())
        self.emit(opcode, 1 if opcode == 0x51 else 2, 1 if opcode == 0x51 else 0)

    def copying(self):
        opcode = self.chance.choice([0x37, 0x39, 0x3c, 0x3e] + ([0x5e] if self.fork >= 3 else []))
        if opcode == 0x3e and self.chance.random() < 0.7:
            self.emit(0x3d, pushes=1)
            self.push(0)
        else:
            self.push(self.size())
            self.push(self.offset())
        self.push(self.offset())
        if opcode == 0x3c:
            self.push(self.address())
        self.emit(opcode, 4 if opcode == 0x3c else 3)

    def hashing(self):
        self.push(self.size())
        self.push(self.offset())
        self.emit(0x20, 2, 1)

    def storage(self):
        transient = self.fork >= 3 and self.chance.random() < 0.3
        slot = self.chance.choice([0, 1, 2, 3, self.value()])
        if self.chance.random() < 0.35:
            self.push(slot)
            self.emit(0x5c if transient else 0x54, 1, 1)
        else:
            self.push(self.chance.choice([0, 0, 1, 7, self.value()]))
            self.push(slot)
            self.emit(0x5d if transient else 0x55, 2)

    def logging(self):
        topics = self.chance.randrange(5)
        for _ in range(topics):
            self.push(self.value())
        self.push(self.size())
        self.push(self.offset())
        self.emit(0xa0 + topics, topics + 2)

    def calling(self):
        opcode = self.chance.choice([0xf1, 0xf1, 0xf2, 0xf4, 0xfa])
        for _ in range(2):
            self.push(self.size())
            self.push(self.offset() if self.chance.random() < 0.1 else self.chance.randrange(200))
        if opcode in (0xf1, 0xf2):
            self.push(self.chance.choice([0, 0, 0, 1, 5, self.value()]))
        self.push(self.address())
        if self.chance.random() < 0.5:
            self.emit(0x5a, pushes=1)
        else:
            self.push(self.chance.choice([0, 100, 700, 2300, 3000, 10000, 100000, self.value()]))
        self.emit(opcode, 7 if opcode in (0xf1, 0xf2) else 6, 1)

    def creating(self):
        if self.nesting > 1:
            return
        inner = Program(self.chance, self.fork_name, self.nesting + 1)
        inner.statements(self.chance.randrange(6))
        if self.chance.random() < 0.6:
            # Returns something short as the new code: a program, or whatever memory holds.
            body = Program(self.chance, self.fork_name, 2)
            body.statements(self.chance.randrange(3))
            body.end()
            word = bytes(body.code[:32]).ljust(32, b"\0")
            inner.push(int.from_bytes(word, "big"), 32)
            inner.push(0)
            inner.emit(0x52, 2)
            inner.push(self.chance.choice([0, 1, 32, 32, 64]))
            inner.push(self.chance.choice([0, 0, 0, 5]))
            inner.emit(0xf3, 2)
        else:
            inner.end()
        code = bytes(inner.code)
        for start in range(0, len(code), 32):
            self.push(int.from_bytes(code[start:start + 32].ljust(32, b"\0"), "big"), 32)
            self.push(start)
            self.emit(0x52, 2)
        salted = self.chance.random() < 0.5
        if salted:
            self.push(self.chance.choice([0, 1, self.value()]))
        self.push(len(code))
        self.push(0)
        self.push(self.chance.choice([0, 0, 1, 3, self.value()]))
        self.emit(0xf5 if salted else 0xf0, 4 if salted else 3, 1)
        if self.chance.random() < 0.6:
            # Calls what it made.
            for _ in range(5):
                self.push(0)
            self.emit(0x85, pushes=1)
            self.push(50000)
            self.emit(0xf1, 7, 1)

    def block(self, count):
        """Statements that leave the stack as high as it was."""
        before = self.height
        self.height = 0
        base = len(self.code)
        self.statements(count)
        while self.height > 0:
            self.emit(0x50, pops=1)
        self.height = before
        return base

    def branch(self):
        if self.nesting > 3:
            return
        self.nesting += 1
        self.need(1)
        self.push(0, 2)
        hole = len(self.code) - 2
        self.emit(0x57, 2)
        self.block(self.chance.randrange(4))
        self.code[hole:hole + 2] = len(self.code).to_bytes(2, "big")
        self.emit(0x5b)
        self.nesting -= 1

    def loop(self):
        if self.nesting > 1:
            return
        self.nesting += 1
        self.push(self.chance.randrange(1, 6))
        start = len(self.code)
        self.emit(0x5b)
        self.block(self.chance.randrange(1, 4))
        self.push(1)
        self.emit(0x90)
        self.emit(0x03, 2, 1)
        self.emit(0x80, pushes=1)
        self.push(start, 2)
        self.emit(0x57, 2)
        self.nesting -= 1

    def jump(self):
        self.push(self.chance.choice([self.value(), len(self.code) + 3]))
        self.emit(0x56, 1)
        self.emit(0x5b)

    def garbage(self):
        self.code.append(self.chance.randrange(256))

    def end(self):
        kind = self.chance.random()
        if kind < 0.35:
            self.push(self.size())
            self.push(self.offset())
            self.emit(0xf3 if kind < 0.25 else 0xfd, 2)
        elif kind < 0.45:
            self.push(self.address() if self.chance.random() < 0.8 else 0)
            self.emit(0xff, 1)
        elif kind < 0.48:
            self.emit(0xfe)
        elif kind < 0.7:
            self.emit(0x00)


STATEMENTS = {
    "arithmetic": 24, "shuffle": 10, "drop": 3, "environment": 6, "lookup": 6, "memory": 10, "copying": 6,
    "hashing": 3, "storage": 12, "logging": 3, "calling": 9, "creating": 3, "branch": 5, "loop": 3,
    "jump": 0.2, "garbage": 0.2,
}


def program(chance, fork, length):
    result = Program(chance, fork)
    result.statements(chance.randrange(1, length))
    result.end()
    return bytes(result.code)


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
    pre[SENDER] = {"balance": 10**24, "nonce": chance.choice([0, 3]), "code": b"", "storage": {}}
    creates = chance.random() < 0.125
    data = program(chance, fork, 30) if creates else chance.randbytes(chance.choice([0, 4, 36, 100]))
    # More than what is taken before any code runs.
    gas = 70_000 + 18 * len(data) + chance.choice([0, 5_000, 60_000, 300_000, 1_500_000])
    value = chance.choice([0, 0, 1, 1000])
    base_fee = chance.choice([0, 7])
    random_value = chance.getrandbits(256)
    excess = chance.choice([0, 10_000_000])
    price, tip = base_fee + chance.choice([0, 3]), chance.choice([0, 2])

    builder = vm.get_transaction_builder()
    to = b"" if creates else CONTRACTS[0]
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

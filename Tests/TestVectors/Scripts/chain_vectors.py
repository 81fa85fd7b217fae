"""Makes chain.json: trie roots, header hashes, blooms, receipts and base fees.

None of it comes from this project's code: the tries are made by the PyPI package `trie`, the
blooms by `eth-bloom`, all other encodings by `rlp`, and the base fee by EIP-1559's own formula.

    python3 -m venv venv && venv/bin/pip install trie==4.0.0 eth-bloom==4.0.0 'eth-hash[pycryptodome]'
    venv/bin/python chain_vectors.py > ../chain.json
"""

import json
import random

import rlp
from eth_bloom import BloomFilter
from eth_hash.auto import keccak
from trie import HexaryTrie

rnd = random.Random(20260211)
EMPTY_ROOT = keccak(rlp.encode(b""))
EMPTY_CODE = keccak(b"")


def hexed(data):
    return "0x" + data.hex()


def list_root(items):
    trie = HexaryTrie({})
    for index, item in enumerate(items):
        trie[rlp.encode(index)] = item
    return trie.root_hash


def string_tries():
    cases = []
    for pairs in (
        [],
        [("a", "b")],
        [("do", "verb"), ("dog", "puppy"), ("doge", "coin"), ("horse", "stallion")],
        [("doge", "coin"), ("do", "verb"), ("dog", "p" * 70), ("d", "x")],
    ):
        trie = HexaryTrie({})
        for key, value in pairs:
            trie[key.encode()] = value.encode()
        cases.append({"pairs": pairs, "root": hexed(trie.root_hash)})
    return cases


def list_tries():
    cases = []
    for count, length in ((0, 1), (1, 3), (2, 40), (17, 5), (130, 33), (300, 100)):
        items = [bytes((i * 7 + j) % 256 for j in range(length)) for i in range(count)]
        cases.append({"items": [hexed(item) for item in items], "root": hexed(list_root(items))})
    return cases


def account_trie():
    trie = HexaryTrie({})
    added, removed = [], []
    for index in range(40):
        address = rnd.randbytes(20)
        nonce = rnd.choice([0, 1, 5, 300])
        balance = rnd.choice([1, 10**18, 2**200, 10**22 + index])
        trie[keccak(address)] = rlp.encode([nonce, balance, EMPTY_ROOT, EMPTY_CODE])
        added.append({"address": hexed(address), "nonce": nonce, "balance": str(balance),
                      "root": hexed(trie.root_hash)})
    for index in rnd.sample(range(40), 40):
        address = added[index]["address"]
        del trie[keccak(bytes.fromhex(address[2:]))]
        removed.append({"address": address, "root": hexed(trie.root_hash)})
    return {"added": added, "removed": removed}


def headers():
    cases = []
    for index in range(8):
        fields = {
            "parentHash": rnd.randbytes(32), "coinbase": rnd.randbytes(20),
            "stateRoot": rnd.randbytes(32), "transactionsRoot": rnd.randbytes(32),
            "receiptsRoot": rnd.randbytes(32), "logsBloom": rnd.randbytes(256),
            "difficulty": rnd.choice([0, 2]), "number": rnd.choice([0, 1, 127, 128, 2**40]),
            "gasLimit": 30_000_000, "gasUsed": rnd.choice([0, 21000, 29_999_999]),
            "timestamp": rnd.choice([0, 1_770_198_622, 2**33]),
            "extraData": rnd.randbytes(rnd.choice([0, 1, 32, 97])),
            "baseFeePerGas": rnd.choice([0, 7, 10**9, 2**80]),
        }
        order = ["coinbase", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom",
                 "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData"]
        items = [fields["parentHash"], keccak(rlp.encode([]))]
        items += [fields[name] for name in order]
        items += [bytes(32), bytes(8), fields["baseFeePerGas"]]
        case = {k: hexed(v) if isinstance(v, bytes) else str(v) for k, v in fields.items()}
        cases.append(case | {"hash": hexed(keccak(rlp.encode(items)))})
    return cases


def fork_headers():
    """A header with the fields that forks added: EIP-4895, EIP-4844 and EIP-4788.

    No withdrawals (their root is the empty trie's), no blobs and no beacon chain.
    """
    later = {"london": [], "paris": [], "shanghai": [EMPTY_ROOT],
             "cancun": [EMPTY_ROOT, 0, 0, bytes(32)]}
    items = [bytes([7] * 32), keccak(rlp.encode([])), bytes([1] * 20), bytes([2] * 32), EMPTY_ROOT,
             EMPTY_ROOT, bytes(256), 0, 12, 30_000_000, 0, 1_770_198_622, b"x", bytes(32), bytes(8), 7]
    return [{"fork": fork, "hash": hexed(keccak(rlp.encode(items + fields)))}
            for fork, fields in later.items()]


def receipts():
    cases = []
    for count in (0, 1, 2, 4):
        logs, bloom = [], BloomFilter()
        for index in range(count):
            address, data = rnd.randbytes(20), rnd.randbytes(index * 33)
            topics = [rnd.randbytes(32) for _ in range(index % 5)]
            for entry in [address, *topics]:
                bloom.add(entry)
            logs.append((address, topics, data))
        bits = int(bloom).to_bytes(256, "big")
        for kind in (0, 1, 2):
            body = rlp.encode([1, 21000 + count, bits, logs])
            cases.append({
                "type": kind, "cumulativeGasUsed": 21000 + count,
                "logs": [{"address": hexed(a), "topics": [hexed(t) for t in ts], "data": hexed(d)}
                         for a, ts, d in logs],
                "bloom": hexed(bits),
                "encoded": hexed((bytes([kind]) if kind else b"") + body),
            })
    return cases


def base_fees():
    cases = []
    for fee in (7, 8, 875_000_000, 10**9, 10**12):
        for used in (0, 1, 21_000, 14_999_999, 15_000_000, 15_000_001, 30_000_000):
            target = 30_000_000 // 2
            if used == target:
                following = fee
            elif used > target:
                following = fee + max(fee * (used - target) // target // 8, 1)
            else:
                following = fee - fee * (target - used) // target // 8
            cases.append({"baseFee": str(fee), "gasUsed": used, "next": str(following)})
    return cases


print(json.dumps({
    "stringTries": string_tries(), "listTries": list_tries(), "accounts": account_trie(),
    "headers": headers(), "receipts": receipts(), "baseFees": base_fees(),
    "forkHeaders": fork_headers(),
}, indent=1))

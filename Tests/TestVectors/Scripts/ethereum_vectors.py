#!/usr/bin/env python3
"""Recomputes the golden data in ethereum.json with eth-account, eth-keys and eth-abi.

The inputs of every case (keys, messages, payloads, fields of transactions, texts of proofs) stay
as they are in the file; everything that follows from them is computed anew. Signatures are
deterministic (RFC 6979), so a second run gives the same bytes. Keystores are the exception, since
their salts are random: theirs are decrypted, and their keys compared.

    python3 -m venv vectors && vectors/bin/pip install eth-account eth-abi "eth-hash[pycryptodome]"
    vectors/bin/python Tests/TestVectors/Scripts/ethereum_vectors.py            # compares
    vectors/bin/python Tests/TestVectors/Scripts/ethereum_vectors.py --write    # rewrites the file
"""

import argparse
import json
import pathlib
import sys

from eth_abi import decode, encode
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_defunct
from eth_hash.auto import keccak
from eth_keyfile import decode_keyfile_json
from eth_keys import keys
from eth_utils import to_checksum_address

FILE = pathlib.Path(__file__).resolve().parent.parent / "ethereum.json"


def hex0x(data):
    return "0x" + bytes(data).hex()


def unhex(text):
    return bytes.fromhex(text[2:])


def canonical(value):
    """The documented dialect's text: sorted keys, no white space, ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def stringified(value):
    """The deployed dialect's text: JavaScript's JSON.stringify, for integers and texts."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def signed(text, key):
    return hex0x(Account.sign_message(encode_defunct(text=text), key).signature)


def keccak256(case):
    return {"input": case["input"], "digest": hex0x(keccak(unhex(case["input"])))}


def key(case):
    public = keys.PrivateKey(unhex(case["privateKey"])).public_key
    return {
        "privateKey": case["privateKey"],
        "address": public.to_checksum_address(),
        "publicKey": "0x04" + public.to_bytes().hex(),
    }


def eip191(case):
    message = encode_defunct(text=case["message"])
    return {
        "message": case["message"],
        "privateKey": case["privateKey"],
        "hash": hex0x(_hash_eip191_message(message)),
        "signature": signed(case["message"], case["privateKey"]),
    }


def canonical_json(case):
    return {"payload": case["payload"], "canonical": canonical(json.loads(case["payload"]))}


def report(case):
    private = case["privateKey"]
    payload = dict(case["documented"]["payload"])
    payload["agent"] = Account.from_key(private).address
    text = canonical(payload)
    names = ("agent", "processed_tokens", "timestamp")
    deployed = stringified({name: payload[name] for name in names})
    return {
        "privateKey": private,
        "documented": {
            "payload": payload,
            "canonical": text,
            "signature": signed(text, private),
        },
        "deployed": {
            "signed": deployed,
            "body": {
                "wallet": payload["agent"],
                "tokensProcessed": payload["processed_tokens"],
                "avgLatencyMs": payload["avg_latency_ms"],
                "uptimeSeconds": payload["uptime_seconds"],
                "requestCount": payload["tasks_completed"],
                "timestamp": payload["timestamp"],
                "signature": signed(deployed, private),
            },
        },
    }


NUMBERS = ("value", "gas", "nonce", "chainId", "type", "gasPrice", "maxFeePerGas",
           "maxPriorityFeePerGas")


def transaction(case):
    fields = {
        name: int(value) if name in NUMBERS else value
        for name, value in case["transaction"].items()
    }
    result = Account.sign_transaction(fields, case["privateKey"])
    raw = bytes(result.raw_transaction)
    sender = Account.recover_transaction(raw)
    return dict(case, **{
        "from": sender,
        "raw": hex0x(raw),
        "hash": hex0x(keccak(raw)),
        "r": hex(result.r),
        "s": hex(result.s),
        "v": result.v,
    })


def proof(case):
    hashes = [keccak(case[name].encode()) for name in ("model", "input", "output")]
    agent = bytes(12) + unhex(case["agent"])
    tokens = case["tokenCount"].to_bytes(32, "big")
    together = b"".join(hashes)
    return dict(case, **{
        "agent": to_checksum_address(case["agent"]),
        "modelHash": hex0x(hashes[0]),
        "inputHash": hex0x(hashes[1]),
        "outputHash": hex0x(hashes[2]),
        "proofHash": hex0x(keccak(together + agent)),
        "calldataModelFirst": hex0x(together + agent + tokens),
        "calldataAgentFirst": hex0x(agent + together + tokens),
    })


def calldata(case):
    """Contract calls are encoded again; the precompiled contracts have no ABI to do it with."""
    name, data = case["function"], unhex(case["data"])
    if "(" not in name:
        return case
    types = [part for part in name[name.index("(") + 1:-1].split(",") if part]
    arguments = encode(types, decode(types, data[4:]))
    return dict(case, data=hex0x(keccak(name.encode())[:4] + arguments))


def keystore(case):
    private = Account.decrypt(case["keystore"], case["password"])
    return dict(case, privateKey=hex0x(private))


def spelling(case):
    """A keystore as text, in a spelling that one of its readers takes; eth-keyfile decrypts.

    What eth-keyfile alone does not take, and others do, is put in its words first: version and
    numbers as text and functions in capitals (ethers), a byte order mark, a missing length.
    """
    file = json.loads(case["text"].removeprefix("\ufeff"))
    file = {name.lower(): value for name, value in file.items()}
    crypto = file["crypto"] = {name.lower(): value for name, value in file["crypto"].items()}
    file["version"] = int(file["version"])
    crypto["kdf"] = crypto["kdf"].lower()
    parameters = {"dklen": 32} | {k.lower(): v for k, v in crypto["kdfparams"].items()}
    for name in {"scrypt": ["n", "r", "p"], "pbkdf2": ["c"]}[crypto["kdf"]] + ["dklen"]:
        parameters[name] = int(parameters[name])
    crypto["kdfparams"] = parameters
    private = decode_keyfile_json(file, case["password"].encode())
    return dict(case, privateKey=hex0x(private.rjust(32, b"\0")))


SECTIONS = {
    "keccak256": keccak256,
    "keys": key,
    "eip191": eip191,
    "canonicalJSON": canonical_json,
    "reports": report,
    "transactions": transaction,
    "proofs": proof,
    "calldata": calldata,
    "keystores": keystore,
    "keystoreSpellings": spelling,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=pathlib.Path, default=FILE)
    parser.add_argument("--write", action="store_true", help="replace the file")
    options = parser.parse_args()
    data = json.loads(options.file.read_text())
    if unknown := set(data) ^ set(SECTIONS):
        sys.exit(f"{options.file}: sections that are missing or unknown: {sorted(unknown)}")
    differing = 0
    for section, compute in SECTIONS.items():
        computed = [compute(case) for case in data[section]]
        wrong = [i for i, case in enumerate(data[section]) if case != computed[i]]
        differing += len(wrong)
        print(f"{section}: {len(computed)} cases, {len(wrong)} differ", *wrong)
        data[section] = computed
    if options.write:
        options.file.write_text(json.dumps(data, indent=1, ensure_ascii=False))
    elif differing:
        sys.exit(f"{differing} cases differ from what was computed")


if __name__ == "__main__":
    main()

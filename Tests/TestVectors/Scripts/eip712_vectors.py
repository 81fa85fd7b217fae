"""Makes eip712.json: typed data with their digests and signatures (EIP-712).

The digests and signatures come from eth-account; the first case is the EIP's own example, whose
values in the EIP are compared here. The random cases have one line each, so that the file stays small.

    python3 -m venv venv && venv/bin/pip install eth-account==0.14.0
    venv/bin/python eip712_vectors.py > ../eip712.json
"""

import json
import random

from eth_account import Account
from eth_account._utils.encode_typed_data.encoding_and_hashing import hash_domain, hash_struct
from eth_account.messages import SignableMessage
from eth_utils import keccak

rnd = random.Random(712)
# The EIP's key, and the first of the mnemonic that development chains share.
COW = keccak(text="cow")
FIRST = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
DOMAIN = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
    "salt": "bytes32",
}
ATOMS = ["address", "bool", "string", "bytes"]
WIDTHS = range(8, 257, 8)


def hexed(data):
    return "0x" + bytes(data).hex()


def fields(members):
    return [{"name": name, "type": type_} for name, type_ in members]


def case(name, data, key=FIRST):
    # encode_typed_data finds the primary type by itself, and only where no other type has it.
    message = SignableMessage(
        b"\x01", hash_domain(data["domain"]),
        hash_struct(data["primaryType"], data["types"], data["message"]))
    return {
        "name": name,
        "data": data,
        "domainSeparator": hexed(message.header),
        "structHash": hexed(message.body),
        "hash": hexed(keccak(b"\x19\x01" + message.header + message.body)),
        "signature": hexed(Account.sign_message(message, key).signature),
    }


def typed(types, primary, message, domain=None):
    domain = domain if domain is not None else {"name": "Case", "chainId": 41956}
    own = [(name, DOMAIN[name]) for name in DOMAIN if name in domain]
    return {
        "types": {"EIP712Domain": fields(own)} | {n: fields(m) for n, m in types.items()},
        "primaryType": primary,
        "domain": domain,
        "message": message,
    }


def mail():
    data = typed(
        {
            "Person": [("name", "string"), ("wallet", "address")],
            "Mail": [("from", "Person"), ("to", "Person"), ("contents", "string")],
        },
        "Mail",
        {
            "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
            "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
            "contents": "Hello, Bob!",
        },
        {
            "name": "Ether Mail",
            "version": "1",
            "chainId": 1,
            "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
        },
    )
    made = case("the EIP's example", data, COW)
    # As the EIP and its Example.js print them.
    assert made["domainSeparator"] == (
        "0xf2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f")
    assert made["structHash"] == (
        "0xc52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e")
    assert made["hash"] == "0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    assert made["signature"] == (
        "0x4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
        "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b915621c")
    return made


def chosen():
    people = {
        "Person": [("name", "string"), ("wallets", "address[]")],
        "Group": [("name", "string"), ("members", "Person[]")],
    }
    wallet = "0x" + "ab" * 20
    yield case(
        "arrays of structures",
        typed(people, "Group", {
            "name": "all", "members": [
                {"name": "a", "wallets": [wallet, wallet]}, {"name": "b", "wallets": []}]}))
    yield case("an empty array", typed(people, "Group", {"name": "", "members": []}))
    node = {"Node": [("value", "uint8"), ("next", "Node")]}
    yield case(
        "a recursive type",
        typed(node, "Node", {"value": 1, "next": {"value": "2", "next": {"value": "0x3"}}}))
    yield case("a recursive type with null", typed(node, "Node", {"value": 1, "next": None}))
    tree = {"Tree": [("name", "string"), ("children", "Tree[]")]}
    leaf = {"name": "leaf", "children": []}
    yield case(
        "a tree", typed(tree, "Tree", {"name": "root", "children": [
            leaf, {"name": "inner", "children": [leaf]}]}))
    edges = [(f"u{bits}", f"uint{bits}") for bits in WIDTHS]
    edges += [(f"l{bits}", f"int{bits}") for bits in WIDTHS]
    edges += [(f"h{bits}", f"int{bits}") for bits in WIDTHS]
    values = {f"u{bits}": 2**bits - 1 for bits in WIDTHS}
    values |= {f"l{bits}": str(-(2 ** (bits - 1))) for bits in WIDTHS}
    values |= {f"h{bits}": hex(2 ** (bits - 1) - 1) for bits in WIDTHS}
    yield case("the extremes of every width", typed({"Edges": edges}, "Edges", values))
    lengths = [(f"b{n}", f"bytes{n}") for n in range(1, 33)]
    yield case(
        "bytes of every length",
        typed({"Lengths": lengths}, "Lengths",
              {f"b{n}": hexed(rnd.randbytes(n)) for n in range(1, 33)}))
    nested = {"Grid": [("rows", "int16[2][]"), ("words", "string[][3]"), ("raw", "bytes[1]")]}
    yield case(
        "arrays of arrays",
        typed(nested, "Grid", {
            "rows": [[-1, 2], ["-3", "0x4"], [5, 6]], "words": [["a", "ü"], [], ["漢字"]],
            "raw": ["0x"]}))
    yield case("every field of a domain", typed({"Empty": []}, "Empty", {}, {
        "name": "n", "version": "2", "chainId": "0xa3e4", "verifyingContract": wallet,
        "salt": hexed(rnd.randbytes(32))}))
    yield case("a domain without fields", typed({"Empty": []}, "Empty", {}, {}))


def integer(low, high):
    """A number of a range, spelled in one of four ways."""
    bits = rnd.randint(0, max(abs(low), high).bit_length())
    number = max(low, min(high, rnd.choice([1, -1]) * rnd.getrandbits(bits) if bits else 0))
    spellings = [number, str(number)]
    if number >= 0:
        spellings += [hex(number), "0x00" + hex(number)[2:]]
    return rnd.choice(spellings)


def atom(type_):
    if type_ == "address":
        return hexed(rnd.randbytes(20))
    if type_ == "bool":
        return rnd.random() < 0.5
    if type_ == "string":
        return "".join(rnd.choice("aZ9 é漢\n\"\\😀") for _ in range(rnd.randint(0, 40)))
    if type_.startswith("bytes"):
        return hexed(rnd.randbytes(int(type_[5:] or rnd.randint(0, 70))))
    bits = int(type_.lstrip("uint"))
    return integer(0, 2**bits - 1) if type_[0] == "u" else integer(
        -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def atom_type():
    kind = rnd.randint(0, 6)
    if kind < 4:
        return ATOMS[kind]
    if kind == 4:
        return f"bytes{rnd.randint(1, 32)}"
    return f"{'u' if kind == 5 else ''}int{rnd.choice(WIDTHS)}"


def value(types, type_, depth):
    if type_.endswith("]"):
        parent, count = type_[:-1].rsplit("[", 1)
        # An array within a recursive type ends somewhere.
        most = 0 if depth > 4 else 3
        return [value(types, parent, depth + 1)
                for _ in range(int(count) if count else rnd.randint(0, most))]
    if type_ not in types:
        return atom(type_)
    if depth > 2 and rnd.random() < 0.5 or depth > 5:
        return None
    return {name: value(types, of, depth + 1) for name, of in types[type_]}


def random_case(number):
    names = rnd.sample(["A", "Bc", "bC", "_x", "$d", "Zz9", "Order", "Person"], rnd.randint(1, 4))
    types = {}
    for name in names:
        types[name] = []
        for index in range(rnd.randint(1, 5)):
            type_ = rnd.choice(names) if rnd.random() < 0.3 else atom_type()
            for _ in range(rnd.choice([0, 0, 0, 1, 1, 2])):
                type_ += rnd.choice(["[]", "[]", "[1]", "[2]"])
            types[name].append((f"f{index}", type_))
    domain = {name: atom(of) for name, of in DOMAIN.items() if rnd.random() < 0.6}
    message = value(types, names[0], 0)
    return case(f"random {number}", typed(types, names[0], message, domain))


def main():
    cases = [mail(), *chosen(), *(random_case(number) for number in range(50))]
    lines = ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases)
    print("[\n" + lines + "\n]")


if __name__ == "__main__":
    main()

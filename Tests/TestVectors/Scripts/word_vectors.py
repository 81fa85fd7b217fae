#!/usr/bin/env python3
"""Makes the golden data in words.json: what Python's integers make of the machine's arithmetic.

Operands are seeded: edges, and numbers of every length. A second run gives the same bytes.

    python3 Tests/TestVectors/Scripts/word_vectors.py            # compares
    python3 Tests/TestVectors/Scripts/word_vectors.py --write    # rewrites the file
"""

import json
import pathlib
import random
import sys

FILE = pathlib.Path(__file__).resolve().parent.parent / "words.json"
SIZE = 1 << 256
EDGES = [0, 1, 2, 31, 32, 255, 256, 1 << 64, (1 << 64) - 1, 1 << 128, (1 << 128) - 1, 1 << 192,
         (1 << 192) - 1, 1 << 255, (1 << 255) - 1, SIZE - 1, SIZE - 2, SIZE - (1 << 64)]


def signed(word):
    return word - SIZE if word >> 255 else word


def toward_zero(a, b):
    quotient = abs(a) // abs(b)
    return -quotient if (a < 0) != (b < 0) else quotient


def sign_extended(place, word):
    if place > 30:
        return word
    low = word & ((1 << (8 * place + 8)) - 1)
    return low - (1 << (8 * place + 8)) if low >> (8 * place + 7) else low


# The operands are in the order of the stack, its top first.
OPERATIONS = {
    "ADD": (2, lambda a, b: a + b),
    "SUB": (2, lambda a, b: a - b),
    "MUL": (2, lambda a, b: a * b),
    "DIV": (2, lambda a, b: a // b if b else 0),
    "MOD": (2, lambda a, b: a % b if b else 0),
    "SDIV": (2, lambda a, b: toward_zero(signed(a), signed(b)) if b else 0),
    "SMOD": (2, lambda a, b: signed(a) - signed(b) * toward_zero(signed(a), signed(b)) if b else 0),
    "ADDMOD": (3, lambda a, b, n: (a + b) % n if n else 0),
    "MULMOD": (3, lambda a, b, n: a * b % n if n else 0),
    "EXP": (2, lambda a, b: pow(a, b, SIZE)),
    "SIGNEXTEND": (2, sign_extended),
    "LT": (2, lambda a, b: a < b),
    "GT": (2, lambda a, b: a > b),
    "SLT": (2, lambda a, b: signed(a) < signed(b)),
    "SGT": (2, lambda a, b: signed(a) > signed(b)),
    "EQ": (2, lambda a, b: a == b),
    "ISZERO": (1, lambda a: a == 0),
    "AND": (2, lambda a, b: a & b),
    "OR": (2, lambda a, b: a | b),
    "XOR": (2, lambda a, b: a ^ b),
    "NOT": (1, lambda a: ~a),
    "BYTE": (2, lambda place, a: a >> (248 - 8 * place) & 255 if place < 32 else 0),
    "SHL": (2, lambda places, a: a << places if places < 256 else 0),
    "SHR": (2, lambda places, a: a >> places if places < 256 else 0),
    "SAR": (2, lambda places, a: signed(a) >> min(places, 256)),
}
FIRST_IS_SMALL = {"SIGNEXTEND", "BYTE", "SHL", "SHR", "SAR"}


def operand(chance):
    if chance.random() < 0.3:
        return chance.choice(EDGES)
    return chance.getrandbits(chance.choice([8, 63, 64, 65, 127, 128, 129, 191, 192, 193, 255, 256]))


def rows():
    chance = random.Random(41956)
    for name, (count, compute) in OPERATIONS.items():
        for _ in range(48):
            operands = [operand(chance) for _ in range(count)]
            if name in FIRST_IS_SMALL and chance.random() < 0.8:
                operands[0] = chance.randrange(260 if name.startswith("S") and name != "SIGNEXTEND"
                                               else 36)
            yield [name, *map(hex, operands), hex(int(compute(*operands)) % SIZE)]


text = "[\n" + ",\n".join(json.dumps(row) for row in rows()) + "\n]\n"
if "--write" in sys.argv[1:]:
    FILE.write_text(text)
elif FILE.read_text() != text:
    sys.exit(f"{FILE} differs from what this script makes")

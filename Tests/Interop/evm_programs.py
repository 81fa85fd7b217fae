"""Random bytecode for evm_check.py: a program follows from its random numbers alone.

Statements keep track of the stack's height, so that most programs get far: they compute, write, log, call
and create each other, call precompiles with good and damaged input, and destroy themselves.
"""

from eth_keys import keys
from py_ecc import optimized_bn128 as curve

ORDER = ["London", "Paris", "Shanghai", "Cancun"]
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


def point_bytes(point):
    x, y = curve.normalize(point)
    return int(x).to_bytes(32, "big") + int(y).to_bytes(32, "big")


POINTS = [point_bytes(curve.multiply(curve.G1, factor)) for factor in range(1, 9)] + [bytes(64)]
NEGATIVE = point_bytes(curve.neg(curve.G1))
# A point of the twist has its imaginary parts first.
TWIST = b"".join(int(coordinate.coeffs[part]).to_bytes(32, "big")
                 for coordinate in curve.normalize(curve.G2) for part in (1, 0))


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

    def precompile(self):
        """Calls a precompile with input it accepts, or with a damaged one, and logs what it returns."""
        number = self.chance.choice([1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 9, 9])
        if self.chance.random() < 0.02:
            number = 8
        data = precompile_input(self.chance, number)
        for start in range(0, len(data), 32):
            self.push(int.from_bytes(data[start:start + 32].ljust(32, b"\0"), "big"), 32)
            self.push(start)
            self.emit(0x52, 2)
        opcode = self.chance.choice([0xf1, 0xf2, 0xf4, 0xfa])
        self.push(self.chance.choice([0, 31, 32, 64]))
        self.push(self.chance.choice([0, 16, 200]))
        self.push(len(data))
        self.push(0)
        if opcode in (0xf1, 0xf2):
            self.push(self.chance.choice([0, 0, 0, 1]))
        self.push(number)
        if self.chance.random() < 0.8:
            self.emit(0x5a, pushes=1)
        else:
            self.push(self.chance.choice([100, 700, 3000, 6000]))
        self.emit(opcode, 7 if opcode in (0xf1, 0xf2) else 6, 1)
        # The log has the whole of what was returned, and a topic says whether the call succeeded.
        self.emit(0x3d, pushes=1)
        self.push(0)
        self.push(0)
        self.emit(0x3e, 3)
        self.emit(0x3d, pushes=1)
        self.push(0)
        self.emit(0xa1, 3)

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


def precompile_input(chance, number):
    """Input that the precompile accepts; three in ten are damaged."""
    if number == 1:
        hash = chance.randbytes(32)
        signature = KEY.sign_msg_hash(hash)
        data = hash + b"".join(part.to_bytes(32, "big")
                               for part in (27 + signature.v, signature.r, signature.s))
    elif number == 5:
        sizes = [chance.choice([0, 1, 8, 31, 32, 33, 64]) for _ in range(3)]
        data = b"".join(size.to_bytes(32, "big") for size in sizes) + chance.randbytes(sum(sizes))
    elif number == 6:
        data = chance.choice(POINTS) + chance.choice(POINTS)
    elif number == 7:
        data = chance.choice(POINTS) + chance.choice(
            [chance.randrange(4), chance.getrandbits(256), (1 << 256) - 1]).to_bytes(32, "big")
    elif number == 8:
        pairs = [POINTS[0] + TWIST, NEGATIVE + TWIST, POINTS[8] + TWIST, POINTS[1] + TWIST, bytes(192)]
        data = b"".join(pairs[index] for index in chance.choice([[], [0, 1], [0], [2], [0, 3], [4, 4]]))
    elif number == 9:
        data = chance.choice([0, 1, 12, 12, 300]).to_bytes(4, "big") + chance.randbytes(208) + bytes(
            [chance.choice([0, 1])])
    else:
        data = chance.randbytes(chance.choice([0, 1, 31, 32, 55, 56, 64, 100, 150]))
    if chance.random() < 0.7 or not data:
        return data
    kind = chance.random()
    if kind < 0.4:
        place = chance.randrange(len(data))
        return data[:place] + bytes([chance.randrange(256)]) + data[place + 1:]
    if kind < 0.7:
        return data[:chance.randrange(len(data))]
    return data + chance.randbytes(chance.choice([1, 32]))


STATEMENTS = {
    "arithmetic": 24, "shuffle": 10, "drop": 3, "environment": 6, "lookup": 6, "memory": 10, "copying": 6,
    "hashing": 3, "storage": 12, "logging": 3, "calling": 9, "precompile": 4, "creating": 3, "branch": 5, "loop": 3,
    "jump": 0.2, "garbage": 0.2,
}


def program(chance, fork, length):
    result = Program(chance, fork)
    result.statements(chance.randrange(1, length))
    result.end()
    return bytes(result.code)

#!/usr/bin/env python3
"""Makes ../swarm-balance.json: where servers of a swarm should be, for PetalsSwarm to agree with.

An implementation of its own of the rule that Petals' servers follow (`block_selection.py` in
bigscience-workshop/petals, at 22afba6), in exact fractions, where servers move in the order of their
names: `python3 swarm_balance_vectors.py`. Needs nothing but Python 3.9.
"""

import json
import pathlib
import random
from fractions import Fraction

MARGIN = Fraction(1, 1000)
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def name(seed):
    """The text of an Ed25519 peer: a multihash of 38 bytes in base 58."""
    bits = random.Random(seed).getrandbits(256).to_bytes(32, "big")
    number, text = int.from_bytes(bytes([0, 36, 8, 1, 18, 32]) + bits, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" + text


class Swarm:
    def __init__(self, blocks, servers):
        self.blocks = blocks
        self.place = {peer: (start, end) for peer, start, end, _ in servers}
        self.speed = {peer: Fraction(speed) for peer, _, _, speed in servers}

    def sums(self, surplus=None):
        """Throughputs of all blocks; `surplus` gives peers another weight than one."""
        weights = surplus or {}
        return [
            sum(
                (self.speed[p] * weights.get(p, 1) for p, (s, e) in self.place.items() if s <= b < e),
                Fraction(0),
            )
            for b in range(self.blocks)
        ]

    def worst(self, count, sums):
        windows = [sorted(sums[i : i + count]) for i in range(self.blocks - count + 1)]
        return windows.index(min(windows))

    def without(self, peer):
        return self.sums({peer: -MARGIN})

    def verdict(self, peer, quality):
        before = min(self.sums())
        rest = self.without(peer)
        if before > MARGIN and min(rest) <= 0:
            return {"kind": "needed"}
        start, end = self.place[peer]
        count = end - start
        target = self.worst(count, rest)
        if target == start:
            return {"kind": "best"}
        self.place[peer] = (target, target + count)
        for _ in range(100):
            moved = False
            for other in sorted(self.place):
                start, end = self.place[other]
                to = self.worst(end - start, self.without(other))
                if to != start:
                    self.place[other] = (to, to + end - start)
                    moved = True
            if not moved:
                break
        else:
            raise SystemExit("a swarm does not settle: choose another seed")
        after = min(self.sums())
        if after < before or after < MARGIN:
            return {"kind": "stays", "quality": None}
        reached = before / after
        if reached < Fraction(quality) - MARGIN:
            return {"kind": "moves", "start": target, "end": target + count, "quality": float(reached)}
        return {"kind": "stays", "quality": float(reached)}


def case(title, blocks, servers, counts, quality=0.75):
    spans = [[peer, start, end, speed] for peer, start, end, speed in servers]
    swarm = Swarm(blocks, spans)
    return {
        "title": title,
        "blocks": blocks,
        "quality": quality,
        "servers": [
            {"peer": p, "start": s, "end": e, "throughput": float(t)} for p, s, e, t in spans
        ],
        "throughputs": [float(x) for x in swarm.sums()],
        "joins": [{"count": n, "start": swarm.worst(n, swarm.sums())} for n in counts],
        "verdicts": [
            {"peer": p, **Swarm(blocks, spans).verdict(p, quality)} for p, _, _, _ in spans
        ],
    }


def main():
    peers = [name(seed) for seed in range(40)]
    two = peers[:2]
    cases = [
        case("nobody", 24, [], [1, 12, 24]),
        case("one half", 24, [(peers[0], 0, 12, 10)], [1, 12, 24]),
        case("two on one half", 24, [(p, 0, 12, 10) for p in two], [12]),
        case("two halves", 24, [(two[0], 0, 12, 10), (two[1], 12, 24, 10)], [6, 12]),
        case("a fast one beside a slow one", 24, [(two[0], 0, 12, 100), (two[1], 12, 24, 1)], [12]),
        case("three on one side", 24, [(p, 0, 12, 10) for p in peers[:3]] + [(peers[3], 12, 24, 10)], [12]),
        case("all of them", 4, [(p, 0, 4, 3) for p in two], [1, 4]),
    ]
    chance = random.Random(2026)
    for number in range(60):
        blocks = chance.choice([8, 24, 30, 70])
        servers = []
        for peer in chance.sample(peers, chance.randrange(1, 25)):
            count = chance.randrange(1, blocks + 1)
            start = chance.randrange(0, blocks - count + 1)
            # A quarter are crowded at the beginning, as after a shard's servers came together.
            if chance.random() < 0.25:
                start = 0
            servers.append((peer, start, start + count, chance.randrange(1, 2000) + chance.randrange(1024) / 1024))
        counts = sorted({chance.randrange(1, blocks + 1) for _ in range(3)})
        cases.append(case(f"by chance {number}", blocks, servers, counts, chance.choice([0.5, 0.75, 0.95])))
    file = pathlib.Path(__file__).resolve().parent.parent / "swarm-balance.json"
    file.write_text(json.dumps(cases, indent=None, separators=(",", ":")) + "\n")
    kinds = [verdict["kind"] for one in cases for verdict in one["verdicts"]]
    print({kind: kinds.count(kind) for kind in sorted(set(kinds))}, len(cases), file.stat().st_size)


main()

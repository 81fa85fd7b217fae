#!/usr/bin/env python3
"""Runs the tests many times: in parallel, one at a time, and in random groups.

Every run's count of tests is compared with the number asked for, because `swift test --filter`
succeeds when nothing matches. Needs a finished `swift build -c release --build-tests`, and
`source Scripts/blas-environment.sh` to run as `make test` does. Two of it at once need a checkout
each: they take turns in one, or one finds no tests.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import time

import process_tree

SWIFT_TEST = ["swift", "test", "-c", "release", "--skip-build", "--disable-xctest"]
# As many at once as in Scripts/test.sh.
os.environ.setdefault(
    "SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH", str((os.cpu_count() or 2) * 4)
)
CLOSING_LINE = re.compile(r"Test run with (\d+) tests?\b.*?(passed|failed) after ([\d.]+) seconds")


def listed_tests():
    """Every test's identifier, `Module.Suite/test()`."""
    listing = subprocess.run(
        ["swift", "test", "list", *SWIFT_TEST[2:]], capture_output=True, text=True, check=True
    )
    return sorted({line.strip() for line in listing.stdout.splitlines() if "/" in line})


def suite_of(test):
    return test.split("/", 1)[0]


def run(name, arguments, expected, timeout):
    """Runs once and says how long it took, or exits with the run's output."""
    began = time.monotonic()
    try:
        result = process_tree.run(
            SWIFT_TEST + arguments, timeout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except subprocess.TimeoutExpired as expired:
        sys.exit(f"{expired.output[-4000:]}\n{name}: still running after {timeout} s")
    closing = CLOSING_LINE.search(result.stdout)
    count = int(closing.group(1)) if closing else 0
    if result.returncode != 0 or count != expected:
        print(result.stdout, file=sys.stderr)
        sys.exit(f"{name}: exit code {result.returncode}, {count} tests ran, {expected} expected")
    print(
        f"{name}: {count} tests in {closing.group(3)} s ({time.monotonic() - began:.1f} s in all)",
        flush=True,
    )


def random_group(tests, generator):
    """A filter for some suites and the number of tests in them."""
    suites = sorted({suite_of(test) for test in tests})
    chosen = set(generator.sample(suites, generator.randint(1, max(1, len(suites) // 2))))
    pattern = "^(" + "|".join(re.escape(suite) for suite in sorted(chosen)) + ")/"
    return pattern, sum(suite_of(test) in chosen for test in tests)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=50, help="runs of each kind (default 50)")
    parser.add_argument(
        "--kinds",
        default="parallel,serial,random",
        help="which kinds, separated by commas (default parallel,serial,random)",
    )
    parser.add_argument("--seed", type=int, default=None, help="of the random groups")
    parser.add_argument("--timeout", type=int, default=600, help="seconds a run may take")
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    unknown = set(kinds) - {"parallel", "serial", "random"}
    if unknown:
        parser.error(f"unknown kind {', '.join(sorted(unknown))}")

    tests = listed_tests()
    if not tests:
        sys.exit("`swift test list` lists no test; run swift build -c release --build-tests first")
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "big")
    print(f"{len(tests)} tests, {options.times} runs of each kind, seed {seed}", flush=True)
    generator = random.Random(seed)
    for kind in kinds:
        for number in range(1, options.times + 1):
            name = f"{kind} {number}/{options.times}"
            if kind == "random":
                pattern, expected = random_group(tests, generator)
                run(name, ["--parallel", "--filter", pattern], expected, options.timeout)
            else:
                mode = "--parallel" if kind == "parallel" else "--no-parallel"
                run(name, [mode], len(tests), options.timeout)
    print("every run passed with every test")


main()

#!/usr/bin/env python3
"""Refuses tests that wait for time instead of an event.

A test awaits what it is about (an entry in a journal, a receipt, a clock it moves itself);
sleeping makes it slow on a fast machine and wrong on a slow one.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

SLEEP = re.compile(
    r"""Task(\s*<[^>]*>)?\s*\.\s*sleep          # Swift concurrency
      | Thread\s*\.\s*sleep
      | (Continuous|Suspending)Clock\(\)\s*\.\s*sleep
      | \.\s*(continuous|suspending)\s*\.\s*sleep
      | \b(u|nano|clock_nano)sleep\s*\(        # C
      | (?<![\w.])(?<!func\ )sleep\s*\(        # a clock of a test declares its own
      | \b(time|asyncio)\s*\.\s*sleep\s*\(     # Python
      | \bsetTimeout\s*\(                      # JavaScript
      | (?:^|[;&|]|\b(?:do|then|else))\s*sleep\s+[\d.$"]   # the shell
      | \basyncAfter\s*\(
      | \bscheduleTask\s*\(\s*in:
    """,
    re.VERBOSE,
)
COMMENT = re.compile(r"//.*$")
# What the tests are written in; comments are left out where they begin with slashes.
SLASHED = {".swift", ".mjs", ".c"}
SUFFIXES = SLASHED | {".py", ".sh"}


def findings(name, text):
    """Lines of `text` that sleep, as `name:line: text`."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        code = COMMENT.sub("", line) if pathlib.PurePath(name).suffix in SLASHED else line
        if SLEEP.search(code):
            found.append(f"{name}:{number}: {line.strip()}")
    return found


def self_test():
    sleeping = [
        "try await Task.sleep(for: .seconds(1))",
        "try await Task<Never, Never>.sleep(nanoseconds: 5)",
        "try await ContinuousClock().sleep(for: .seconds(1))",
        "try await clock.continuous.sleep(until: .now)",
        "usleep(10)",
        "sleep(1)",
        "Thread.sleep(forTimeInterval: 1)",
        "queue.asyncAfter(deadline: .now() + 1) {}",
    ]
    sleeping_elsewhere = [
        ("a.py", "time.sleep(1)"),
        ("a.py", "await asyncio.sleep(1)"),
        ("a.mjs", "await new Promise((resolve) => setTimeout(resolve, 1000));"),
        ("a.mjs", "await sleep(1000);  // node:timers/promises under another name"),
        ("a.c", "nanosleep(&pause, NULL);"),
        ("a.sh", "until grep -q up log; do sleep 0.1; done"),
        ("a.sh", 'sleep "$pause"'),
    ]
    awake = [
        "// Task.sleep would make this slow",
        "try await journal.wait(forCount: 2)",
        "func sleeps() {}",
        "func sleep(until deadline: Instant, tolerance: Duration?) async throws {",
        "let waiter = clock.sleep(until: deadline)  // a manual clock",
    ]
    for line in sleeping:
        assert findings("A.swift", line), f"not caught: {line}"
    for name, line in sleeping_elsewhere:
        assert findings(name, line), f"not caught in {name}: {line}"
    for line in awake:
        for name in ("A.swift", "a.mjs", "a.c"):
            assert not findings(name, line), f"wrongly caught in {name}: {line}"


def main():
    if "--self-test" in sys.argv[1:]:
        self_test()
        return
    files = sorted(path for path in (ROOT / "Tests").rglob("*") if path.suffix in SUFFIXES)
    if not files:
        sys.exit("check-no-sleep: found no tests to look at")
    found = [
        finding
        for path in files
        for finding in findings(str(path.relative_to(ROOT)), path.read_text())
    ]
    if found:
        print("\n".join(found), file=sys.stderr)
        sys.exit("check-no-sleep: await an event, or move an injected clock")
    print(f"check-no-sleep: {len(files)} files wait for events only")


main()

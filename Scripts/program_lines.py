#!/usr/bin/env python3
"""Runs a program that goes on, and reads what it prints line by line, with a limit to each wait.

Usage: Scripts/program_lines.py --self-test
"""

import collections
import queue
import subprocess
import sys
import threading


class ProgramLines:
    """A program that runs.

    A thread reads all that it prints: one whose lines nobody asks for is never held up by a full pipe.
    """

    def __init__(self, command, **options):
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options
        )
        self._lines = queue.SimpleQueue()
        self._last = collections.deque(maxlen=100)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._last.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def line(self, seconds):
        """The next line; None where the output has ended, TimeoutError where it has not and none comes."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError(f"no line came within {seconds} s") from None
        if line is None:
            self._lines.put(None)
        return line

    @property
    def tail(self):
        """The last lines, for a message."""
        return "".join(self._last)

    def end(self, seconds):
        """Asks the program to end, and returns its status; TimeoutExpired where it goes on."""
        self.process.terminate()
        status = self.process.wait(seconds)
        self._reader.join(seconds)
        return status


def self_test():
    def program(text):
        return ProgramLines([sys.executable, "-u", "-c", text])

    # More than a pipe holds is printed before anybody reads.
    loud = program("print('first'); [print('x' * 100) for _ in range(20_000)]; print('last')")
    assert loud.process.wait(60) == 0
    assert loud.line(60) == "first\n"
    while (line := loud.line(60)) is not None:
        last = line
    assert last == "last\n" and loud.line(60) is None and loud.tail.endswith("last\n")
    silent = program("import threading; threading.Event().wait()")
    try:
        silent.line(0.05)
    except TimeoutError:
        pass
    else:
        raise AssertionError("a silent program has no line")
    assert silent.end(60) == -15
    print("program_lines: what a program prints is read, and a silent one is noticed")


if __name__ == "__main__":
    if sys.argv[1:] != ["--self-test"]:
        sys.exit(__doc__)
    self_test()

#!/usr/bin/env python3
"""How soon an oracle starts on a store of a million reports, and what it holds in memory then.

    python3 Tests/Interop/oracle_start.py .build/release/petals-e2e [--reports N] [--agents N]

Makes a store as the version before the totals wrote it, by SQL, in a scratch folder. The first start
brings it up to date, which reads all of it; the figures that count are those of the starts after it.
Needs Python's standard library alone; memory is read from /proc.
"""

import argparse
import json
import pathlib
import sqlite3
import subprocess
import tempfile
import time

SCHEMA = """
CREATE TABLE report (
  sequence INTEGER PRIMARY KEY, dialect TEXT NOT NULL, agent TEXT NOT NULL,
  epoch INTEGER NOT NULL, processed_tokens INTEGER NOT NULL,
  average_latency_ms REAL NOT NULL, uptime_seconds INTEGER NOT NULL,
  tasks_completed INTEGER NOT NULL, timestamp INTEGER NOT NULL,
  received_at INTEGER NOT NULL, signature TEXT
);
CREATE TABLE proof (
  report INTEGER NOT NULL REFERENCES report(sequence), position INTEGER NOT NULL,
  model_hash TEXT NOT NULL, input_hash TEXT NOT NULL, output_hash TEXT NOT NULL,
  token_count INTEGER NOT NULL, PRIMARY KEY (report, position)
) WITHOUT ROWID;
CREATE TABLE registration (
  position INTEGER PRIMARY KEY, kind TEXT NOT NULL, agent TEXT NOT NULL,
  timestamp REAL NOT NULL, received_at INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE contribution (
  epoch INTEGER NOT NULL, agent TEXT NOT NULL, hash TEXT NOT NULL,
  transaction_bytes BLOB NOT NULL, PRIMARY KEY (epoch, agent)
) WITHOUT ROWID;
"""


def make(path, count, agents):
    """Addresses of digits alone: they have no letters whose case EIP-55 could check."""
    names = ["0x%040d" % (number + 1) for number in range(agents)]
    signature = "0x" + "1" * 130
    store = sqlite3.connect(path)
    store.executescript(SCHEMA)
    store.executemany(
        "INSERT INTO report VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (n, "deployed" if n % 2 else "documented", names[n // 2 % agents], n // 20_000, n, 12.5,
             n, n, n, n, signature)
            for n in range(1, count + 1)
        ),
    )
    store.commit()
    store.close()


def start(program, path, dialect):
    began = time.monotonic()
    process = subprocess.Popen(
        [program, "oracle", "--port", "0", "--json", "--dialect", dialect, "--store", path],
        stdout=subprocess.PIPE,
    )
    json.loads(process.stdout.readline())
    seconds = time.monotonic() - began
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    memory = {
        line.split(":")[0]: int(line.split()[1]) * 1024 / 1e6 for line in status.splitlines()
        if line.startswith(("VmRSS", "VmHWM"))
    }
    process.terminate()
    process.wait(30)
    return seconds, memory["VmRSS"], memory["VmHWM"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--reports", type=int, default=1_000_000)
    parser.add_argument("--agents", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "oracle.sqlite")
        make(path, options.reports, options.agents)
        for name, dialect in [
            ("first start, brings the store up to date", "both"), ("documented", "documented"),
            ("deployed", "deployed"), ("both", "both"),
        ]:
            seconds, held, most = start(options.program, path, dialect)
            print(f"{name}: {seconds:.2f} s, {held:.0f} MB, {most:.0f} MB at most", flush=True)


main()

#!/usr/bin/env python3
"""Kills a stored oracle with SIGKILL at random moments under load, and counts what it lost.

    python3 -m venv .venv && .venv/bin/pip install coincurve pycryptodome
    .venv/bin/python Tests/Interop/oracle_kill.py .build/release/petals-e2e --times 100

In every life some agents report as fast as they can, with and without proofs. After each kill the
oracle starts again on the same file: every report that was acknowledged must be there, and every one
of them must be refused as a replay. Prints one JSON object; exit 1 when anything was lost or taken
twice.
"""

import argparse
import http.client
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time

from coincurve import PrivateKey
from Crypto.Hash import keccak

AGENTS = 8


def keccak256(data):
    return keccak.new(digest_bits=256, data=data).digest()


class Agent:
    """One agent, what it reported, and what of that was acknowledged."""

    def __init__(self):
        self.key = PrivateKey(secrets.token_bytes(32))
        self.raw = keccak256(self.key.public_key.format(compressed=False)[1:])[12:]
        self.address = "0x" + self.raw.hex()
        self.timestamp = 1_770_000_000
        self.acknowledged = []

    def sign(self, text):
        message = text.encode()
        digest = keccak256(b"\x19Ethereum Signed Message:\n%d" % len(message) + message)
        signed = self.key.sign_recoverable(digest, hasher=None)
        return "0x" + signed[:64].hex() + "%02x" % (signed[64] + 27)

    def proof(self):
        hashes = [keccak256(secrets.token_bytes(8)) for _ in range(3)]
        digest = keccak256(b"".join(hashes) + bytes(12) + self.raw)
        names = ("modelHash", "inputHash", "outputHash")
        proof = {name: "0x" + value.hex() for name, value in zip(names, hashes)}
        return proof | {
            "agentAddress": self.address, "tokenCount": 1, "proofHash": "0x" + digest.hex()
        }

    def next_report(self):
        self.timestamp += 1
        payload = {
            "agent": self.address, "processed_tokens": self.timestamp % 1_000_000,
            "avg_latency_ms": 12.5, "uptime_seconds": 1, "tasks_completed": 1,
            "timestamp": self.timestamp,
        }
        if random.random() < 0.2:
            payload["proofs"] = [self.proof()]
        text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
        return json.dumps({"payload": payload, "signature": self.sign(text)})


def start(program, store):
    process = subprocess.Popen(
        [program, "oracle", "--port", "0", "--json", "--store", store],
        stdout=subprocess.PIPE, text=True)
    line = json.loads(process.stdout.readline())
    return process, int(line["url"].rsplit(":", 1)[1])


def post(connection, body):
    connection.request(
        "POST", "/api/v1/report", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return body if answer.status == 200 else None


class Count:
    """Counts, and lets one wait for a number."""

    def __init__(self):
        self.value = 0
        self.changed = threading.Condition()

    def add(self):
        with self.changed:
            self.value += 1
            self.changed.notify_all()

    def wait_for(self, number):
        with self.changed:
            self.changed.wait_for(lambda: self.value >= number)


def load(port, agent, stopped, taken):
    """Reports until the connection breaks: what was acknowledged is noted, nothing else."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        while not stopped.is_set():
            body = agent.next_report()
            if post(connection, body) == 200:
                agent.acknowledged.append((agent.timestamp, body))
                taken.add()
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()


def check(port, agents, sample):
    """How many acknowledged reports are missing, and how many replays were accepted."""
    lost = replayed = 0
    for agent in agents:
        if not agent.acknowledged:
            continue
        held = get(port, "/api/v1/agents/%s" % agent.address)
        if held is None or held["last_timestamp"] < agent.acknowledged[-1][0]:
            lost += 1
            continue
        kept = get(port, "/api/v1/agents/%s/reports" % agent.address)["reports"]
        kept = {report["timestamp"] for report in kept}
        oldest = min(kept)
        recent = [stamp for stamp, _ in agent.acknowledged if stamp >= oldest]
        lost += sum(stamp not in kept for stamp in recent)
        # All of an agent's reports count, also those that are too old to be listed.
        lost += max(0, len(agent.acknowledged) - held["reports"])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        chosen = random.sample(agent.acknowledged, min(sample, len(agent.acknowledged)))
        for _, body in chosen + [agent.acknowledged[-1]]:
            replayed += post(connection, body) == 200
        connection.close()
    return lost, replayed


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--times", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=1)
    arguments = arguments.parse_args()
    random.seed(arguments.seed)
    agents = [Agent() for _ in range(AGENTS)]
    lost = replayed = 0
    restarts = []
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "oracle.sqlite")
        process, port = start(arguments.program, store)
        for _ in range(arguments.times):
            stopped, taken = threading.Event(), Count()
            threads = [
                threading.Thread(target=load, args=(port, agent, stopped, taken)) for agent in agents]
            for thread in threads:
                thread.start()
            # A moment that differs from life to life: so many reports after the start.
            taken.wait_for(random.randint(1, 400))
            process.send_signal(signal.SIGKILL)
            process.wait()
            stopped.set()
            for thread in threads:
                thread.join()
            began = time.monotonic()
            process, port = start(arguments.program, store)
            restarts.append(time.monotonic() - began)
            found, taken = check(port, agents, 5)
            lost += found
            replayed += taken
        process.terminate()
        process.wait()
        size = os.path.getsize(store)
    acknowledged = sum(len(agent.acknowledged) for agent in agents)
    print(json.dumps({
        "kills": arguments.times, "acknowledged": acknowledged, "lost": lost,
        "replays_accepted": replayed, "slowest_restart_seconds": round(max(restarts), 3),
        "store_bytes": size,
    }))
    sys.exit(1 if lost or replayed or acknowledged == 0 else 0)


if __name__ == "__main__":
    main()

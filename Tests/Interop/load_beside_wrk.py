#!/usr/bin/env python3
"""Compares `petals-e2e load --users` with wrk and with a small client in Python, on the same node.

    Tests/Interop/load_beside_wrk.py PROGRAM MODEL [--runs 5] [--seconds 5] [--connections 4] [--tokens 32]

MODEL is a model's folder, as `petals-e2e model synthesize --shape tiny --out DIR` makes one. All three post the
same bytes over as many connections, one request at a time on each, one tool after another in an order that
changes from run to run. Throughput and median latency of `load` have to be within 5 % of each of the others',
or within that tool's own spread from run to run where that is larger. wrk is Debian's (apt-get install wrk).
"""

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

WRK = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[%s]==]
function done(summary, latency, requests)
  io.write(string.format("RESULT %%d %%d %%d %%f %%f\\n", summary.requests, summary.duration,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
      + summary.errors.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


def run_load(arguments, url, prompts, body):
    result = subprocess.run(
        [arguments.program, "load", "--target", url, "--users", str(arguments.connections),
         "--duration", str(arguments.seconds), "--tokens", str(arguments.tokens),
         "--prompts", prompts, "--json", "--quiet"],
        capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"load failed: {result.stderr}")
    report = json.loads(result.stdout)
    return report["per_second"], report["e2el_ms"]["p50"], report["e2el_ms"]["p99"]


def run_wrk(arguments, url, script, body):
    result = subprocess.run(
        ["wrk", "-t1", f"-c{arguments.connections}", f"-d{arguments.seconds}s", "--timeout", "60s",
         "-s", script, url + "/api/v1/generate"],
        capture_output=True, text=True)
    lines = [line for line in result.stdout.splitlines() if line.startswith("RESULT ")]
    if result.returncode or not lines:
        sys.exit(f"wrk failed: {result.stdout}{result.stderr}")
    requests, duration, errors, median, late = map(float, lines[0].split()[1:])
    if errors:
        sys.exit(f"wrk counted {errors:.0f} errors")
    return requests / duration * 1e6, median / 1000, late / 1000


def run_python(arguments, url, _, body):
    address = urllib.parse.urlsplit(url)
    latencies, lock = [], threading.Lock()
    start = time.perf_counter()
    end = start + arguments.seconds

    def user():
        own = []
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        while (sent := time.perf_counter()) < end:
            connection.request(
                "POST", "/api/v1/generate", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                sys.exit(f"the Python client got status {answer.status}")
            own.append(1000 * (time.perf_counter() - sent))
        connection.close()
        with lock:
            latencies.extend(own)

    threads = [threading.Thread(target=user) for _ in range(arguments.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    latencies.sort()
    rank = lambda share: latencies[max(0, -(-int(share * 1000) * len(latencies) // 1000) - 1)]
    return len(latencies) / seconds, rank(0.5), rank(0.99)


def agreement(ours, theirs):
    """How far our median is from theirs, and what is allowed: 5 %, or their spread."""
    median = statistics.median(theirs)
    difference = abs(statistics.median(ours) / median - 1)
    spread = (max(theirs) - min(theirs)) / median
    return difference, max(0.05, spread)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=32)
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("there is no wrk: apt-get install wrk")
    prompt = "Explain quantum computing"
    body = json.dumps(
        {"inputs": prompt, "stream": False,
         "parameters": {"max_new_tokens": arguments.tokens, "do_sample": False}},
        separators=(",", ":"))
    node = subprocess.Popen(
        [arguments.program, "node", "--model", arguments.model, "--blocks", "0-23", "--port", "0",
         "--http-port", "0", "--json"], stdout=subprocess.PIPE, text=True)
    try:
        url = None
        for line in node.stdout:
            event = json.loads(line)
            if event.get("service") == "node-http":
                url = event["url"]
                break
        if not url:
            sys.exit("the node did not start")
        with tempfile.TemporaryDirectory() as folder:
            prompts, script = os.path.join(folder, "prompts"), os.path.join(folder, "post.lua")
            with open(prompts, "w") as file:
                file.write(prompt + "\n")
            with open(script, "w") as file:
                file.write(WRK % body)
            tools = [("load", run_load, prompts), ("wrk", run_wrk, script), ("python", run_python, "")]
            found = {name: [] for name, _, _ in tools}
            print(f"load average before: {' '.join(f'{x:.2f}' for x in os.getloadavg())}")
            for turn in range(arguments.runs):
                for offset in range(len(tools)):
                    name, run, file = tools[(turn + offset) % len(tools)]
                    found[name].append(run(arguments, url, file, body))
            print(f"load average after: {' '.join(f'{x:.2f}' for x in os.getloadavg())}")
    finally:
        node.terminate()
        node.wait()
    print(f"{arguments.runs} runs of {arguments.seconds} s, {arguments.connections} connections, "
          f"generations of {arguments.tokens} tokens; medians (least – greatest)")
    for name, rows in found.items():
        cells = []
        for column, unit in enumerate(["a second", "ms p50", "ms p99"]):
            values = [row[column] for row in rows]
            cells.append(f"{statistics.median(values):9.2f} {unit} ({min(values):.2f} – {max(values):.2f})")
        print(f"{name:8}" + "  ".join(cells))
    wrong = 0
    for other in ["wrk", "python"]:
        for column, measure in enumerate(["throughput", "median latency"]):
            difference, allowed = agreement(
                [row[column] for row in found["load"]], [row[column] for row in found[other]])
            agrees = difference <= allowed
            wrong += not agrees
            print(f"{measure} beside {other}: {100 * difference:.1f} % apart, "
                  f"{100 * allowed:.1f} % allowed: {'agrees' if agrees else 'DIFFERS'}")
    sys.exit(1 if wrong else 0)


main()

#!/usr/bin/env python3
"""Opens idle connections to an oracle, as many as asked for, and checks that others are served.

    petals-e2e oracle --port 3100 &
    python3 Tests/Interop/oracle_idle.py http://127.0.0.1:3100 --connections 10000 --pid $!

Prints one JSON object: how many were opened, how long a request took meanwhile, and how much memory
the oracle took for them (Linux, with --pid). The file limit of this process and of the oracle must
allow so many: `ulimit -n 20000`.
"""

import argparse
import json
import resource
import socket
import sys
import time
import urllib.parse
import urllib.request


def memory(pid):
    if pid is None:
        return None
    with open("/proc/%d/status" % pid) as status:
        for line in status:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024


def served(url):
    began = time.monotonic()
    with urllib.request.urlopen(url + "/health", timeout=30) as answer:
        assert answer.status == 200
    return (time.monotonic() - began) * 1000


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("url")
    arguments.add_argument("--connections", type=int, default=10000)
    arguments.add_argument("--pid", type=int)
    arguments = arguments.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, arguments.connections + 100), hard))
    address = urllib.parse.urlsplit(arguments.url)
    before = memory(arguments.pid)
    idle = []
    try:
        for number in range(arguments.connections):
            connection = socket.create_connection((address.hostname, address.port), timeout=30)
            # Every other one has begun a request and does not go on.
            if number % 2:
                connection.sendall(b"POST /api/v1/report HTTP/1.1\r\nContent-Le")
            idle.append(connection)
    except OSError as error:
        print("stopped at %d: %s" % (len(idle), error), file=sys.stderr)
    times = sorted(served(arguments.url) for _ in range(50))
    after = memory(arguments.pid)
    print(json.dumps({
        "idle": len(idle), "median_ms": round(times[25], 2), "slowest_ms": round(times[-1], 2),
        "memory_before_mib": before, "memory_mib": after,
    }))
    for connection in idle:
        connection.close()
    sys.exit(0 if len(idle) == arguments.connections else 1)


if __name__ == "__main__":
    main()

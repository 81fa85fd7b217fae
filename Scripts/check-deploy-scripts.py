#!/usr/bin/env python3
"""Runs the scripts of Deploy/: petals-service and healthy of the image, and prepare.sh.

What the scripts decide is checked here: what a role runs and where it is asked for its health, whose the keys
are, what stays. A program of this script's own takes the place of petals-e2e, writes down what it is told, makes
keys, and names a peer. Scripts/check-deploy.py --chroot runs the same scripts with the real one.

Usage: Scripts/check-deploy-scripts.py
"""

import http.server
import os
import pathlib
import re
import socket
import stat
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "Deploy"
SERVICE = DEPLOY / "image" / "petals-service"
HEALTHY = DEPLOY / "image" / "healthy"
PREPARE = DEPLOY / "prepare.sh"
NAME = "12D3KooWGtqgWSLV7YCsgUxcpdJnMVPZXTSUZrv2qVAcLJozFpbf"
# Another user than root, who may read everything.
NOBODY = 65534
SECONDS = 60

COMMAND = f"""#!/bin/bash
printf '%s\\n' "$@" >"$RECORD"
for option in --out --identity-file; do
  previous=
  for word in "$@"; do
    if [ "$previous" = "$option" ] && ! [ -e "$word" ]; then printf 'key %s\\n' $RANDOM >"$word"; fi
    previous=$word
  done
done
if [ "$1 $2" = "swarm bootstrap" ] && [ -z "${{ENDS:-}}" ]; then
  printf '{{"event":"listening","service":"swarm","url":"/ip4/127.0.0.1/tcp/1/p2p/{NAME}"}}\\n'
  exec tail -f /dev/null
fi
"""


def fail(text):
    sys.exit(f"check-deploy-scripts: {text}")


def check(condition, text):
    if not condition:
        fail(text)


class Status(http.server.BaseHTTPRequestHandler):
    """A service that says that it is well, or that it loads."""

    answer = b'{"status":"ok"}'

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *arguments):
        pass


class Loading(Status):
    answer = b'{"status": "loading"}'


def served(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class Place:
    """A folder with the program that takes the place of petals-e2e."""

    def __init__(self, folder):
        self.folder = folder
        programs = folder / "programs"
        programs.mkdir()
        (programs / "petals-e2e").write_text(COMMAND)
        (programs / "petals-e2e").chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "ADDRESS": "127.0.0.1",
            "HOSTNAME": "node-1",
            "RECORD": str(folder / "record"),
            "HEALTH_FILE": str(folder / "health"),
        }

    def run(self, command, extra=None, **options):
        return subprocess.run(
            [str(part) for part in command], env={**self.environment, **(extra or {})}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, **options,
        )

    def ran(self):
        return (self.folder / "record").read_text().split("\n")[:-1]


def check_roles(place):
    """Each role's command, and the health that is asked without an argument."""
    well, loading = served(Status), served(Loading)
    peer = socket.create_server(("127.0.0.1", 0))
    peer_port = peer.getsockname()[1]
    free = socket.create_server(("127.0.0.1", 0))
    closed = free.getsockname()[1]
    free.close()
    key = place.folder / "peer.key"
    needs = {
        "ENDS": "1", "SWARM": "/ip4/10.0.0.5/tcp/31340/p2p/x", "BLOCKS": "0-11", "ORACLE": "http://oracle:3100",
        "KEY_FILE": str(place.folder / "agent.key"), "IDENTITY_FILE": str(key),
    }
    defaults = {
        "bootstrap": "ADDRESS:31340", "node": "http://ADDRESS:8080/health", "agent": "http://ADDRESS:8080/health",
        "chain": "http://ADDRESS:26902/", "oracle": "http://ADDRESS:3100/health", "gateway": "http://ADDRESS:3200/health",
    }
    check(place.run([HEALTHY]).returncode == 2, "healthy takes a container without a role for healthy")
    for role, default in defaults.items():
        result = place.run([SERVICE, role], needs)
        check(result.returncode == 0, f"{role}: {result.stdout}")
        health = (place.folder / "health").read_text().strip()
        check(health == default, f"{role} is asked at {health}, not {default}")
        option = {"bootstrap": "--swarm-port", "node": "--http-port", "agent": "--http-port"}.get(role, "--port")
        port = peer_port if role == "bootstrap" else well
        for options in ([option, "1", option, str(port)], [f"{option}={port}"]):
            result = place.run([SERVICE, role, *options], needs)
            check(place.ran()[-len(options):] == options, f"{role} runs {place.ran()}")
            result = place.run([HEALTHY])
            check(result.returncode == 0, f"{role} at {options} is not healthy: {result.stdout}")
        place.run([SERVICE, role, option, str(closed)], needs)
        check(place.run([HEALTHY]).returncode != 0, f"{role} is healthy at a port where nothing is")
        if role != "bootstrap":
            check(place.run([HEALTHY, f"http://ADDRESS:{loading}/health"]).returncode == 1, "a node that loads is healthy")
    check(place.run([HEALTHY], {"HEALTH": f"http://ADDRESS:{loading}/"}).returncode == 1, "HEALTH is not asked")
    place.run([SERVICE, "swarm", "status"], needs)
    check(place.ran() == ["swarm", "status"], f"a subcommand runs {place.ran()}")
    peer.close()


def check_keys(place):
    """A key that is missing is made where it was named, and one that cannot be read is said to be so."""
    key = place.folder / "keys" / "named.key"
    key.parent.mkdir()
    named = {"KEY_FILE": str(key), "ORACLE": "http://oracle:3100", "ENDS": "1"}
    for start in ("first", "second"):
        result = place.run([SERVICE, "agent"], named)
        check(result.returncode == 0, f"the {start} start of an agent with KEY_FILE: {result.stdout}")
        ran = place.ran()
        check(ran[ran.index("--key-file") + 1] == str(key) and key.exists(), f"the {start} start runs {ran}")
    content = key.read_text()
    place.run([SERVICE, "agent"], named)
    check(key.read_text() == content, "an agent's key is made again")
    key.chmod(0o600)
    if os.geteuid() == 0:
        place.folder.chmod(0o777)
        (place.folder / "record").unlink()
        options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    else:
        key.chmod(0)
        options = {}
    for role, variable in (("agent", "KEY_FILE"), ("bootstrap", "IDENTITY_FILE")):
        result = place.run([SERVICE, role], {**named, variable: str(key)}, **options)
        check(result.returncode == 2 and "cannot be read by user" in result.stdout, f"{role}: {result.stdout}")
        check("prepare.sh --owner" in result.stdout, f"{role} does not say what to do: {result.stdout}")


def check_prepare(place):
    """What prepare.sh makes, what stays, and whose the key is."""
    folder = place.folder / "private"
    key, address = folder / "bootstrap.key", folder / "swarm"
    result = place.run([PREPARE, folder, "10.0.0.5"])
    expected = f"/ip4/10.0.0.5/tcp/31340/p2p/{NAME}"
    check(result.returncode == 0 and result.stdout.strip() == expected, result.stdout)
    for path, mode in ((folder, 0o700), (key, 0o600), (address, 0o600)):
        found = stat.S_IMODE(path.stat().st_mode)
        check(found == mode, f"{path.name} has mode {found:o}, not {mode:o}")
    content = key.read_text()
    result = place.run([PREPARE, folder, "10.0.0.5"])
    check(result.returncode == 0 and key.read_text() == content, f"a second run: {result.stdout}")
    result = place.run([PREPARE, folder, "other.example", "1"])
    check(result.returncode == 1 and "remove it first" in result.stdout, f"another address: {result.stdout}")
    check(address.read_text().strip() == expected, "an address that is there is overwritten")
    for host, family in (("::1", "ip6"), ("a.example", "dns4")):
        result = place.run([PREPARE, place.folder / family, host, "5"])
        check(result.stdout.strip() == f"/{family}/{host}/tcp/5/p2p/{NAME}", result.stdout)
    check(place.run([PREPARE]).returncode != 0, "prepare.sh needs no folder")
    owned = ["--owner", "10001:10001", folder, "10.0.0.5"]
    result = place.run([PREPARE, *owned])
    if os.geteuid() == 0:
        check(result.returncode == 0, result.stdout)
        check((key.stat().st_uid, key.stat().st_gid) == (10001, 10001), "the key is not given to 10001")
        check(address.stat().st_uid == 0, "the address is given to 10001")
    else:
        check(result.returncode == 1 and "sudo" in result.stdout, result.stdout)


def check_secrets():
    """Engines ignore the owner and the mode of a secret that comes from a file: none may rely on them."""
    text = re.sub(r"(?m)^\s*#.*", "", (DEPLOY / "compose.yaml").read_text())
    for block in re.findall(r"secrets:[^\n]*(?:\n +- [^\n]*)*", text):
        check(not re.search(r"\b(uid|gid|mode):", block), f"compose.yaml: engines ignore this: {block}")


def main():
    with tempfile.TemporaryDirectory(prefix="petals-deploy-") as name:
        place = Place(pathlib.Path(name))
        check_roles(place)
        check_keys(place)
        check_prepare(place)
    check_secrets()
    print("check-deploy-scripts: six roles and their health, keys and prepare.sh are as they should be")


main()

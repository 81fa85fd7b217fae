#!/usr/bin/env python3
"""Checks what Deploy/ holds, as far as can be without a container engine or a cluster.

Kubernetes manifests by kubernetes-validate, the compose file by the compose specification's schema (both from
PyPI, in a virtual environment under .build), units by `systemd-analyze verify`. With --chroot, as root: the
steps of the image's second stage run in a Debian 12 that debootstrap makes, with the command that was built
here in place of the first stage; its services start there as the image's user, in a network of their own,
and each is asked for its health with the image's own probe.

Usage: Scripts/check-deploy.py --command .build/release/petals-e2e [--chroot]
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

from program_lines import ProgramLines

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "Deploy"
TOOLS = ROOT / ".build" / "deploy-tools"
PACKAGES = ["kubernetes-validate==1.37.0", "check-jsonschema==0.39.0"]
KUBERNETES = "1.33.0"
CONTAINERFILE = DEPLOY / "image" / "Containerfile"
# Within which a role has to say that it listens, and to end.
SECONDS = 120
# A node's model in the chroot.
MODEL = ROOT / "Tests" / "TestVectors" / "bloom" / "tiny-f16"


def fail(text):
    sys.exit(f"check-deploy: {text}")


def run(command, **options):
    """Runs a command; its output is shown when it fails."""
    result = subprocess.run(
        [str(part) for part in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    if result.returncode != 0:
        fail(f"{shlex.join(map(str, command))} fails:\n{result.stdout}")
    return result.stdout


def tools():
    if not (TOOLS / "bin" / "kubernetes-validate").exists():
        run([sys.executable, "-m", "venv", TOOLS])
        run([TOOLS / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES])


def check_kubernetes():
    files = sorted(p for p in (DEPLOY / "kubernetes").glob("*.yaml") if p.name != "kustomization.yaml")
    run([TOOLS / "bin" / "kubernetes-validate", "--strict", "-k", KUBERNETES, *files])
    # What kustomize would apply is what is there, and what names another object names one that is there.
    script = """
import sys, json, yaml
print(json.dumps([d for f in sys.argv[1:] for d in yaml.safe_load_all(open(f)) if d]))
"""
    load = lambda paths: json.loads(run([TOOLS / "bin" / "python", "-c", script, *paths]))
    listed = load([DEPLOY / "kubernetes" / "kustomization.yaml"])[0]["resources"]
    if sorted(listed) != [f.name for f in files]:
        fail(f"kustomization.yaml lists {listed}, but the folder holds {[f.name for f in files]}")
    objects = load(files)
    labels = {o["spec"]["selector"]["matchLabels"]["app"] for o in objects if o["kind"] in ("StatefulSet", "Deployment")}
    ports = {}
    for o in objects:
        if o["kind"] in ("StatefulSet", "Deployment"):
            for container in o["spec"]["template"]["spec"]["containers"]:
                ports[container["name"]] = {p["name"]: p["containerPort"] for p in container["ports"]}
    for o in objects:
        if o["kind"] == "Service":
            app = o["spec"]["selector"]["app"]
            if app not in labels:
                fail(f"service {o['metadata']['name']} selects {app}, which no workload is")
            for port in o["spec"]["ports"]:
                if ports[app].get(port["targetPort"]) != port["port"]:
                    fail(f"service {o['metadata']['name']}: port {port} is none of {ports[app]}")
        if o["kind"] == "NetworkPolicy":
            for app in re.findall(r'"app": "([a-z-]+)"|"values": \[([^\]]+)\]', json.dumps(o)):
                for name in re.findall(r"[a-z-]+", app[0] or app[1]):
                    if name not in labels:
                        fail(f"policy {o['metadata']['name']} names {name}, which no workload is")
    print(f"check-deploy: {len(objects)} Kubernetes objects are valid for {KUBERNETES} and name each other rightly")


def check_compose():
    run([TOOLS / "bin" / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"])
    print("check-deploy: the compose file has the compose specification's form")


def check_units(command):
    if shutil.which("systemd-analyze") is None:
        fail("there is no systemd-analyze: apt-get install systemd")
    with tempfile.TemporaryDirectory() as folder:
        units = []
        for unit in sorted((DEPLOY / "systemd").glob("*.service")):
            # The programs are looked for: the command stands where it was built.
            text = unit.read_text().replace("/usr/local/bin/petals-e2e", str(command))
            instance = unit.name.replace("@.", "@0-11.")
            (pathlib.Path(folder) / unit.name).write_text(text)
            units.append(pathlib.Path(folder) / instance)
        output = run(["systemd-analyze", "verify", "--man=no", *units], env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"})
        if output.strip():
            fail(f"systemd-analyze says:\n{output}")
    print(f"check-deploy: systemd finds nothing in {len(units)} units")


# The image, in a chroot.


def instructions():
    """The instructions of the last stage: (name, arguments)."""
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.M)).splitlines()
    found = []
    for line in lines:
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            found = []
        if name:
            found.append((name, rest.strip()))
    return found


def mirror():
    for file in [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*")]:
        found = re.search(r"(https?://\S+/debian/?)\s", file.read_text() + "\n") if file.is_file() else None
        if found:
            return found.group(1)
    return "http://deb.debian.org/debian"


def swift_libraries(command):
    """Where the command looks for Swift's libraries, which the slim image has."""
    text = run(["readelf", "-d", command])
    paths = re.search(r"(?:RUNPATH|RPATH).*\[(.*)\]", text)
    for path in (paths.group(1).split(":") if paths else []):
        if path.startswith("/") and pathlib.Path(path, "libswiftCore.so").exists():
            return pathlib.Path(path)
    fail(f"{command} does not say where Swift's libraries are")


def build_chroot(root, command, daemon):
    run(["debootstrap", "--variant=minbase", "bookworm", root, mirror()])
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    libraries = swift_libraries(command)
    (root / libraries.relative_to("/")).mkdir(parents=True, exist_ok=True)
    for library in libraries.glob("*.so*"):
        shutil.copy(library, root / libraries.relative_to("/"))
    state = {"user": "0:0", "env": {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, "cwd": "/"}
    for name, rest in instructions():
        if name == "RUN":
            # Of this machine's environment a step sees the proxies, as in a container engine: a TMPDIR of here is not there.
            proxies = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
            run(["chroot", root, "/bin/sh", "-c", rest], env={**proxies, **state["env"], "DEBIAN_FRONTEND": "noninteractive"})
        elif name == "COPY":
            parts = rest.split()
            built = parts[0].startswith("--from=")
            *sources, target = parts[1:] if built else parts
            for source in sources:
                # The first stage's results are the command that was built here and p2pd.
                path = {"/out/petals-e2e": command, "/out/p2pd": daemon}[source] if built else ROOT / source
                place = root / target.lstrip("/")
                # In a folder it keeps the name that it has in the Containerfile, whatever this machine's file is called.
                shutil.copy(path, place / pathlib.Path(source).name if place.is_dir() else place)
        elif name == "ENV":
            key, _, value = rest.partition("=")
            state["env"][key] = value
        elif name == "USER":
            state["user"] = rest
        elif name == "WORKDIR":
            state["cwd"] = rest
        elif name in ("ENTRYPOINT", "HEALTHCHECK"):
            state[name] = json.loads(rest[rest.index("[") :])
        elif name not in ("FROM", "VOLUME", "EXPOSE"):
            fail(f"{CONTAINERFILE} has {name}, which this script does not know")
    shutil.copytree(MODEL, root / "model", dirs_exist_ok=True)
    return state


def inside(root, state, arguments, extra=None, **options):
    """A command in the chroot as the image's user, with the image's environment and nothing else."""
    command = ["env", "-i", "-C", state["cwd"]]
    command += [f"{key}={value}" for key, value in {**state["env"], **(extra or {})}.items()] + arguments
    return ["chroot", f"--userspec={state['user']}", str(root), *command]


def check_services(root, state):
    """Starts every role of the image and asks each for its health; in a network and a table of processes of its own."""
    run(["ip", "link", "set", "lo", "up"])
    address = {"ADDRESS": "127.0.0.1", "HOSTNAME": "node-1"}
    healthy, service = state["HEALTHCHECK"], state["ENTRYPOINT"]
    started = []

    def start(role, options, health, extra=None):
        program = ProgramLines(inside(root, state, [*service, role, *options], {**address, **(extra or {})}))
        started.append((role, program))
        try:
            line = program.line(SECONDS)
            while line is not None and '"listening"' not in line:
                line = program.line(SECONDS)
        except TimeoutError as silence:
            fail(f"{role} does not start: {silence}")
        if line is None:
            fail(f"{role} does not start:\n{program.tail}")
        # A node is healthy once it has loaded; its ports are announced then. Others at once.
        run(inside(root, state, [*healthy, health], address))
        # Without an argument it asks where the role said, which was the last one to do so.
        run(inside(root, state, healthy, address))
        print(f"check-deploy: {role} is healthy at {health}")
        return line

    who = run(inside(root, state, ["id", "-u"])).strip()
    if who == "0":
        fail("the image runs as root")
    line = start("bootstrap", ["--identity-file", "/data/bootstrap.key"], "ADDRESS:31340")
    swarm = re.search(r"/ip4[^\"]*", line.replace("\\/", "/")).group(0)
    start("chain", [], "http://ADDRESS:26902/")
    start("oracle", ["--dialect", "both", "--chain-rpc", "http://127.0.0.1:26902"], "http://ADDRESS:3100/health")
    node = ["--identity-file", "/data/node.key", "--port", "0", "--swarm-port", "0"]
    start("node", node, "http://ADDRESS:8080/health", {"SWARM": swarm, "BLOCK_COUNT": "24", "BLOCKS_PER_NODE": "12"})
    start("agent", ["--http-port", "8081", "--port", "0"], "http://ADDRESS:8081/health", {"ORACLE": "http://127.0.0.1:3100"})
    start("gateway", ["--allow-loopback"], "http://ADDRESS:3200/health", {"ORACLE": "http://127.0.0.1:3100"})
    # The probe tells what is not there.
    for place in ["http://ADDRESS:1/health", "ADDRESS:1", "nowhere"]:
        if subprocess.run(inside(root, state, [*healthy, place], address), capture_output=True).returncode == 0:
            fail(f"the probe takes {place} for healthy")
    status = run(inside(root, state, ["petals-e2e", "swarm", "status", "--model", "/model", "--swarm", swarm, "--json"]))
    blocks = [server["blocks"] for server in json.loads(status)["servers"]]
    if blocks != [[12, 24]]:
        fail(f"node-1 of two should serve blocks 12-23, but the swarm says {status}")
    print("check-deploy: the second of two nodes serves blocks 12-23 in the swarm")
    # Once each: a second signal ends a program at once. Those that others need are the last ones.
    for role, program in reversed(started):
        try:
            status = program.end(SECONDS)
        except subprocess.TimeoutExpired:
            fail(f"{role} does not end:\n{program.tail}")
        if status != 0:
            fail(f"{role} ends with {status}:\n{program.tail}")


def check_image(command):
    if os.geteuid() != 0:
        fail("--chroot needs root")
    if shutil.which("debootstrap") is None:
        fail("--chroot needs debootstrap: apt-get install debootstrap")
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    daemon = pathlib.Path(os.environ.get("PETALS_P2PD", cache / "petals-e2e" / "p2pd"))
    if not daemon.exists():
        fail("p2pd is missing: make deps-swarm")
    with tempfile.TemporaryDirectory(prefix="petals-image-") as folder:
        root = pathlib.Path(folder) / "root"
        os.chmod(folder, 0o755)
        state = build_chroot(root, command, daemon)
        missing = [line for line in run(["chroot", root, "ldd", "/usr/local/bin/petals-e2e"]).splitlines() if "not found" in line]
        if missing:
            fail(f"the image lacks libraries: {missing}")
        size = int(run(["du", "-sm", root]).split()[0])
        print(f"check-deploy: the image's steps run in a chroot of Debian 12, which has {size} MiB then")
        sys.stdout.flush()
        inner = [sys.executable, __file__, "--inside", str(root), json.dumps(state)]
        for place in ("proc", "dev"):
            (root / place).mkdir(exist_ok=True)
        mounts = "mount --rbind /dev %s/dev && mount -t proc proc %s/proc" % (root, root)
        result = subprocess.run(
            ["unshare", "--net", "--pid", "--fork", "--mount", "--mount-proc", "/bin/sh", "-c", f'{mounts} && exec "$@"', "sh", *inner]
        )
        if result.returncode != 0:
            fail("the image's services do not run: see above")


def main():
    if sys.argv[1:2] == ["--inside"]:
        return check_services(pathlib.Path(sys.argv[2]), json.loads(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--command", type=pathlib.Path, required=True, help="the petals-e2e that was built")
    parser.add_argument("--chroot", action="store_true", help="run the image's steps in a chroot (root, debootstrap)")
    arguments = parser.parse_args()
    command = arguments.command.resolve()
    if not os.access(command, os.X_OK):
        fail(f"there is no command {command}: make build")
    tools()
    check_kubernetes()
    check_compose()
    check_units(command)
    print(run([sys.executable, ROOT / "Scripts" / "check-deploy-scripts.py"]).strip())
    if arguments.chroot:
        check_image(command)
    else:
        print("check-deploy: the image's steps were not run: --chroot does, as root")


main()

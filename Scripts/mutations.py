#!/usr/bin/env python3
"""Breaks the product on purpose and expects the test that names the broken behaviour to fail.

Every Tests/Mutations/*.patch starts with lines

    Breaks: what the patch breaks
    Test: ChainRegistrationTests/registerIdempotent

and goes on as a unified diff. Each patch is applied to a scratch copy of the committed tree, the
copy is built, and the named test has to fail there; before that, all named tests have to pass in
the untouched copy. Arguments name patches (default: all of them); `--shard 2/5` takes the second of
five parts. A patch whose test is skipped on this machine, as those that need root, is named and not tried.

The scratch copy keeps a build folder of its own, .build-mutations, so that the binaries of the
untouched product are never replaced by broken ones; its first build compiles the dependencies too.
Another folder, with the dependencies already built, can be named; what it holds of the project
is replaced.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import process_tree

ROOT = pathlib.Path(__file__).resolve().parent.parent
PATCHES = ROOT / "Tests" / "Mutations"
LEAST = 10
# A mutant that hangs is caught: seconds until it is given up.
PATIENCE = 300


def fields(patch):
    """The head of a patch: its `Breaks` and `Test` lines."""
    head = patch.read_text().split("\n--- ", 1)[0]
    found = dict(re.findall(r"^(Breaks|Test): (.+)$", head, re.MULTILINE))
    if set(found) != {"Breaks", "Test"}:
        sys.exit(f"mutations: {patch.name} needs the lines 'Breaks: …' and 'Test: Suite/function'")
    return found["Breaks"], found["Test"]


def swift(copy, arguments, options, timeout=None):
    command = ["swift", *arguments, "-c", options.configuration]
    command += ["--scratch-path", str(options.scratch_path.resolve())]
    # A broken product may well have warnings; in CI they would be errors.
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    return process_tree.run(
        command, timeout, cwd=copy, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def build(copy, options):
    """Builds; returns why it failed, or None."""
    result = swift(copy, ["build", "--build-tests"], options)
    if result.returncode:
        lines = [line for line in (result.stdout + result.stderr).splitlines() if "error:" in line]
        return "\n".join(lines[:5])
    return None


def run(copy, test, options):
    """Whether tests ran, and whether they all passed; a crash or a hang is a run that failed.

    Tests that are all skipped here are a run of None.
    """
    arguments = ["test", "--skip-build", "--disable-xctest", "--filter", test]
    try:
        result = swift(copy, arguments, options, PATIENCE)
    except subprocess.TimeoutExpired:
        return True, False
    output = result.stdout + result.stderr
    ran = re.search(r"Test run with (\d+) tests?", output)
    crashed = ran is None and "Test run started" in output
    # A test that runs says that it started, by its title or its function's name.
    started = re.search(r'Test (case|\w+\(.*\)|".*") .*started', output)
    if not crashed and not started and re.search(r"Test .* skipped", output):
        return None, result.returncode == 0
    return crashed or (ran is not None and ran.group(1) != "0"), result.returncode == 0


def patch_named(text):
    """The patch of that path, or of that name."""
    for path in (pathlib.Path(text), PATCHES / f"{text}.patch"):
        if path.is_file():
            return path
    sys.exit(f"mutations: there is no patch {text}; ls {PATCHES.relative_to(ROOT)}")


def shard(text):
    """The pair of a part's number and the number of parts: "2/5"."""
    match = re.fullmatch(r"([1-9][0-9]*)/([1-9][0-9]*)", text)
    if not match or int(match[1]) > int(match[2]):
        raise argparse.ArgumentTypeError(f"{text} is no part: write 2/5 for the second of five")
    return int(match[1]), int(match[2])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("patches", nargs="*", help="files, or names as in Tests/Mutations")
    parser.add_argument("--shard", type=shard, default=(1, 1), help="which part, as 2/5")
    parser.add_argument("-c", "--configuration", default="release")
    parser.add_argument("--scratch-path", type=pathlib.Path, default=ROOT / ".build-mutations")
    options = parser.parse_args()
    patches = [patch_named(text) for text in options.patches] or sorted(PATCHES.glob("*.patch"))
    if not options.patches and len(patches) < LEAST:
        sys.exit(f"mutations: {len(patches)} patches, at least {LEAST} are expected")
    number, parts = options.shard
    # Every fifth and not a fifth in a row: neighbours break, and build, the same targets.
    patches = patches[number - 1 :: parts]
    if not patches:
        sys.exit(f"mutations: part {number} of {parts} is empty")

    survivors, skipped = [], set()
    with tempfile.TemporaryDirectory(prefix="petals-mutations-") as folder:
        copy = pathlib.Path(folder) / ROOT.name
        subprocess.run(["git", "clone", "-q", "--shared", str(ROOT), str(copy)], check=True)
        print("untouched copy: building", flush=True)
        if failure := build(copy, options):
            sys.exit(f"mutations: the untouched copy does not build\n{failure}")
        for test in sorted({fields(patch)[1] for patch in patches}):
            ran, passed = run(copy, test, options)
            if ran is None:
                skipped.add(test)
            elif not (ran and passed):
                sys.exit(f"mutations: {test} has to run and pass before anything is broken")
        for patch in patches:
            breaks, test = fields(patch)
            if test in skipped:
                print(f"NOT RUN  {patch.stem}: {test} is skipped on this machine", flush=True)
                continue
            subprocess.run(["git", "apply", str(patch.resolve())], cwd=copy, check=True)
            failure = build(copy, options)
            ran, passed = (False, False) if failure else run(copy, test, options)
            caught = ran and not passed
            print(f"{'caught  ' if caught else 'SURVIVED'} {patch.stem}: {breaks} ({test})", flush=True)
            if failure:
                print(f"         {patch.stem} does not build:\n{failure}", flush=True)
            if not caught:
                survivors.append(patch.stem)
            subprocess.run(["git", "checkout", "-q", "."], cwd=copy, check=True)
    tried = [patch for patch in patches if fields(patch)[1] not in skipped]
    print(f"{len(tried) - len(survivors)} of {len(tried)} mutations were caught")
    if not tried:
        sys.exit("mutations: none was tried")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()

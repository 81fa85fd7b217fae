#!/usr/bin/env python3
"""Runs the shell commands that the documentation shows.

    Scripts/check-commands.py [PROGRAM]

A fenced block of `sh` or `bash` in README.md, CONTRIBUTING.md, a page of Documentation or an article of a DocC
catalog runs with `bash -euo pipefail` in an empty folder of its own, with the built command first on PATH, its
models kept out of the user's cache, and has to succeed within a minute. A block that cannot run here has a
comment in the line above it that says why:

    <!-- not run: needs the live chain -->

Blocks without a language hold output and synopses: one that begins with a command which could run is refused,
so that no command escapes by its fence (a transcript has the same comment). Commands inside sentences and tables are not run, but have to exist: a
`make` target in the Makefile, a subcommand of `petals-e2e` with each of its options, a script in the tree.
`--self-test` shows that what is wrong is found.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Scripts"))
import process_tree

FENCE = re.compile(r"^(?:<!-- (.*?) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REASON = re.compile(r"^not run: \S.{8,}$")
SPAN = re.compile(r"`((?:petals-e2e|make|Scripts/|Tests/)[^`]*)`", re.DOTALL)
COMMAND = re.compile(r"^\$? ?(?:[A-Z_]+=\S* )*(petals-e2e|make|swift (?:test|build|run)|git clone|curl|wrk)\b")
# What a synopsis has and a command line has not.
SYNOPSIS = re.compile(r"[\[\]|…]|\b[A-Z]{3,}\b")
SECONDS = 60


def blocks(text):
    """(line, language, reason, code) of each fenced block."""
    for match in FENCE.finditer(text):
        yield (text.count("\n", 0, match.start()) + 1, match.group(2), match.group(1), match.group(3))


def spans(text):
    """Commands in sentences and tables, outside of fences."""
    for match in SPAN.finditer(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)):
        yield " ".join(match.group(1).split())


def sort(page, text):
    """(runnable, marked, problems) of a page; runnable are (place, code)."""
    runnable, marked, problems = [], [], []
    for line, language, reason, code in blocks(text):
        place = f"{page}:{line}"
        if language in ("sh", "bash"):
            if reason is None:
                runnable.append((place, code))
            elif REASON.match(reason):
                marked.append((place, reason.removeprefix("not run: ")))
            else:
                problems.append(f"{place}: the comment above the block is not `not run: WHY`: {reason}")
        elif language == "" and COMMAND.match(code) and not SYNOPSIS.search(code.splitlines()[0]):
            if reason and REASON.match(reason):
                marked.append((place, reason.removeprefix("not run: ")))
                continue
            problems.append(f"{place}: a command in a block without a language: make it one of `sh`")
    return runnable, marked, problems


class Known:
    """What commands in sentences may name."""

    def __init__(self, program):
        self.program = program
        makefile = (ROOT / "Makefile").read_text()
        self.targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
        self.helps = {}

    def help(self, words):
        if words not in self.helps:
            result = subprocess.run(
                [self.program, *words, "--help"], capture_output=True, text=True, timeout=SECONDS)
            self.helps[words] = result.stdout if result.returncode == 0 else None
        return self.helps[words]

    def problem(self, span):
        """Why a command in a sentence does not exist; None when it does, or is none."""
        words = span.split()
        if words[0] == "make":
            for word in words[1:]:
                if re.fullmatch(r"[a-z][a-z0-9-]*", word) and word not in self.targets:
                    return f"there is no target {word}"
            return None
        if words[0].startswith(("Scripts/", "Tests/")):
            path = words[0].rstrip(".,")
            return None if "…" in path or (ROOT / path).exists() else f"there is no {path}"
        if words[0] != "petals-e2e":
            return None
        path = ()
        for word in words[1:]:
            if not re.fullmatch(r"[a-z][a-z0-9-]*", word) or self.help(path + (word,)) is None:
                break
            path += (word,)
        text = self.help(path)
        if len(words) > 1 and not path and re.fullmatch(r"[a-z][a-z0-9-]*", words[1]):
            return f"there is no subcommand {words[1]}"
        for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", span):
            if not re.search(re.escape(option) + r"(?![\w-])", text) and option != "--help":
                return f"{' '.join(('petals-e2e',) + path)} has no {option}"
        return None


def run(place, code, environment):
    with tempfile.TemporaryDirectory(prefix="petals-e2e-docs-") as folder:
        try:
            result = process_tree.run(
                ["bash", "-euo", "pipefail", "-c", code], timeout=SECONDS, cwd=folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired as expired:
            return f"{place}: ran for more than {SECONDS} s:\n{expired.output}"
        if result.returncode:
            return f"{place}: exit status {result.returncode}:\n{result.stdout}"
    return None


def self_test():
    fence = "```"
    page = (
        f"{fence}sh\nmake docs\n{fence}\n<!-- not run: needs the live chain -->\n{fence}bash\nx\n{fence}\n"
        f"{fence}\npetals-e2e up --model tiny\n{fence}\n{fence}\npetals-e2e run [--json]\n{fence}\n"
        f"<!-- later -->\n{fence}sh\ny\n{fence}\n{fence}swift\nlet a = 1\n{fence}\n")
    runnable, marked, problems = sort("A.md", page)
    assert [code for _, code in runnable] == ["make docs\n"], runnable
    assert [reason for _, reason in marked] == ["needs the live chain"], marked
    assert len(problems) == 2 and "A.md:8" in problems[0] and "later" in problems[1], problems
    assert list(spans("a `make ci`, `petals-e2e\n  up --json` and `x`\n```\n`make y`\n```\n")) == [
        "make ci", "petals-e2e up --json"]
    environment = dict(os.environ)
    assert run("A.md:1", "true\n", environment) is None
    assert "exit status 3" in run("A.md:1", "exit 3\n", environment)
    assert "exit status" in run("A.md:1", "false | cat\n", environment)

    class NoProgram(Known):
        def help(self, words):
            return {(): "", ("load",): "  --rate <n>"}.get(words)

    known = NoProgram("")
    assert known.problem("make docs") is None and known.problem("make nothing-such")
    assert known.problem("petals-e2e load --rate 5") is None
    assert known.problem("petals-e2e load --speed 5") and known.problem("petals-e2e lod")
    assert known.problem("Scripts/check-commands.py") is None and known.problem("Scripts/none.py")
    print("check-commands: what is wrong is found")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    program = pathlib.Path(
        sys.argv[1] if len(sys.argv) > 1 else ROOT / ".build" / "release" / "petals-e2e").resolve()
    if not program.is_file():
        sys.exit(f"check-commands: there is no {program}; build it with make build, or name another")
    with tempfile.TemporaryDirectory(prefix="petals-e2e-docs-cache-") as cache:
        environment = dict(
            os.environ, PATH=f"{program.parent}:{os.environ['PATH']}", XDG_CACHE_HOME=cache,
            REPOSITORY=str(ROOT))
        known = Known(str(program))
        pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
        pages += sorted((ROOT / "Documentation").rglob("*.md"))
        pages += sorted((ROOT / "Sources").rglob("*.docc/*.md"))
        ran, marked, named, problems = 0, [], 0, []
        for page in pages:
            name = page.relative_to(ROOT).as_posix()
            text = page.read_text()
            runnable, own, found = sort(name, text)
            marked += own
            problems += found
            for place, code in runnable:
                ran += 1
                if problem := run(place, code, environment):
                    problems.append(problem)
            for span in spans(text):
                # Articles of a catalog name files of the reader's own package.
                if ".docc/" in name and span.startswith(("Scripts/", "Tests/")):
                    continue
                named += 1
                if problem := known.problem(span):
                    problems.append(f"{name}: `{span}`: {problem}")
    if problems:
        sys.exit("check-commands: " + "\n".join(problems))
    for place, reason in marked:
        print(f"check-commands: {place} was not run: {reason}")
    print(f"check-commands: {ran} blocks of commands ran, {len(marked)} are marked as not run here, "
          f"{named} commands in sentences exist")


main()

#!/usr/bin/env python3
"""Checks that every relative link between the Markdown pages leads to a file and a heading, that the
reading lists of Documentation/Architecture.md name files that exist, and Documentation/Glossary.md types
that are declared in Sources.

A reading list is a numbered list below a heading `## How a … travels` or `## How a test runs`: each
entry begins with the path of a file, and there are at most twelve. `--self-test` shows that what is
wrong is found.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
READING_LISTS = [
    "How a report travels", "How a transaction travels", "How a hidden state travels",
    "How a test runs",
]
LONGEST_READING_LIST = 12
DECLARATION = re.compile(r"\b(?:struct|class|enum|actor|protocol|typealias) ([A-Z]\w*)")
ENTRY = re.compile(r"^\d+\. (?:`((?:Sources|Tests)/[^`]+)`: )?", re.MULTILINE)


def pages():
    top = sorted(ROOT.glob("*.md"))
    return top + sorted((ROOT / "Documentation").rglob("*.md")) + sorted(
        (ROOT / ".github").rglob("*.md")
    )


def anchors(text):
    """The anchors that GitHub gives a page's headings."""
    found = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number, unique = 0, slug
        while unique in found:
            number += 1
            unique = f"{slug}-{number}"
        found.add(unique)
    return found


def problems(page):
    text = page.read_text()
    for match in LINK.finditer(FENCE.sub("", text)):
        link = match.group(1) or match.group(2)
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        name = page.relative_to(ROOT)
        if not target.exists():
            yield f"{name}: {link} leads to no file"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text()):
            yield f"{name}: {link} leads to no heading"


def unreachable(every):
    """Pages of Documentation that its index does not mention."""
    index = (ROOT / "Documentation" / "README.md").read_text()
    for page in every:
        if page.is_relative_to(ROOT / "Documentation") and page.name != "README.md":
            path = page.relative_to(ROOT / "Documentation").as_posix()
            if path not in index:
                yield f"Documentation/README.md: does not mention {path}"


def reading_list_problems(text, exists):
    """What is wrong with the reading lists of a page. exists: whether a path names a file."""
    name = "Documentation/Architecture.md"
    sections = dict(
        part.partition("\n")[::2] for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    )
    for title in READING_LISTS:
        paths = ENTRY.findall(sections.get(title, ""))
        if not paths:
            yield f"{name}: no numbered list below the heading {title}"
        if len(paths) > LONGEST_READING_LIST:
            yield f"{name}: {title} takes {len(paths)} files, {LONGEST_READING_LIST} at most"
        for number, path in enumerate(paths, 1):
            if not path:
                yield f"{name}: {title}, entry {number} does not begin with the path of a file"
            elif not exists(path):
                yield f"{name}: {title}, entry {number}: no file {path}"
            elif path in paths[: number - 1]:
                yield f"{name}: {title} names {path} twice"


def glossary_problems(text, declared):
    """The types in the last column of a glossary's tables that are not declared."""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| term "):
            for name in re.findall(r"`([A-Z]\w*)[^`/]*`", line.rstrip(" |").rsplit(" | ", 1)[-1]):
                if name not in declared:
                    yield f"Documentation/Glossary.md: no type {name} is declared in Sources"


def declared_types():
    return {
        name
        for source in (ROOT / "Sources").rglob("*.swift")
        for name in DECLARATION.findall(source.read_text())
    }


def self_test():
    entries = ["1. `Sources/A.swift`: begins\n", "2. `Tests/B.swift`: ends\n"]

    def page(*lists):
        return "# Page\n\n" + "".join(
            f"## {title}\n\nWords.\n\n{''.join(entries)}\n"
            for title, entries in zip(READING_LISTS, lists)
        )

    def found(first, rest=3):
        text = page(first, *[entries] * rest)
        known = {"Sources/A.swift", "Tests/B.swift"} | {f"Sources/{n}.swift" for n in range(13)}
        return list(reading_list_problems(text, known.__contains__))

    many = [f"{n + 1}. `Sources/{n}.swift`: goes on\n" for n in range(13)]
    assert found(entries) == []
    assert found(many[:12]) == []
    for wrong in [[], many, ["1. `Sources/C.swift`: is gone\n"], ["1. A.swift: has no folder\n"],
                  [entries[0], entries[0].replace("1.", "2.")]]:
        assert len(found(wrong)) == 1, wrong
    assert len(found(entries, rest=2)) == 1, "a missing section"
    rows = "| term | meaning | type |\n|---|---|---|\n| a `X` | b | `A`, `B.c` |\n| d | e | `Tests/F` |\n"
    assert list(glossary_problems(rows, {"A", "B"})) == []
    assert len(list(glossary_problems(rows, {"A"}))) == 1, "a type that is not declared"
    assert anchors("# A b\n## A b\n") == {"a-b", "a-b-1"}
    print("check-links: what is wrong is found")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    every = pages()
    found = [problem for page in every for problem in problems(page)] + list(unreachable(every))
    architecture = (ROOT / "Documentation" / "Architecture.md").read_text()
    found += reading_list_problems(architecture, lambda path: (ROOT / path).is_file())
    glossary = (ROOT / "Documentation" / "Glossary.md").read_text()
    found += glossary_problems(glossary, declared_types())
    if found:
        sys.exit("\n".join(found))
    print(
        f"check-links: {len(every)} pages, every link leads somewhere;"
        f" {len(READING_LISTS)} reading lists, every file exists; every type of the glossary is declared"
    )


main()

#!/usr/bin/env python3
"""Checks that every relative link between the Markdown pages leads to a file and a heading."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


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


def main():
    every = pages()
    found = [problem for page in every for problem in problems(page)] + list(unreachable(every))
    if found:
        sys.exit("\n".join(found))
    print(f"check-links: {len(every)} pages, every link leads somewhere")


main()

#!/usr/bin/env python3
"""Checks that the Swift which the documentation shows is compiled, and run, by Tests/DocumentationTests.

A fenced Swift block of README.md, of a page in Documentation, of an article of a DocC catalog, or of a
comment in Sources has to equal a stretch of that target between the lines

    // snippet: Documentation/Chain.md
    // end of snippet

and every such stretch has to stand in the page that it names, or in each of them, one to a line. A block
that begins with `// Package.swift` is a piece of a manifest: its packages and products have to be ours.
`--self-test` shows that what is wrong is found.
"""

import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```swift\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = re.compile(r"^ *// snippet: (\S+)\n", re.MULTILINE)
SNIPPET = re.compile(
    r"((?:^ *// snippet: \S+\n)+)(.*?)^ *// end of snippet$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"^ *///(?: (.*))?$")
MANIFEST = "// Package.swift\n"


def blocks_of_page(text):
    return FENCE.findall(text)


def blocks_of_source(text):
    """The fenced blocks of a Swift file's documentation comments."""
    lines = (COMMENT.match(line) for line in text.splitlines())
    comments = "\n".join("" if line is None else line.group(1) or "" for line in lines)
    return FENCE.findall(comments + "\n")


def snippets(text):
    """Pairs of page and code."""
    return [
        (page, textwrap.dedent(code))
        for pages, code in SNIPPET.findall(text)
        for page in PAGE.findall(pages)
    ]


def manifest_problems(page, block, manifest):
    """What a piece of a manifest names that the package has not."""
    name = re.search(r'^  name: "([^"]+)"', manifest, re.MULTILINE).group(1)
    products = set(re.findall(r'\.(?:library|executable)\(\s*name: "([^"]+)"', manifest))
    found = 0
    for product, package in re.findall(r'\.product\(name: "([^"]+)", package: "([^"]+)"\)', block):
        found += 1
        if package != name:
            yield f"{page}: a product of package {package}, which is not {name}"
        if product not in products:
            yield f"{page}: the package has no product {product}"
    for place in re.findall(r'\.package\((?:path|url): "([^"]+)"', block):
        found += 1
        if place.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git") != name:
            yield f"{page}: {place} is not {name}"
    if not found:
        yield f"{page}: a piece of a manifest without a product and without a package"


def problems(pages, compiled, manifest):
    """pages: {name: its Swift blocks}. compiled: [(page, code)]."""
    for page, blocks in pages.items():
        for block in blocks:
            if block.startswith(MANIFEST):
                yield from manifest_problems(page, block, manifest)
            elif (page, block) not in compiled:
                first = block.strip().splitlines()[0] if block.strip() else "an empty block"
                yield f"{page}: no snippet of Tests/DocumentationTests equals the block of `{first}`"
    for page, code in compiled:
        if code not in pages.get(page, []):
            first = code.strip().splitlines()[0] if code.strip() else "an empty snippet"
            yield f"Tests/DocumentationTests: the snippet of `{first}` does not stand in {page}"


def self_test():
    manifest = '  name: "p",\n    .library(name: "L", targets: [])\n'
    source = "  // snippet: A.md\n  let a = 1\n    + 2\n  // end of snippet\n"
    assert snippets(source) == [("A.md", "let a = 1\n  + 2\n")]
    assert snippets("// snippet: B.md\n" + source) == [
        ("B.md", "let a = 1\n  + 2\n"), ("A.md", "let a = 1\n  + 2\n"),
    ]
    page = "text\n```swift\nlet a = 1\n  + 2\n```\n```sh\nls\n```\n"
    assert blocks_of_page(page) == ["let a = 1\n  + 2\n"]
    comment = "/// Words.\n///\n/// ```swift\n/// if a {\n///   b()\n///\n/// }\n/// ```\nlet c = 1\n"
    assert blocks_of_source(comment) == ["if a {\n  b()\n\n}\n"]

    def found(page, code, text="A.md"):
        return list(problems({"A.md": [page]}, [(text, code)], manifest))

    assert found("let a = 1\n", "let a = 1\n") == []
    assert len(found("let a = 2\n", "let a = 1\n")) == 2
    assert len(found("let a = 1\n", "let a = 1\n", "B.md")) == 2
    ours = MANIFEST + '.package(path: "../p"),\n.product(name: "L", package: "p"),\n'
    assert list(problems({"A.md": [ours]}, [], manifest)) == []
    for wrong in [ours.replace('"L"', '"M"'), ours.replace("../p", "../q"), MANIFEST,
                  ours.replace('package: "p"', 'package: "q"')]:
        assert len(list(problems({"A.md": [wrong]}, [], manifest))) == 1, wrong
    print("check-snippets: what is wrong is found")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    pages = {}
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md"] + sorted(
        (ROOT / "Documentation").rglob("*.md")
    ):
        pages[page.relative_to(ROOT).as_posix()] = blocks_of_page(page.read_text())
    for article in sorted((ROOT / "Sources").rglob("*.docc/*.md")):
        pages[article.relative_to(ROOT).as_posix()] = blocks_of_page(article.read_text())
    for source in sorted((ROOT / "Sources").rglob("*.swift")):
        if found := blocks_of_source(source.read_text()):
            pages[source.relative_to(ROOT).as_posix()] = found
    compiled = []
    for source in sorted((ROOT / "Tests" / "DocumentationTests").glob("*.swift")):
        compiled += snippets(source.read_text())
    manifest = (ROOT / "Package.swift").read_text()
    if wrong := list(problems(pages, compiled, manifest)):
        sys.exit("\n".join(wrong))
    print(f"check-snippets: {sum(map(len, pages.values()))} Swift blocks, all compiled")


main()

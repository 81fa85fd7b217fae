#!/usr/bin/env python3
"""Builds a DocC archive of each library product, and takes every warning for an error.

Needs the modules of a build (`swift build`), whose symbols it extracts, and the toolchain's docc. The
archives go to .build/documentation, one folder a product; any web server shows them. Arguments name
products (default: all libraries). `--base-path /plumise-petals-e2e` is for a server that shows them
under a path, as GitHub Pages does; each product is below it under its name in lower case.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
GRAPHS = ROOT / ".build" / "symbol-graphs"
ARCHIVES = ROOT / ".build" / "documentation"


def output(*command):
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"docs: {' '.join(command)} fails:\n{result.stderr}")
    return result.stdout


def module_maps(binaries):
    """The module maps of the C targets, by the names of their modules; a build writes some of them."""
    found = {}
    places = sorted(ROOT.glob("Sources/**/module.modulemap"))
    places += sorted((ROOT / ".build" / "checkouts").glob("*/Sources/**/module.modulemap"))
    places += [map for map in sorted(binaries.glob("*.build/module.modulemap"))
               if not map.parent.name.endswith("-tool.build")]
    for place in places:
        if match := re.search(r"^\s*(?:framework )?module (\w+)", place.read_text(), re.MULTILINE):
            found[match[1]] = place
    return found


def extract(module, binaries, maps, target):
    """Writes the symbol graph of a module's public interface."""
    folder = GRAPHS / module
    folder.mkdir(parents=True)
    command = ["swift", "symbolgraph-extract", "-module-name", module, "-I", binaries / "Modules"]
    for place in maps.values():
        command += ["-Xcc", f"-fmodule-map-file={place}"]
    command += ["-target", target, "-minimum-access-level", "public", "-skip-synthesized-members"]
    if sys.platform == "darwin":
        command += ["-sdk", output("xcrun", "--show-sdk-path").strip()]
    output(*map(str, command), "-output-dir", str(folder))
    return folder


def convert(module, graphs, base_path):
    """Builds a product's archive; returns whether docc found nothing to say."""
    command = ["xcrun"] if sys.platform == "darwin" else []
    command += ["docc", "convert", f"Sources/{module}/{module}.docc", "--warnings-as-errors"]
    command += ["--additional-symbol-graph-dir", str(graphs), "--fallback-display-name", module]
    command += ["--fallback-bundle-identifier", f"plumise-petals-e2e.{module}"]
    command += ["--output-path", str(ARCHIVES / module.lower())]
    if base_path:
        command += ["--hosting-base-path", f"{base_path.strip('/')}/{module.lower()}"]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        print(result.stdout)
    return result.returncode == 0


def write_index(products):
    """A page that leads to each product's documentation."""
    links = "".join(
        f'<li><a href="{name.lower()}/documentation/{name.lower()}/">{name}</a></li>' for name in products)
    (ARCHIVES / "index.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>plumise-petals-e2e</title>'
        f"<h1>plumise-petals-e2e</h1><ul>{links}</ul></html>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("products", nargs="*", help="names of library products")
    parser.add_argument("-c", "--configuration", default="release")
    parser.add_argument("--base-path", default="", help="where the server shows them")
    options = parser.parse_args()
    binaries = pathlib.Path(
        output("swift", "build", "-c", options.configuration, "--show-bin-path").strip())
    package = json.loads(output("swift", "package", "--ignore-lock", "describe", "--type", "json"))
    libraries = [entry["name"] for entry in package["products"] if "library" in entry["type"]]
    if unknown := sorted(set(options.products) - set(libraries)):
        sys.exit(f"docs: no library product is called {', '.join(unknown)}")
    products = options.products or libraries
    target = json.loads(output("swiftc", "-print-target-info"))["target"]["triple"]
    maps = module_maps(binaries)
    shutil.rmtree(GRAPHS, ignore_errors=True)
    shutil.rmtree(ARCHIVES, ignore_errors=True)
    ARCHIVES.mkdir(parents=True)
    failed = [
        product for product in products
        if not convert(product, extract(product, binaries, maps, target), options.base_path)
    ]
    if failed:
        sys.exit(f"docs: docc finds fault with {', '.join(failed)}")
    write_index(products)
    print(f"docs: {len(products)} archives in {ARCHIVES.relative_to(ROOT)}, no warning")


main()

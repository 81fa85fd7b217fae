#!/usr/bin/env python3
"""Guards the arrows of Documentation/Architecture.md.

Reads the targets' dependencies from `swift package describe --type json` and the imports of every
Swift file, and compares both with the tables below. Checks as well that each library product holds
the targets that its public interface names, and no others. That a target depends on each module that
it imports is SwiftPM's to check (Scripts/test.sh). `--self-test` shows that violations are caught.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Our own targets that each target may depend on.
PRIMITIVES_AND_WIRE = {"EthereumPrimitives", "PlumiseWire"}
LAYER_3 = {
    "PetalsNode", "OracleReporter", "ChainAgent", "MockOracle", "MockWeb3", "MockGateway"
}
LAYER_4 = LAYER_3 | PRIMITIVES_AND_WIRE | {
    "AsyncPrimitives", "Bloom", "InferenceMetrics", "EthereumClient", "JSONValues", "MockServing",
}
DEPENDENCIES = {
    "CBLAS": set(),
    "CSecp256k1": set(),
    "COpenSSL": set(),
    "CZlib": set(),
    "CBrotli": set(),
    "AsyncPrimitives": set(),
    "BloomKernels": set(),
    "EthereumPrimitives": {"CSecp256k1", "COpenSSL"},
    "SystemErrors": set(),
    "TextKeys": set(),
    "Inflate": {"CBrotli", "CZlib"},
    "JSONValues": {"TextKeys"},
    "Bloom": {
        "AsyncPrimitives", "CBLAS", "BloomKernels", "JSONValues", "SystemErrors", "TextKeys"
    },
    "PlumiseWire": {"EthereumPrimitives", "JSONValues"},
    "EVM": {"EthereumPrimitives"},
    "TorchArchive": {"Inflate"},
    "ReportPages": {"JSONValues"},
    "EVMConformance": {"EVM", "Inflate", "JSONValues"} | PRIMITIVES_AND_WIRE,
    "PipelineRPC": {"TorchArchive"},
    "OutgoingHTTP": set(),
    "InferenceMetrics": {"AsyncPrimitives", "PlumiseWire", "SystemErrors"},
    "EthereumClient": {"AsyncPrimitives", "OutgoingHTTP", "SystemErrors"} | PRIMITIVES_AND_WIRE,
    "MockServing": {"AsyncPrimitives", "JSONValues", "TextKeys"},
    "PetalsNode": {
        "AsyncPrimitives", "Bloom", "PipelineRPC", "InferenceMetrics", "MockServing",
    } | PRIMITIVES_AND_WIRE,
    "OracleReporter": {
        "AsyncPrimitives", "InferenceMetrics", "OutgoingHTTP", "SystemErrors",
    } | PRIMITIVES_AND_WIRE,
    "ChainAgent": {"AsyncPrimitives", "EthereumClient"} | PRIMITIVES_AND_WIRE,
    "MockOracle": {
        "AsyncPrimitives", "MockServing", "EthereumClient", "Inflate", "SystemErrors", "TextKeys",
    } | PRIMITIVES_AND_WIRE,
    "MockWeb3": {"AsyncPrimitives", "EVM", "EthereumClient", "MockServing", "SystemErrors"} | PRIMITIVES_AND_WIRE,
    "MockGateway": {"AsyncPrimitives", "JSONValues", "MockServing", "OutgoingHTTP"} | PRIMITIVES_AND_WIRE,
    "PetalsSwarm": {"AsyncPrimitives", "Bloom", "EthereumPrimitives", "PetalsNode", "SystemErrors"},
    "NetworkWatch": {"AsyncPrimitives", "JSONValues", "MockServing", "ReportPages", "TextKeys"},
    "PlumiseTesting": LAYER_4 | {"NetworkWatch", "OutgoingHTTP", "ReportPages", "SystemErrors"},
    "PlumiseSwarmTesting": {
        "AsyncPrimitives", "EthereumPrimitives", "PetalsNode", "PetalsSwarm", "PlumiseTesting",
    },
    "petals-e2e": LAYER_4
    | {
        "NetworkWatch", "PetalsSwarm", "PlumiseTesting", "ReportPages", "SystemErrors", "TextKeys",
        "EVM", "EVMConformance", "OutgoingHTTP",
    },
    "TestVectors": {"AsyncPrimitives"},
    "TestSupport": LAYER_4 - {"PetalsNode", "ChainAgent", "Bloom"}
    | {"PlumiseTesting", "SystemErrors", "TestVectors"},
}

# Modules that only the named targets may import or depend on. "tests" stands for the test targets.
ONLY = {
    "CSecp256k1": {"EthereumPrimitives"},
    "COpenSSL": {"EthereumPrimitives"},
    "CBLAS": {"Bloom"},
    "CZlib": {"Inflate"},
    "CBrotli": {"Inflate"},
    "BloomKernels": {"Bloom", "BloomTests"},
    "GRDB": {"MockOracle", "MockOracleTests"},
    "Testing": {"PlumiseTesting", "TestSupport", "tests"},
    # What the documentation shows is what users have.
    "XCTest": {"DocumentationTests"},
    "FoundationNetworking": {"DocumentationTests"},
    "GRPCCore": {"PipelineRPC", "PetalsNode", "PetalsNodeTests"},
    "GRPCNIOTransportHTTP2": {"PetalsNode", "PetalsNodeTests"},
    "GRPCProtobuf": {"PipelineRPC"},
    "SwiftProtobuf": {"PipelineRPC", "PetalsSwarm", "PetalsSwarmTests"},
    "AsyncHTTPClient": {
        "OutgoingHTTP", "EthereumClient", "OracleReporter", "MockGateway", "PlumiseTesting",
        "TestSupport",
        "petals-e2e", "tests",
    },
    "ArgumentParser": {"petals-e2e"},
    "Subprocess": {
        "PetalsSwarm", "PlumiseSwarmTesting", "petals-e2e", "CommandTests", "PlumiseSwarmTestingTests",
    },
    "SystemPackage": {"PetalsSwarm", "PlumiseSwarmTesting", "petals-e2e", "CommandTests"},
}

# Values and arithmetic: no networking below layer 2.
NO_NETWORK = {
    "AsyncPrimitives", "EthereumPrimitives", "Inflate", "SystemErrors", "TextKeys", "JSONValues",
    "Bloom",
    "BloomKernels", "PlumiseWire", "EVM", "EVMConformance", "InferenceMetrics", "TorchArchive",
    "ReportPages",
}
NETWORK = re.compile(r"NIO\w*|Network|FoundationNetworking|AsyncHTTPClient|GRPC\w*")

IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?"
    r"import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias|actor)\s+)?(\w+)",
    re.MULTILINE,
)

PUBLIC_IMPORT = re.compile(
    r"^(?:@\w+(?:\([^)]*\))?\s+)*public\s+import\s+"
    r"(?:(?:struct|class|enum|protocol|func|var|let|typealias|actor)\s+)?(\w+)",
    re.MULTILINE,
)


def allowed_by_only(name, is_test, module):
    owners = ONLY.get(module)
    return owners is None or name in owners or (is_test and "tests" in owners)


def violations(targets, imports):
    """Everything that breaks an arrow.

    targets: as `swift package describe` gives them. imports: {target name: [(file, module)]}.
    """
    found = []
    for target in targets:
        name, is_test = target["name"], target["type"] == "test"
        knows = set(target.get("target_dependencies", []))
        products = set(target.get("product_dependencies", []))
        if not is_test:
            if name not in DEPENDENCIES:
                found.append(f"{name}: a new target; give it a row in DEPENDENCIES")
                continue
            for other in sorted(knows - DEPENDENCIES[name]):
                found.append(f"{name} may not depend on {other}")
        for module in sorted(knows | products):
            if not allowed_by_only(name, is_test, module):
                found.append(f"{name} may not depend on {module}")
        for file, module in imports.get(name, []):
            if not allowed_by_only(name, is_test, module):
                found.append(f"{file}: {name} may not import {module}")
            if name in NO_NETWORK and NETWORK.fullmatch(module):
                found.append(f"{file}: {name} does no input or output, but imports {module}")
    return found


def product_violations(products, interfaces):
    """Library products that lack a target which their interface names, or hold one that it does not.

    products: {product name: its targets}. interfaces: {target name: the modules that it imports
    publicly}.
    """
    found = []
    for name, held in sorted(products.items()):
        named, next_targets = set(), [name]
        while next_targets:
            target = next_targets.pop()
            named.add(target)
            next_targets += (interfaces.get(target, set()) & interfaces.keys()) - named
        for target in sorted(named - set(held)):
            found.append(f"product {name}: its interface names {target}; add it to its targets")
        for target in sorted(set(held) - named):
            found.append(f"product {name}: its interface does not name {target}; remove it")
    return found


def imports_of(target, pattern=IMPORT):
    folder = ROOT / target["path"]
    return [
        (str((folder / source).relative_to(ROOT)), module)
        for source in target["sources"]
        if source.endswith(".swift")
        for module in pattern.findall((folder / source).read_text())
    ]


def self_test():
    def target(name, knows=(), products=(), kind="library"):
        return {
            "name": name,
            "type": kind,
            "target_dependencies": list(knows),
            "product_dependencies": list(products),
        }

    assert IMPORT.findall("public import Bloom\n@preconcurrency import struct NIOCore.ByteBuffer") == [
        "Bloom", "NIOCore",
    ]
    cases = [
        ("the two mocks know each other", [target("MockOracle", ["MockWeb3"])], {}),
        ("a mock knows its client", [target("MockWeb3", ["ChainAgent"])], {}),
        ("a client knows its mock", [target("OracleReporter", ["MockOracle"])], {}),
        ("a node knows the oracle", [target("PetalsNode", ["MockOracle"])], {}),
        ("a second owner of the C library", [target("PlumiseWire", ["CSecp256k1"])], {}),
        ("a machine that knows the wire", [target("EVM", ["PlumiseWire"])], {}),
        ("a second owner of BLAS", [target("PetalsNode", ["CBLAS"])], {}),
        ("a second owner of the database", [target("MockWeb3", [], ["GRDB"])], {}),
        ("a target without a row", [target("Utilities")], {}),
        ("Testing outside of tests", [target("Bloom")], {"Bloom": [("A.swift", "Testing")]}),
        ("a library that does I/O", [target("Bloom")], {"Bloom": [("A.swift", "NIOCore")]}),
    ]
    for name, targets, imports in cases:
        assert violations(targets, imports), f"not caught: {name}"
    clean = [target("PlumiseWire", ["EthereumPrimitives"]), target("A", ["MockWeb3"], kind="test")]
    assert not violations(clean, {"A": [("A.swift", "Testing")]}), "a clean package is refused"

    assert PUBLIC_IMPORT.findall("public import A\nimport B\n@_exported public import struct C.D") == [
        "A", "C",
    ]
    interfaces = {"A": {"B", "Logging"}, "B": {"C"}, "C": set()}
    assert product_violations({"A": ["A", "B"]}, interfaces), "not caught: a module of a module"
    assert product_violations({"C": ["C", "B"]}, interfaces), "not caught: a target too many"
    assert not product_violations({"A": ["A", "B", "C"], "C": ["C"]}, interfaces)


def main():
    if "--self-test" in sys.argv[1:]:
        self_test()
        return
    # Reads only; the lock would make it wait for a build in another window.
    describe = ["swift", "package", "--ignore-lock", "describe", "--type", "json"]
    result = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"check-layers: {' '.join(describe)} fails:\n{result.stderr}")
    description = json.loads(result.stdout)
    targets = description["targets"]
    imports = {target["name"]: imports_of(target) for target in targets}
    if not any(imports.values()):
        sys.exit("check-layers: read no import at all")
    libraries = {
        product["name"]: product["targets"]
        for product in description["products"]
        if "library" in product["type"]
    }
    if not libraries:
        sys.exit("check-layers: read no library product at all")
    interfaces = {
        target["name"]: {module for _, module in imports_of(target, PUBLIC_IMPORT)}
        for target in targets
    }
    found = violations(targets, imports) + product_violations(libraries, interfaces)
    if found:
        sys.exit("\n".join(found) + "\ncheck-layers: see Documentation/Architecture.md")
    print(f"check-layers: {len(targets)} targets keep to their arrows, {len(libraries)} libraries are whole")


main()

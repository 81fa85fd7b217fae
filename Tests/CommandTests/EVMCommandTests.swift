import EVMConformance
import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import TestVectors
import Testing

@Suite("petals-e2e evm", .timeLimit(.minutes(5)))
struct EVMCommandTests {
  private static let london = TestVectors.evm.appending(path: "state-tests-04.jsonl.gz").path

  /// A line of the London file whose expected root is another one.
  private static func wrongLine() throws -> (line: String, name: String) {
    let file = try StateTestFile(URL(filePath: london))
    let line = String(decoding: file.lines[0].bytes, as: UTF8.self)
    let name = try #require(try JSON.parse(line)["name"]?.stringValue)
    let root = try #require(try JSON.parse(line)["post"]?["hash"]?.stringValue)
    return (line.replacing(root, with: "0x" + String(repeating: "1", count: 64)), name)
  }

  @Test("State tests that all come out end with their count and exit status 0")
  func equal() async throws {
    let result = try await Command.run("evm", "state-test", Self.london)
    #expect(result.status == .exited(0), "\(result.errors)")
    #expect(result.output == "189 of 189 equal\n")
    let json = try await Command.run("evm", "state-test", Self.london, Self.london, "--json")
    #expect(json.status == .exited(0))
    #expect(try json.json() == ["equal": 378, "total": 378, "differing": []])
  }

  @Test("A state test that differs is named with both roots, and the exit status is 1")
  func differing() async throws {
    let (line, name) = try Self.wrongLine()
    try await withTemporaryFolder { folder in
      let file = try folder.write("tests.jsonl", (line + "\n").utf8)
      let result = try await Command.run("evm", "state-test", Self.london, file)
      #expect(result.status == .exited(1))
      #expect(result.errors == "petals-e2e: 1 of 190 tests differ\n")
      let lines = result.output.split(separator: "\n")
      #expect(lines.first?.hasPrefix(name) == true, "\(result.output)")
      #expect(result.output.contains("root: expected 0x1111"))
      #expect(result.output.contains("logs: expected 0x"))
      #expect(lines.last == "189 of 190 equal")

      let json = try await Command.run("evm", "state-test", file, "--json").json()
      #expect(json["equal"] == 0)
      let first = try #require(json["differing"]?[0])
      #expect(first["name"] == .string(name))
      #expect(first["indexes"] == ["data": 0, "gas": 0, "value": 0])
      #expect(first["expected_logs"] == first["actual_logs"])
      #expect(first["expected_root"] != first["actual_root"])
    }
  }

  @Test("Files that hold no tests are refused by file, line and field")
  func refusals() async throws {
    try await withTemporaryFolder { folder in
      let file = try folder.write("tests.jsonl", "\n{\"name\":\"a\",\"fork\":\"Osaka\"}\n".utf8)
      try await Command.run("evm", "state-test", file).expectRefusal("\(file):2", "fork", "Osaka")
      try await Command.run("evm", "state-test", folder.file("none"))
        .expectRefusal(folder.file("none"))
    }
    try await Command.run("evm", "state-test").expectRefusal("file")
  }

  @Test("A call prints what it returned, its gas, its logs and no error")
  func returning() async throws {
    // Stores 1 + 2, logs it with topic 5, returns it.
    let code = "0x6001600201600052600560206000a160206000f3"
    let json = try await Command.run("evm", "run", "--code", code, "--json").json()
    #expect(json.objectValue?.keys == ["output", "gas_used", "logs", "error"])
    let three = "0x" + String(repeating: "0", count: 63) + "3"
    #expect(json["output"] == .string(three))
    #expect(json["error"] == .null)
    let topic = "0x" + String(repeating: "0", count: 63) + "5"
    #expect(json["logs"]?[0]?["topics"] == .array([.string(topic)]))
    #expect(json["logs"]?[0]?["data"] == .string(three))
    // 10 instructions of 3, a word of memory of 3, and LOG1: 375, its topic 375, its bytes 256.
    #expect(json["gas_used"]?.integerValue == 1_039)
  }

  @Test("Input, value, gas and hard fork reach the code")
  func options() async throws {
    // Input + value + difficulty (or the random value), in memory and returned.
    let code = "0x6000353401440160005260206000f3"
    let input = "0x" + String(repeating: "0", count: 62) + "10"
    let arguments = ["evm", "run", "--code", code, "--input", input, "--value", "7", "--json"]
    let london = try await Command.run(arguments).json()
    #expect(london["output"]?.stringValue?.hasSuffix("019") == true)
    let paris = try await Command.run(arguments + ["--hardfork", "paris"]).json()
    #expect(paris["output"]?.stringValue?.hasSuffix("017") == true)
    let short = try await Command.run(arguments + ["--gas", "20"])
    #expect(short.status == .exited(0))
    #expect(try short.json()["error"] == "out of gas")
    #expect(try short.json()["gas_used"] == 20)
    try await Command.run("evm", "run", "--code", "6000").expectRefusal("--code", "0x")
    try await Command.run("evm", "run", "--code", "0x00", "--hardfork", "osaka")
      .expectRefusal("--hardfork")
    try await Command.run("evm", "run", "--code", "0x00", "--value", "-1").expectRefusal("--value")
  }

  @Test("A revert shows its reason")
  func reverting() async throws {
    // Error("no"): selector, offset 32, length 2, text; built in memory with three stores.
    let code =
      "0x62461bcd60e51b60005260206004526002602452616e6f60f01b60445260646000fd"
    let json = try await Command.run("evm", "run", "--code", code, "--json").json()
    #expect(json["error"] == "execution reverted: no")
    #expect(json["output"]?.stringValue?.hasPrefix("0x08c379a0") == true)
  }
}

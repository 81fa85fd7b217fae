import Bloom
import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import Testing

@Suite("Help", .timeLimit(.minutes(5)))
struct HelpTests {
  static let subcommands: [[String]] = [
    [], ["run"], ["up"], ["scenario"], ["chain"], ["oracle"], ["node"], ["gateway"], ["generate"],
    ["forward"],
    ["tokenize"],
    ["bench"], ["load"], ["report"], ["model", "fetch"], ["model"], ["model", "synthesize"],
    ["model", "quantize"], ["model", "inspect"], ["wallet"],
    ["wallet", "new"],
    ["swarm"], ["swarm", "bootstrap"], ["swarm", "status"],
    ["evm"], ["evm", "state-test"], ["evm", "run"],
    ["wallet", "address"], ["wallet", "sign-message"], ["wallet", "import"],
  ]

  @Test("The help of each subcommand has an example", arguments: subcommands)
  func helpHasExample(_ path: [String]) async throws {
    let result = try await Command.run(path + ["--help"])
    #expect(result.status == .exited(0))
    #expect(result.output.contains("EXAMPLE"))
    let call = (["petals-e2e"] + path).joined(separator: " ")
    #expect(result.output.contains("  \(call) "), "no example calls \(call)")
    // A line that wraps cannot be copied.
    let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex { $0.contains("EXAMPLE") })
    for line in lines[(start + 1)...].prefix(while: { !$0.isEmpty }) {
      #expect(line.hasPrefix("  petals-e2e ") || line.hasPrefix("    "), "\(line)")
    }
    #expect(result.errors.isEmpty)
  }

  @Test(
    "48: the oracle's help names the port of the deployed one, and listens where agents expect it")
  func oraclePorts() async throws {
    let help = try await Command.run(["oracle", "--help"]).output
    #expect(help.contains("15481") && help.contains("3100 when not said"), "\(help)")
  }

  @Test("The manual names every subcommand and every option")
  func manual() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let manual = try String(
      contentsOf: root.appending(path: "Documentation/Command.md"), encoding: .utf8)
    let table = try OptionTable.ofTheCommand.get()
    let tried = Set(Self.subcommands.map { $0.joined(separator: " ") })
    #expect(tried.isSuperset(of: table.subcommands))
    for subcommand in table.subcommands { #expect(manual.contains(subcommand), "\(subcommand)") }
    for entry in table.options {
      #expect(manual.contains(entry.option), "\(entry.testDescription)")
    }
  }

  @Test("The version is printed alone")
  func version() async throws {
    let result = try await Command.run("--version")
    #expect(result.status == .exited(0))
    #expect(result.output.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil)
  }

  @Test(
    "Wrong usage is exit status 2 with one line",
    arguments: [
      ["no-such-subcommand"], ["run", "--no-such-option"], ["wallet", "new"],
      ["generate", "--model", "m"], ["chain", "--port", "many"], ["run", "--nodes", "0"],
      ["chain", "--port", "70000"], ["oracle", "--port", "-1"], ["chain", "--block-time", "inf"],
      ["oracle", "--max-age", "nan"],
      ["run", "--report-interval", "1e30"], ["run", "--nodes", "100000"],
      ["oracle", "--chain-rpc", "foo"],
      ["node", "--model", "m", "--blocks", "0-1", "--chain-rpc", "127.0.0.1:26902"],
      ["node", "--model", "m", "--blocks", "0-1", "--oracle", "http://127.0.0.1:1"],
    ])
  func wrongUsage(_ arguments: [String]) async throws {
    let result = try await Command.run(arguments)
    result.expectRefusal("--help")
    #expect(result.output.isEmpty)
  }
}

@Suite("Texts as arguments", .timeLimit(.minutes(2)))
struct TextArgumentTests {
  private func tokenize(_ arguments: String...) async throws -> Command.Result {
    try await Command.run(["tokenize", "--model", ModelTests.tiny, "--json"] + arguments)
  }

  @Test(
    "What stands behind the sign is the value, code point by code point",
    arguments: [
      "", "\u{301}", "\u{301}x=y", "\u{200d}a", "\u{fe0f}", "=", "==a", "-x", "--json", "a=b", " ",
      "\r\n", "\u{212a}",
    ])
  func attached(_ text: String) async throws {
    let result = try await tokenize("--text=" + text)
    #expect(result.status == .exited(0), "\(result.errors)")
    let read = try #require(try result.json()["text"]?.stringValue)
    #expect(read.utf8.elementsEqual(text.utf8), "\(read.debugDescription)")
  }

  @Test("So it is for every option, and for a value of its own", arguments: ["", "\u{301}"])
  func others(_ text: String) async throws {
    let prompt = "--prompt=" + text
    try await Command.run("generate", "--model=\u{301}none", prompt)
      .expectRefusal("\u{301}none")
    let result = try await tokenize("--text", text)
    #expect(try result.json()["text"]?.stringValue?.utf8.elementsEqual(text.utf8) == true)
  }

  @Test("An empty value is no value of a number, a list or a flag")
  func empty() async throws {
    try await tokenize("--ids=").expectRefusal("--ids")
    try await tokenize("--text=a", "--json=").expectRefusal("Unexpected argument")
  }
}

@Suite("Numbers in the environment", .timeLimit(.minutes(5)))
struct EnvironmentTests {
  /// What each variable that a target reads holds; a number has tests of its own here.
  private static let variables = [
    "BLOOM_THREADS": "number", "BLOOM_KERNELS": "name", "OPENBLAS_NUM_THREADS": "left to OpenBLAS",
    "OPENBLAS_CORETYPE": "left to OpenBLAS", "HF_ENDPOINT": "URL", "HF_TOKEN": "text",
    "HOME": "path", "XDG_CACHE_HOME": "path", "PATH": "path", "TERM": "name",
    "PLUMISE_FAILURE_REPORTS": "path",
  ]

  @Test("Every variable that the sources read is known here")
  func everyVariable() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Sources")
    let files = try #require(
      FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil))
    var found: Set<String> = []
    for case let file as URL in files
    where ["swift", "c", "h"].contains(file.pathExtension) {
      let text = try String(contentsOf: file, encoding: .utf8)
      for match in text.matches(of: /(?:nvironment\[|getenv\()"([A-Za-z0-9_]+)"/) {
        found.insert(String(match.1))
      }
      if text.contains("environment: [String: String]") {
        for match in text.matches(of: /folder\("([A-Z_]+)"\)/) { found.insert(String(match.1)) }
      }
    }
    #expect(found == Set(Self.variables.keys))
  }

  @Test("A number of threads is from 1 to 1024, and everything else is refused by its name")
  func threads() throws {
    for text in ExtremeNumbers.all where !text.isEmpty {
      let isNumber = Int(text).map { (1...1024).contains($0) } ?? false
      do throws(EnvironmentError) {
        let threads = try ComputePool.threadCount(text, cores: 2)
        #expect(isNumber && threads == Int(text), "\(text)")
      } catch {
        #expect(!isNumber, "\(text)")
        #expect(error.variable == "BLOOM_THREADS")
        #expect(error.description.contains("from 1 to 1024"))
      }
    }
    #expect(try ComputePool.threadCount("", cores: 2) == 2)
    #expect(try ComputePool.threadCount(nil, cores: 0) == 1)
  }

  private static let error = EnvironmentError(
    variable: "BLOOM_THREADS", expected: "a number", found: "x")
  /// For good: a pool's threads never end.
  private static let pool = ComputePool(threads: 1, refusal: error)

  @Test("A pool that was asked for no number of threads computes nothing")
  func pool() async throws {
    await #expect(throws: Self.error) { try await Self.pool.run { _ in 1 } }
    await #expect(throws: Self.error) { try await Self.pool.runSteps { _ in 1 } }
  }

  @Test(
    "The program refuses a number of threads that is none, with one line and status 2",
    arguments: ["0", "1025", "-1", "1.5", "nan", "18446744073709551617"])
  func program(_ threads: String) async throws {
    let tiny = GenerateTests.tiny
    for arguments in [
      ["generate", "--model", tiny, "--token-ids", "1"], ["bench", "--only", "chain"],
      ["node", "--model", tiny, "--blocks", "0-23", "--port", "0"], ["model", "inspect", tiny],
      ["up", "--ports", "auto"],
    ] {
      try await Command.run(arguments, with: ["BLOOM_THREADS": threads])
        .expectRefusal("BLOOM_THREADS", "from 1 to 1024", threads)
    }
  }

  @Test("A hub's address in the environment is refused by the variable's name")
  func hub() async throws {
    try await withTemporaryFolder { folder in
      for address in ["ftp://hub", "http://127.0.0.1:65536", "x"] {
        try await Command.run(
          ["model", "fetch", "a/b", "--out", folder.file("m")], with: ["HF_ENDPOINT": address]
        ).expectRefusal("HF_ENDPOINT", address)
      }
    }
  }
}

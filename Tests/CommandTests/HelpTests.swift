import Foundation
import Testing

@Suite("Help", .timeLimit(.minutes(5)))
struct HelpTests {
  static let subcommands: [[String]] = [
    [], ["run"], ["up"], ["chain"], ["oracle"], ["node"], ["generate"], ["forward"], ["tokenize"],
    ["bench"], ["load"], ["model", "fetch"], ["model"], ["model", "synthesize"],
    ["model", "quantize"], ["model", "inspect"], ["wallet"],
    ["wallet", "new"],
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

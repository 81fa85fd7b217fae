import Foundation
import HTTPTypes
import MockServing
import Subprocess
import TestSupport
import Testing

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

#if os(Linux)
  /// The command on a pseudo terminal of util-linux's `script`, whose output is what the terminal gets.
  enum PseudoTerminal {
    struct Result {
      let status: TerminationStatus
      let output: String

      /// The lines with carriage returns and codes left out.
      var plainLines: [String] {
        // A carriage return and a line feed are one character.
        output.replacing(/\u{1B}\[[0-9;]*[A-Za-z]/, with: "").split(whereSeparator: \.isNewline)
          .map(String.init)
      }
    }

    /// - Parameters:
    ///   - variables: Besides those of a terminal without wishes.
    ///   - isEnough: Asked with all output so far: Ctrl-C is typed once it is enough.
    static func run(
      _ arguments: [String], with variables: [Environment.Key: String] = [:],
      until isEnough: @Sendable (String) -> Bool = { _ in false }
    ) async throws -> Result {
      let own: [Environment.Key: String] = [
        "TERM": "xterm", "CI": "", "NO_COLOR": "", "SHELL": "/bin/sh",
      ]
      // Some shells wait for the command, and Ctrl-C then ends them as well: `exec` leaves none.
      let line = "exec " + ([Command.path] + arguments).map { "'\($0)'" }.joined(separator: " ")
      let result = try await Subprocess.run(
        .path(FilePath("/usr/bin/script")), arguments: ["-qec", line, "/dev/null"],
        environment: Command.environment.updating(
          own.merging(variables) { $1 }.mapValues { $0 }),
        input: .inputWriter, output: .sequence, error: .discarded
      ) { execution in
        var bytes: [UInt8] = []
        var isOver = false
        for try await piece in execution.standardOutput {
          bytes += piece.withUnsafeBytes { Array($0) }
          if !isOver, isEnough(String(decoding: bytes, as: UTF8.self)) {
            isOver = true
            _ = try await execution.standardInputWriter.write([0x03])
          }
        }
        return String(decoding: bytes, as: UTF8.self)
      }
      return Result(status: result.terminationStatus, output: result.closureResult)
    }
  }

  @Suite("Terminal", .timeLimit(.minutes(5)))
  struct TerminalTests {
    /// Green, as the marks of steps that passed are.
    private static let green = "\u{1B}[32m"
    private static let run = ["run", "--model", "tiny", "--ports", "auto", "--max-new-tokens", "4"]

    private static func withOracle(
      _ body: @Sendable (String) async throws -> Void
    ) async throws {
      try await withWebServer(respond: { request in
        WebResponse(status: request.path == "/api/v1/report" ? .ok : .notFound)
      }) { try await body($0.url) }
    }

    @Test("Steps are aligned and coloured on a terminal, and the last line says where to look")
    func steps() async throws {
      try await withTemporaryFolder { folder in
        let result = try await PseudoTerminal.run(Self.run + ["--report", folder.path])
        #expect(result.status == .exited(0), "\(result.output)")
        #expect(result.output.contains("\(Self.green)✓\u{1B}[0m the chain is up"))
        #expect(result.plainLines.last == "report: \(folder.file("report.html"))")
        // What stood there while a step went on is gone: 14 steps are left, one below the other.
        let steps = result.plainLines.filter { $0.hasPrefix("✓ ") }
        #expect(steps.count == 14)
        let columns = Set(
          steps.map { line in
            line.firstRange(of: #/\d s /#).map {
              line.distance(from: line.startIndex, to: $0.lowerBound)
            }
          })
        #expect(columns.count == 1, "\(steps)")
      }
    }

    @Test(
      "NO_COLOR, CI and a dumb terminal have no colours; --color overrides them",
      arguments: [
        (["NO_COLOR": "1"], [], false), (["CI": "true"], [], false), (["TERM": "dumb"], [], false),
        ([:], ["--color", "never"], false), (["NO_COLOR": "1"], ["--color", "always"], true),
        ([:], [], true),
      ] as [([Environment.Key: String], [String], Bool)])
    func colors(
      _ variables: [Environment.Key: String], _ options: [String], _ areExpected: Bool
    ) async throws {
      try await Self.withOracle { url in
        let result = try await PseudoTerminal.run(
          ["load", "--target", url, "--rate", "50", "--duration", "0.2"] + options,
          with: variables)
        #expect(result.status == .exited(0), "\(result.output)")
        #expect(result.output.contains(Self.green) == areExpected, "\(result.output)")
      }
    }

    @Test("A load's table is drawn again in place on a terminal, and is gone at the end")
    func table() async throws {
      try await Self.withOracle { url in
        @Sendable func drawings(_ output: String) -> Int {
          output.components(separatedBy: "on their way").count - 1
        }
        let load = ["load", "--target", url, "--rate", "50", "--duration"]
        let result = try await PseudoTerminal.run(load + ["3600"]) { drawings($0) >= 2 }
        #expect(result.status == .exited(0), "\(result.output)")
        #expect(drawings(result.output) >= 2)
        // Each is three lines, which are erased before the next one, the last one too.
        let erasures = result.output.components(separatedBy: "\u{1B}[3A\u{1B}[J").count - 1
        #expect(erasures == drawings(result.output), "\(result.output)")
        #expect(result.output.contains("of 60 min, 60 min left"))
        #expect(result.plainLines.last == "for plots and JSON: --report DIR")
        let plain = try await PseudoTerminal.run(load + ["1.5"], with: ["CI": "true"])
        #expect(!plain.output.contains("\u{1B}"), "\(plain.output)")
        #expect(!plain.output.contains("on their way"))
      }
    }

    @Test("Without a terminal nothing is coloured or drawn again, whatever is printed")
    func pipe() async throws {
      try await withTemporaryFolder { folder in
        let result = try await Command.run(Self.run + ["--report", folder.path], with: ["CI": ""])
        #expect(result.status == .exited(0), "\(result.errors)")
        #expect(!result.output.contains("\u{1B}") && !result.errors.contains("\u{1B}"))
        let last = result.output.split(separator: "\n").last
        #expect(last.map(String.init) == "report: \(folder.file("report.html"))")
        let colored = try await Command.run(
          Self.run + ["--report", folder.path, "--color", "always"])
        #expect(colored.output.contains(Self.green))
      }
    }
  }
#endif

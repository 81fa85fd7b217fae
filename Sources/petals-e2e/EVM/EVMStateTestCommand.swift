import ArgumentParser
import EVMConformance
import EthereumPrimitives
import Foundation
import PlumiseWire

/// `evm state-test`: transactions on given states, with what must come of them.
struct EVMStateTestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "state-test",
    abstract: "Run state tests, one JSON object a line, plain or packed by gzip.",
    discussion: """
      EXAMPLE
        petals-e2e evm state-test Tests/TestVectors/evm/state-tests-01.jsonl.gz
        petals-e2e evm state-test tests.jsonl --json
      """)

  @Argument(help: "The files.")
  var files: [String]

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard !files.isEmpty else { throw ValidationError("name at least one file") }
  }

  func run() async throws {
    var total = 0
    var differing: [Difference] = []
    for path in files {
      let file = try CommandFailure.checkingInput { try StateTestFile(URL(filePath: path)) }
      total += file.lines.count
      for difference in try await Self.differences(in: file) {
        differing.append(difference)
        if !output.json { output.result(.null, text: difference.text) }
      }
    }
    let summary = "\(total - differing.count) of \(total) equal"
    if output.json {
      output.note(summary)
      output.result(
        [
          "equal": .integer(total - differing.count), "total": .integer(total),
          "differing": .array(differing.map(\.json)),
        ], text: "")
    } else {
      output.result(.null, text: summary)
    }
    if !differing.isEmpty {
      throw CommandFailure.failed("\(differing.count) of \(total) tests differ")
    }
  }

  /// The tests of a file that differ, in the order of its lines; run on all cores, some lines at a
  /// time.
  private static func differences(in file: StateTestFile) async throws -> [Difference] {
    let runner = StateTestRunner()
    let batch = 64
    return try await withThrowingTaskGroup(of: (Int, [Difference]).self) { group in
      for start in stride(from: 0, to: file.lines.count, by: batch) {
        group.addTask {
          let lines = file.lines[start..<min(start + batch, file.lines.count)]
          return (
            start,
            try lines.compactMap { line in
              let test = try CommandFailure.checkingInput { try file.test(line) }
              return Difference(test, runner.run(test))
            }
          )
        }
      }
      var batches: [(Int, [Difference])] = []
      for try await batch in group { batches.append(batch) }
      return batches.sorted { $0.0 < $1.0 }.flatMap(\.1)
    }
  }

  /// A test that did not come out as it must.
  private struct Difference: Sendable {
    let json: JSON
    let text: String

    init?(_ test: StateTest, _ verdict: StateTestRunner.Verdict) {
      guard !verdict.differences.isEmpty else { return nil }
      let indexes = test.indexes
      json = [
        "name": .string(test.name), "fork": .string(test.fork),
        "indexes": [
          "data": .integer(indexes.data), "gas": .integer(indexes.gas),
          "value": .integer(indexes.value),
        ],
        "expected_root": .string(test.expectedRoot.hex), "actual_root": .string(verdict.root.hex),
        "expected_logs": .string(test.expectedLogs.hex), "actual_logs": .string(verdict.logs.hex),
        "differences": .array(verdict.differences.map(JSON.string)),
      ]
      text =
        "\(test.name) (\(test.fork)".singleLine + "; data \(indexes.data), gas \(indexes.gas), "
        + "value \(indexes.value))\n  root: expected \(test.expectedRoot), actual \(verdict.root)\n"
        + "  logs: expected \(test.expectedLogs), actual \(verdict.logs)"
        + verdict.others.map { "\n  \($0)" }.joined()
    }
  }
}

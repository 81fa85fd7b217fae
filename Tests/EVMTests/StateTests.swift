import EVMConformance
import Foundation
import TestVectors
import Testing

@Suite("Ethereum's state tests", .timeLimit(.minutes(10)))
struct StateTests {
  static let runner = StateTestRunner()

  @Test("Each gives the recorded state root and logs", arguments: StateTestVectors.batches)
  func roots(_ batch: StateTestVectors.Batch) throws {
    let file = StateTestVectors.file(batch.file)
    let lines = file.lines[batch.range]
    #expect(!lines.isEmpty)
    for line in lines {
      let test = try file.test(line)
      let differences = Self.runner.run(test).differences
      #expect(differences.isEmpty, "\(test.name) \(test.indexes): \(differences)")
    }
  }

  @Test("No line is left out: the counts are those of the files that were reviewed")
  func counts() {
    for (index, count) in StateTestVectors.counts.enumerated() {
      #expect(StateTestVectors.file(index).lines.count == count.lines)
    }
    #expect(StateTestVectors.batches.reduce(0) { $0 + $1.range.count } == 10_497)
  }
}

@Suite("The runner of state tests")
struct StateTestRunnerTests {
  /// The first line of the London file with a text in the place of another.
  private func verdict(
    _ text: String, by replacement: String
  ) throws -> StateTestRunner.Verdict {
    let line = StateTestVectors.firstLine(of: 3)
    try #require(line.contains(text), "the line has no \(text)")
    return try withFile(line.replacing(text, with: replacement)) { file in
      StateTestRunner().run(try file.test(file.lines[0]))
    }
  }

  private func withFile<R>(_ text: String, _ body: (StateTestFile) throws -> R) throws -> R {
    try withFile(Array(text.utf8), body)
  }

  private func withFile<R>(_ bytes: [UInt8], _ body: (StateTestFile) throws -> R) throws -> R {
    let url = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).jsonl")
    try Data(bytes).write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    return try body(StateTestFile(url))
  }

  /// A member's text from its name on, in the first line of the London file.
  private func text(from start: String, to end: String) throws -> String {
    let line = StateTestVectors.firstLine(of: 3)
    let begin = try #require(line.range(of: start))
    let stop = try #require(line.range(of: end, range: begin.upperBound..<line.endIndex))
    return String(line[begin.lowerBound..<stop.upperBound])
  }

  @Test("A test as it is recorded has no differences")
  func unchanged() throws {
    #expect(try verdict("\"fork\"", by: "\"fork\"").differences.isEmpty)
  }

  @Test("Another root, other logs, and another sender are each noticed")
  func differences() throws {
    let zeros = "0x" + String(repeating: "0", count: 64)
    let root = try text(from: "\"post\":{\"hash\":\"", to: "\",")
    #expect(
      try verdict(root, by: "\"post\":{\"hash\":\"\(zeros)\",").differences == ["the root differs"])
    let logs = try text(from: "\"logs\":\"", to: "\"}")
    #expect(
      try verdict(logs, by: "\"logs\":\"\(zeros)\"}").differences == ["the logs differ"])
    let sender = try text(from: "\"sender\":\"", to: "\",")
    let others = try verdict(sender, by: "\"sender\":\"0x\(String(repeating: "1", count: 40))\",")
      .others
    #expect(others.contains { $0.hasPrefix("sender: ") })
  }

  @Test("A nonce that the transaction does not have makes it invalid, and that is said")
  func unexpectedlyInvalid() throws {
    let others = try verdict(
      "\"nonce\":\"0x0\",\"gasPrice\"", by: "\"nonce\":\"0x77\",\"gasPrice\""
    ).others
    #expect(others.contains { $0.contains("the transaction is invalid: nonce too high") })
    #expect(others.contains { $0.hasPrefix("txbytes: ") })
  }

  @Test("A transaction that should have been invalid is noticed")
  func unexpectedlyValid() throws {
    let others = try verdict("\"txbytes\"", by: "\"expectException\":\"TR_NoFunds\",\"txbytes\"")
      .others
    #expect(others == ["the transaction is valid; expected TR_NoFunds"])
  }

  @Test(
    "A line that is no test is refused with its file, its number and its field",
    arguments: [
      ("{", "the line"), ("{}", "name is missing"),
      ("{\"name\":1}", "name must be a string"),
      ("{\"name\":\"a\",\"fork\":\"Osaka\"}", "fork is Osaka"),
      ("{\"name\":\"a\",\"fork\":\"Paris\",\"indexes\":{}}", "indexes.data"),
      (
        "{\"name\":\"a\",\"fork\":\"Paris\",\"indexes\":{\"data\":0,\"gas\":0,\"value\":0},"
          + "\"env\":{\"currentNumber\":\"0x1ffffffffffffffff\"}}",
        "env.currentNumber exceeds 64 bits"
      ),
      (
        "{\"name\":\"a\",\"fork\":\"Paris\",\"indexes\":{\"data\":0,\"gas\":0,\"value\":0},"
          + "\"env\":{\"currentNumber\":\"17\"}}",
        "env.currentNumber must be 0x and digits"
      ),
    ])
  func refusal(_ line: String, _ words: String) throws {
    try withFile("\n" + line + "\n") { file in
      let error = #expect(throws: StateTestError.self) { try file.test(file.lines[0]) }
      #expect(error?.place == "\(file.path):2")
      #expect(error?.reason.contains(words) == true, "\(error?.reason ?? "no error")")
    }
  }

  @Test("Files that are damaged, end early or hold nothing are refused by name")
  func damagedFiles() throws {
    let packed = [UInt8](
      try Data(contentsOf: TestVectors.evm.appending(path: "state-tests-04.jsonl.gz")))
    var damaged = packed
    damaged[2_000] ^= 0xff
    for bytes in [Array(packed[..<10_000]), damaged, Array(packed[..<11]), [], Array("\n\n".utf8)] {
      let error = #expect(throws: StateTestError.self) { try withFile(bytes) { _ in } }
      #expect(error?.place.hasSuffix(".jsonl") == true)
    }
    #expect(throws: StateTestError.self) { try StateTestFile(URL(filePath: "/no/such/file")) }
  }

  @Test("Packed files may be written one behind the other")
  func twoMembers() throws {
    let packed = [UInt8](
      try Data(contentsOf: TestVectors.evm.appending(path: "state-tests-04.jsonl.gz")))
    try withFile(packed + packed) { file in #expect(file.lines.count == 2 * 189) }
  }
}

/// The files of state tests, each read once.
enum StateTestVectors {
  /// The files and how many lines each had when it was reviewed.
  static let counts: [(name: String, lines: Int)] = [
    ("state-tests-01", 4_000), ("state-tests-02", 4_000), ("state-tests-03", 1_159),
    ("state-tests-04", 189), ("state-tests-05", 661), ("state-tests-06", 488),
  ]

  /// Some of the lines of a file.
  struct Batch: Sendable, CustomTestStringConvertible {
    let file: Int
    let range: Range<Int>
    var testDescription: String {
      "\(StateTestVectors.counts[file].name), lines \(range.lowerBound + 1) to \(range.upperBound)"
    }
  }

  /// All lines, a few hundred at a time.
  static let batches: [Batch] = counts.indices.flatMap { file in
    stride(from: 0, to: counts[file].lines, by: 250).map {
      Batch(file: file, range: $0..<min($0 + 250, counts[file].lines))
    }
  }

  private static let files: [StateTestFile] = counts.map { count in
    do {
      return try StateTestFile(TestVectors.evm.appending(path: "\(count.name).jsonl.gz"))
    } catch { fatalError("\(error)") }
  }

  static func file(_ index: Int) -> StateTestFile { files[index] }

  /// The first line, to be changed by a test.
  static func firstLine(of file: Int) -> String {
    String(decoding: files[file].lines[0].bytes, as: UTF8.self)
  }
}

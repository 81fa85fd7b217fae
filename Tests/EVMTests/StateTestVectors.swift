import EVMConformance
import Foundation
import TestVectors
import Testing

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

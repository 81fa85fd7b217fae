import Foundation
import Testing

@Suite("The map of the suites", .timeLimit(.minutes(5)))
struct SuiteMapTests {
  /// The reference suite's files and how many tests each of them has.
  static let reference = [
    ("SingleNodeInferenceTests", 8), ("MultiNodePipelineTests", 7),
    ("ChainRegistrationTests", 13), ("MetricsReportingTests", 12),
  ]

  let here = URL(filePath: #filePath).deletingLastPathComponent()

  @Test("It names every test of the reference suite once", arguments: reference)
  func namesEveryReferenceTest(suite: String, count: Int) throws {
    let rows = try rows(of: suite)
    #expect(rows.count == count)
    #expect(Set(rows.map(\.reference)).count == count)
    for row in rows {
      #expect(row.test == Self.swiftSpelling(of: row.reference))
    }
  }

  @Test("Every test that it names exists in the suite's file", arguments: reference)
  func everyNamedTestExists(suite: String, count: Int) throws {
    let source = try String(
      contentsOf: here.appending(path: "\(suite).swift"), encoding: .utf8)
    let functions = source.matches(of: /@Test\b[^{]*?\bfunc (\w+)\(/).map { String($0.output.1) }
    let missing = try rows(of: suite).map(\.test).filter { !functions.contains($0) }
    #expect(missing.isEmpty)
  }

  /// The table rows below the heading that names the suite.
  private func rows(of suite: String) throws -> [(reference: String, test: String)] {
    let map = here.appending(path: "../../Documentation/Suites.md")
    let text = try String(contentsOf: map, encoding: .utf8)
    let sections = text.split(separator: "\n## ")
    let section = try #require(sections.first { $0.hasPrefix(suite) }, "no section \(suite)")
    return section.matches(of: /\| `test_(\w+)` \| `(\w+)` \|/).map {
      (String($0.output.1), String($0.output.2))
    }
  }

  /// `record_single_inference` → `recordSingleInference`.
  private static func swiftSpelling(of name: String) -> String {
    let words = name.split(separator: "_")
    return words.prefix(1).joined() + words.dropFirst().map(\.capitalized).joined()
  }
}

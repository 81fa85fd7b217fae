import Foundation
import MockServing
public import Testing

/// Says at each issue of a test what in its network probably caused it, and attaches the network's
/// report when the test has failed.
struct FailureReport: Sendable {
  let network: PetalsNetwork

  /// Runs a test's body; its issues get comments.
  func provideScope(
    for test: Test, testCase: Test.Case?,
    performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    let issues = Journal<String>(capacity: 100)
    let comments: IssueHandlingTrait = .compactMapIssues { [network] issue in
      var explained = issue
      if issue.isFailure {
        issues.record("\(issue)")
        explained.comments += network.report.causes(of: "\(issue)").map { Comment(rawValue: $0) }
      }
      return explained
    }
    do {
      try await comments.provideScope(for: test, testCase: testCase, performing: function)
    } catch {
      attach(to: test, issues.entries + ["Caught error: \(error)"])
      throw error
    }
    if issues.count > 0 { attach(to: test, issues.entries) }
  }

  /// Attaches the text and the page, and writes the whole bundle where the environment says to.
  private func attach(to test: Test, _ issues: [String]) {
    let name = test.name.prefix { $0 != "(" }
    let rerun = "swift test --filter '\(test.sourceLocation.moduleName)\\..*\(name)'"
    Attachment.record(
      "\(network.report.text)\nRun again\n  \(rerun)\n", named: "network.txt",
      sourceLocation: test.sourceLocation)
    let bundle = FailureBundle(
      network, title: test.displayName ?? String(name), issues: issues, command: rerun)
    Attachment.record(bundle.page, named: "report.html", sourceLocation: test.sourceLocation)
    guard let root = FailureReportsTrait.folder else { return }
    do {
      let own = "\(test.sourceLocation.moduleName).\(name)"
      try bundle.write(to: try FailureBundle.makeFolder(for: own, in: root))
    } catch {
      // The test has failed already; that its report is missing is one more thing to know.
      Issue.record(error, sourceLocation: test.sourceLocation)
    }
  }
}

/// Has the report of each network whose test fails written into a folder.
///
/// The environment variable `PLUMISE_FAILURE_REPORTS` names one for all tests; a trait comes before it.
public struct FailureReportsTrait: TestTrait, SuiteTrait, TestScoping {
  @TaskLocal private static var chosen: String?

  /// Where reports are written; nil where nobody wants them.
  static var folder: String? {
    let named = chosen ?? ProcessInfo.processInfo.environment["PLUMISE_FAILURE_REPORTS"]
    return named.flatMap { $0.isEmpty ? nil : $0 }
  }

  private let path: String

  init(_ path: String) { self.path = path }

  /// True: a suite's trait applies to each of its tests.
  public var isRecursive: Bool { true }

  /// Runs one case of a test; where it fails, its network's report is written.
  public func provideScope(
    for test: Test, testCase: Test.Case?,
    performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    try await Self.$chosen.withValue(path) { try await function() }
  }
}

extension Trait where Self == FailureReportsTrait {
  /// Has the report of the test's network, should it fail, written into a folder of its own: `report.html`,
  /// `report.json`, `network.txt`, `events.jsonl` and `requests.jsonl`.
  ///
  /// It stands before the trait of the network.
  /// - Parameter path: Where the test's folder is made, which has the test's name.
  public static func failureReports(in path: String) -> Self { Self(path) }
}

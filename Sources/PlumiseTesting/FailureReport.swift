import MockServing
import Testing

/// Says at each issue of a test what in its network probably caused it, and attaches the network's
/// report when the test has failed.
struct FailureReport: Sendable {
  let network: PetalsNetwork

  /// Runs a test's body; its issues get comments.
  func provideScope(
    for test: Test, testCase: Test.Case?,
    performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    let issues = Journal<String>(capacity: 1)
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
      attach(to: test)
      throw error
    }
    if issues.count > 0 { attach(to: test) }
  }

  private func attach(to test: Test) {
    let name = test.name.prefix { $0 != "(" }
    let rerun = "swift test --filter '\(test.sourceLocation.moduleName)\\..*\(name)'"
    Attachment.record(
      "\(network.report.text)\nRun again\n  \(rerun)\n", named: "network.txt",
      sourceLocation: test.sourceLocation)
  }
}

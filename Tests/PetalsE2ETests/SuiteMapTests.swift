import Foundation
import Testing

@Suite("The map of the suites", .timeLimit(.minutes(5)))
struct SuiteMapTests {
  /// The reference suite's tests, by the suite that mirrors their file.
  static let reference: [(suite: String, tests: String)] = [
    (
      "SingleNodeInferenceTests",
      """
      metrics_collector_initialization record_single_inference record_multiple_inferences
      metrics_uptime_tracking oracle_reporter_payload_format oracle_reporter_lifecycle
      oracle_reporter_with_inference_activity metrics_thread_safety
      """
    ),
    (
      "MultiNodePipelineTests",
      """
      node_initialization both_nodes_start_and_stop single_node_inference
      distributed_inference_both_nodes concurrent_inference_requests both_nodes_report_to_oracle
      node_layer_distribution_no_overlap
      """
    ),
    (
      "ChainRegistrationTests",
      """
      chain_agent_initialization register_success register_with_name_normalization
      register_with_model_hash_and_capabilities register_failure_reverted_transaction
      register_failure_exception register_idempotent heartbeat_success heartbeat_failure
      heartbeat_exception multiple_heartbeats nonce_increments invalid_capability_length
      """
    ),
    (
      "MetricsReportingTests",
      """
      payload_format_structure payload_values_correctness signature_is_valid signature_recovery
      http_success_response http_error_response http_client_error timeout_handling
      network_error_handling consecutive_failure_tracking report_url_construction
      trailing_slash_in_oracle_url
      """
    ),
  ]

  let here = URL(filePath: #filePath).deletingLastPathComponent()

  @Test("The reference suite has forty tests")
  func forty() {
    #expect(Self.reference.flatMap { Self.names($0.tests) }.count == 40)
  }

  @Test("It names every test of the reference suite once", arguments: reference)
  func namesEveryReferenceTest(suite: String, tests: String) throws {
    let rows = try rows(of: suite)
    #expect(rows.map(\.reference).sorted() == Self.names(tests).sorted())
    for row in rows {
      #expect(row.test == Self.swiftSpelling(of: row.reference))
    }
  }

  @Test(
    "Every test that it names stands in the suite's file, and is switched on", arguments: reference)
  func everyNamedTestExists(suite: String, tests: String) throws {
    let source = try String(
      contentsOf: here.appending(path: "\(suite).swift"), encoding: .utf8)
    #expect(!source.contains(".disabled") && !source.contains(".enabled"))
    // A line of its own: a test in a comment is none.
    let functions = source.matches(of: /(?m)^ +@Test\b[^{]*?^ +func (\w+)\(/)
      .map { String($0.output.1) }
    let missing = try rows(of: suite).map(\.test).filter { !functions.contains($0) }
    #expect(missing.isEmpty)
  }

  @Test(
    "It accounts for every drift of the network of February 2026, and each suite that it names is there"
  )
  func drifts() throws {
    let text = try String(
      contentsOf: here.appending(path: "../../Documentation/Suites.md"), encoding: .utf8)
    let section = try #require(
      text.components(separatedBy: "## Drift of February 2026").dropFirst().first)
    let numbers = Set(section.matches(of: /\b[2-5][0-9]\b/).compactMap { Int($0.output) })
    #expect(Set(24...51).subtracting(numbers).isEmpty)
    let suites = Set(section.matches(of: /`(\w+Tests)`/).map { String($0.output.1) })
    #expect(suites.count >= 8)
    let tests = here.deletingLastPathComponent()
    let files = try #require(
      FileManager.default.enumerator(at: tests, includingPropertiesForKeys: nil))
    let sources = files.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
    let declared = try Set(
      sources.flatMap { file in
        try String(contentsOf: file, encoding: .utf8).matches(of: /struct (\w+Tests)\b/)
          .map { String($0.output.1) }
      })
    #expect(suites.subtracting(declared).isEmpty)
  }

  @Test("Each test that it names has a mutation that it must notice", arguments: reference)
  func everyNamedTestHasItsMutation(suite: String, tests: String) throws {
    let folder = here.appending(path: "../Mutations")
    let patches = try FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: nil)
    let noticing = try patches.filter { $0.pathExtension == "patch" }.flatMap { patch in
      // A nested suite stands between the two: `Test: Suite/Metrics/function`.
      try String(contentsOf: patch, encoding: .utf8)
        .matches(of: /(?m)^Test: (\w+)\/(?:\w+\/)*(\w+)$/)
        .map { "\($0.output.1)/\($0.output.2)" }
    }
    let missing = try rows(of: suite).map { "\(suite)/\($0.test)" }
      .filter { !noticing.contains($0) }
    #expect(missing.isEmpty)
  }

  private static func names(_ text: String) -> [String] {
    text.split(whereSeparator: \.isWhitespace).map(String.init)
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

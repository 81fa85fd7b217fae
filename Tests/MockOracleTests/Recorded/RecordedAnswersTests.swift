import MockOracle
import MockServing
import PlumiseWire
import TestSupport
import Testing

@Suite("Recorded answers of the deployed oracle", .timeLimit(.minutes(10)))
struct RecordedAnswersTests {
  /// The cases of a kind, each sent to an oracle as the recorded one was.
  /// - Returns: how many there were, and what was answered otherwise, by the case's name.
  private func replay(
    _ kind: RecordedCase.Kind
  ) async throws -> (count: Int, differences: [String: [String]]) {
    let cases = try RecordedCase.all().filter { $0.kind == kind }
    var differences: [String: [String]] = [:]
    try await Self.oracle.withServer { shared async throws in
      for recorded in cases {
        let found =
          recorded.isFresh
          ? try await Self.oracle.withServer { try await recorded.differences(at: $0) }
          : try await recorded.differences(at: shared)
        if !found.isEmpty { differences[recorded.name] = found }
      }
    }
    return (cases.count, differences)
  }

  private static var oracle: MockOracle {
    MockOracle(
      OracleConfiguration(
        dialects: [.deployed], profile: .faithful, apiKey: "secret",
        unixClock: TestTime(RecordedCase.now).clock))
  }

  @Test("Every certain case is answered alike: status, body and the fields that were recorded")
  func certain() async throws {
    let (count, differences) = try await replay(.certain)
    #expect(count == 1573)
    for (_, found) in differences { Issue.record("\(found.joined(separator: "\n"))") }
  }

  @Test("Of the cases that the recorder does not vouch for, these are answered otherwise")
  func uncertain() async throws {
    let (count, differences) = try await replay(.uncertain)
    #expect(count == 24)
    #expect(
      Set(differences.keys) == [
        // The columns of requests and uptime hold 32 bits.
        "uptime=1e20", "signed fuzz 97", "signed fuzz 153", "signed fuzz 245",
        // Of a parameter that is there twice the last is read, and all of a thousand.
        "GET /api/v1/pipeline/topology?model=a&model=b", "many-query",
      ])
  }

  @Test("This oracle answers otherwise on purpose where Documentation/Oracle.md says so")
  func choice() async throws {
    let (count, differences) = try await replay(.choice)
    #expect(count == 7)
    #expect(
      Set(differences.keys) == [
        "dup-latency", "dup-wallet-first", "dup-sig-same", "deep-200", "deep-5000",
        "GET /metrics", "long-header",
      ])
  }
}

import EthereumPrimitives
import Foundation
import MockOracle
import MockServing
import NIOCore
import PlumiseWire

/// Signed reports over HTTP, each verified and stored before it is answered.
struct OracleBench: Sendable {
  private static let reports = 20_000

  let runs: Int
  /// Another oracle of the documented dialect, measured in the same way; nil for none.
  let peer: URL?

  func rows() async throws -> [BenchRow] {
    var rows = [try await SignerRecoveryRate.row("oracle", runs)]
    rows += try await self.rows("verified reports") { work in
      try await MockOracle.withServer { _, address in
        try await work(address.host, address.port)
      }
    }
    let folder = URL.temporaryDirectory.appending(path: "oracle-bench-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer {
      // What cannot be removed stays among the system's temporary files.
      try? FileManager.default.removeItem(at: folder)
    }
    rows += try await self.rows("… each on disk before its answer") { work in
      let file = folder.appending(path: UUID().uuidString).path
      let configuration = OracleConfiguration(log: try SQLiteReportLog(path: file))
      return try await MockOracle.withServer(configuration) { _, address in
        try await work(address.host, address.port)
      }
    }
    if let peer, let host = peer.host(), let port = peer.port {
      rows += try await self.rows("… by the peer at \(host):\(port)") { try await $0(host, port) }
    }
    return rows
  }

  private typealias Work = (String, Int) async throws -> RequestLoad.Outcome

  private func rows(
    _ name: String, _ serving: (Work) async throws -> RequestLoad.Outcome
  ) async throws -> [BenchRow] {
    var outcomes: [RequestLoad.Outcome] = []
    for _ in 0..<runs {
      outcomes.append(
        try await serving { host, port in
          let requests = try ReportRequests.make(Self.reports, host: host, port: port)
          return try await RequestLoad(requests: requests) { $0.status == 200 }
            .run(host: host, port: port)
        })
    }
    return [
      BenchRow(
        "oracle", "\(name), \(ReportRequests.connections) connections", "reports/s",
        outcomes.map(\.rate), requests: RequestLoad.requests(of: outcomes)),
      BenchRow("oracle", "… half of them within", "ms", outcomes.map { $0.percentile(0.5) }),
      BenchRow("oracle", "… 99 % of them within", "ms", outcomes.map { $0.percentile(0.99) }),
    ]
  }
}

/// Signed reports as requests: for each connection those of an agent of its own.
enum ReportRequests {
  static let connections = 16

  /// - Parameter count: reports in all, with timestamps that grow from now on.
  static func make(_ count: Int, host: String, port: Int) throws -> [[ByteBuffer]] {
    let now = UnixClock.system.seconds
    return try (0..<connections).map { _ in
      let key = SecretKey.random()
      return try (0..<count / connections).map { index in
        let measures = try ReportMeasures(
          agent: key.address, processedTokens: Int64(index), averageLatencyMilliseconds: 12.5,
          uptimeSeconds: Int64(index), tasksCompleted: Int64(index),
          timestamp: now + Int64(index))
        let body = DocumentedReport.Payload(measures).signed(with: key).body.serialized()
        return RequestLoad.post(body, to: DocumentedReport.path, host: host, port: port)
      }
    }
  }
}

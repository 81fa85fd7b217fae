import AsyncHTTPClient
import EthereumPrimitives
import Foundation
import MockOracle
import NIOCore
import PlumiseWire

/// Signed reports over HTTP, each verified and stored before it is answered.
struct OracleBench: Sendable {
  private static let connections = 16
  private static let reports = 4000

  let runs: Int

  func rows() async throws -> [BenchRow] {
    let bodies = try Self.bodies()
    var rates: [Double] = []
    for _ in 0..<runs {
      rates.append(
        try await MockOracle.withServer { _, address in
          try await Rate.measure(Self.reports) {
            try await bodies.concurrently { own in
              for body in own { try await Self.post(body, to: address.url) }
            }
          }
        })
    }
    return [
      BenchRow("oracle", "verified reports, \(Self.connections) connections", "reports/s", rates)
    ]
  }

  /// For each connection the reports of an agent of its own, with growing timestamps.
  private static func bodies() throws -> [[ByteBuffer]] {
    let now = UnixClock.system.seconds
    return try (0..<connections).map { _ in
      let key = SecretKey.random()
      return try (0..<reports / connections).map { index in
        let measures = try ReportMeasures(
          agent: key.address, processedTokens: Int64(index), averageLatencyMilliseconds: 12.5,
          uptimeSeconds: Int64(index), tasksCompleted: Int64(index),
          timestamp: now + Int64(index))
        let report = DocumentedReport.Payload(measures).signed(with: key)
        return ByteBuffer(bytes: report.body.serialized())
      }
    }
  }

  private static func post(_ body: ByteBuffer, to url: String) async throws {
    var request = HTTPClientRequest(url: url + DocumentedReport.path)
    request.method = .POST
    request.headers.add(name: "content-type", value: "application/json")
    request.body = .bytes(body)
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
    let answer = try await response.body.collect(upTo: 1 << 16)
    guard response.status == .ok else {
      throw CommandFailure.failed("the oracle refused a report: \(String(buffer: answer))")
    }
  }
}

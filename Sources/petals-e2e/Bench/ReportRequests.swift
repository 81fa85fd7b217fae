import EthereumPrimitives
import NIOCore
import PlumiseWire

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

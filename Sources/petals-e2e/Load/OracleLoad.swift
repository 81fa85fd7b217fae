import EthereumPrimitives
import NIOCore
import PlumiseWire

/// Signed reports of so many agents that none reports twice in a second.
struct OracleLoad: LoadWork {
  let name: String
  private let dialect: ReportDialect
  private let keys: [SecretKey]
  private let start = UnixClock.system.seconds

  /// - Parameter rate: reports a second.
  init(_ dialect: ReportDialect, rate: Double) {
    self.dialect = dialect
    keys = (0..<Int(rate.rounded(.up)) + 1).map { _ in SecretKey.random() }
    name = "\(dialect.rawValue) reports of \(keys.count) agents"
  }

  func request(_ index: Int) throws -> LoadRequest {
    let key = keys[index % keys.count]
    let round = Int64(index / keys.count)
    let measures = try ReportMeasures(
      agent: key.address, processedTokens: 100 * (round + 1), averageLatencyMilliseconds: 12.5,
      uptimeSeconds: round + 1, tasksCompleted: round + 1, timestamp: start + round)
    let body =
      switch dialect {
      case .documented: DocumentedReport.Payload(measures).signed(with: key).body
      case .deployed: DeployedReport.Payload(measures).signed(with: key).body
      }
    return LoadRequest(path: dialect.path, body: body.serialized())
  }

  func refusal(status: UInt, body: ByteBuffer) -> String? {
    if (200..<300).contains(status) { return nil }
    let answer = try? JSON.parse(Array(body.readableBytesView))
    return "status \(status)" + (answer?["message"]?.stringValue.map { ": \($0)" } ?? "")
  }
}

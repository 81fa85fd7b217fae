import ArgumentParser
import ChainAgent
import EthereumClient
import EthereumPrimitives
import Foundation
import InferenceMetrics
import OracleReporter
import PlumiseWire

/// The agent that a node acts as, and whom it tells.
struct AgentOptions: ParsableArguments {
  @Option(help: "The agent's key: 0x and 64 digits, or a V3 keystore.")
  var keyFile: String?

  @Option(help: "A file whose first line is the keystore's password.")
  var passwordFile: String?

  @Option(within: .serviceURL, help: "The oracle to report to.")
  var oracle: String?

  @Option(help: "The dialect that the oracle takes: documented or deployed.")
  var oracleDialect = ReportDialect.documented

  @Option(
    help: "The certificates (PEM) that an https oracle is checked by, in place of the system's.")
  var oracleCa: String?

  @Option(help: "Keep the proofs that the oracle has not accepted in this file as well.")
  var proofSpool: String?

  @Option(within: .reportInterval, help: "Seconds between two reports.")
  var reportInterval = Seconds(whole: 60)

  @Option(within: .serviceURL, help: "The chain to register on and to prove inferences to.")
  var chainRpc: String?

  @Option(within: .heartbeatInterval, help: "Seconds between two heartbeats.")
  var heartbeatInterval = Seconds(whole: 120)

  @Option(within: .chainID, help: "The id of that chain.")
  var chainID = PlumiseNetwork.chainID

  func validate() throws {
    if keyFile == nil && (oracle != nil || chainRpc != nil) {
      throw ValidationError("--oracle and --chain-rpc need --key-file")
    }
    if oracle == nil && (oracleCa != nil || proofSpool != nil) {
      throw ValidationError("--oracle-ca and --proof-spool need --oracle: who takes the reports")
    }
  }

  /// The agent's key; nil when none was named.
  func key() throws -> SecretKey? {
    try keyFile.map { try KeyFile.read($0, passwordPath: passwordFile) }
  }

  /// Where proofs wait for the oracle: in memory, and in a file where one was named.
  func proofs() throws -> ProofBuffer {
    guard let proofSpool else { return ProofBuffer() }
    return try CommandFailure.checkingInput {
      try ProofBuffer(spool: URL(filePath: proofSpool))
    }
  }

  /// What reports to the oracle; nil when none was named.
  ///
  /// Its last report is tried three times, as in production; only the interval may be shorter.
  func reporter(key: SecretKey, _ metrics: MetricsCollector) throws -> OracleReporter? {
    guard let oracle else { return nil }
    let (configuration, transport) = try CommandFailure.checkingInput {
      (
        try ReporterConfiguration(
          oracleURL: oracle, interval: reportInterval.duration, dialect: oracleDialect,
          retry: RetryPolicy(finalAttempts: 3)),
        try oracleCa.map { try HTTPReportTransport(certificateAuthority: $0) }
          ?? HTTPReportTransport()
      )
    }
    return OracleReporter(
      configuration: configuration, key: key, collector: metrics, transport: transport)
  }

  /// The agent's life on the chain; nil when none was named.
  ///
  /// No proof is missed from here on.
  func chainLife(
    key: SecretKey, _ model: String, _ metrics: MetricsCollector,
    announce: @escaping @Sendable (ServiceEvent) -> Void
  ) -> AgentService? {
    guard let chainRpc else { return nil }
    let agent = ChainAgent(
      ChainAgentConfiguration(chainID: chainID), key: key, client: EthereumClient(url: chainRpc))
    return AgentService(
      agent, registration: .ofNode(serving: model, as: key.address),
      schedule: .init(heartbeatInterval: heartbeatInterval.duration),
      proofs: metrics.proofs.arrivals()
    ) { event in
      if let event = ServiceEvent(event, of: key.address) { announce(event) }
    }
  }
}

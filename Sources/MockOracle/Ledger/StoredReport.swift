public import EthereumPrimitives
public import PlumiseWire

/// A report that was accepted, as it came.
public struct StoredReport: Sendable, Hashable {
  /// The dialect that it came in.
  public let dialect: ReportDialect
  /// The agent that it speaks for.
  public let agent: Address
  /// The epoch that it is accounted to.
  public let epoch: UInt64
  /// The tokens, as reported (cumulative).
  public let processedTokens: Int64
  /// The average latency, in milliseconds, as reported.
  public let averageLatencyMilliseconds: Double
  /// The uptime, in seconds, as reported.
  public let uptimeSeconds: Int64
  /// The inferences finished, as reported (cumulative).
  public let tasksCompleted: Int64
  /// When it was made, in unix seconds, as reported.
  public let timestamp: Int64
  /// When it came, in unix seconds.
  public let receivedAt: Int64
  /// The signature as it came; `nil` for one that an API key stood in for.
  public let signature: String?
  /// The proofs that it carried.
  public let proofs: [StoredProof]
}

extension StoredReport {
  /// The report, accounted to an epoch.
  func accounted(to epoch: UInt64) -> StoredReport {
    guard epoch != self.epoch else { return self }
    return StoredReport(
      dialect: dialect, agent: agent, epoch: epoch, processedTokens: processedTokens,
      averageLatencyMilliseconds: averageLatencyMilliseconds, uptimeSeconds: uptimeSeconds,
      tasksCompleted: tasksCompleted, timestamp: timestamp, receivedAt: receivedAt,
      signature: signature, proofs: proofs)
  }
}

/// A proof as a report carried it.
///
/// The hashes are text because the deployed oracle takes any 66 hexadecimal characters.
public struct StoredProof: Sendable, Hashable {
  /// The hash of the model's name.
  public let modelHash: String
  /// The hash of the input.
  public let inputHash: String
  /// The hash of the output.
  public let outputHash: String
  /// How many tokens were processed.
  public let tokenCount: Int64
}

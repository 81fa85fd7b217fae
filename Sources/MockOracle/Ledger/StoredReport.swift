import Crypto
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
  public internal(set) var proofs: [StoredProof]
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
  /// Whether the deployed oracle's rules verified it when it was stored; false in the documented
  /// dialect, which has no such rules.
  public internal(set) var isVerified = false
}

extension StoredReport {
  /// Judges the proofs by the deployed oracle's rules.
  /// - Parameter epoch: what the agent did in the epoch, with this report.
  mutating func judgeProofs(against epoch: EpochRecord) {
    for index in proofs.indices { proofs[index].judge(against: epoch) }
  }
}

extension StoredProof {
  /// A proof is verified when it has no more tokens than its agent in the epoch, its hashes are
  /// `0x` and 64 digits each, and the input is neither the output nor the model.
  fileprivate mutating func judge(against epoch: EpochRecord) {
    let hashes = [modelHash, inputHash, outputHash]
    isVerified =
      tokenCount <= epoch.processedTokens && hashes.allSatisfy { (try? Hash32($0)) != nil }
      && inputHash != outputHash && modelHash != inputHash
  }
}

/// A proof with what is known of it.
struct AccountedProof: Sendable {
  /// Its place among all that were counted, from 1.
  let number: Int
  let agent: Address
  /// The epoch that its report is accounted to.
  let epoch: UInt64
  /// When its report came, in unix seconds.
  let createdAt: Int64
  let proof: StoredProof

  /// What the deployed oracle gives as the transaction that verified a proof: no chain has it.
  var verificationHash: String {
    let text = [
      agent.lowercaseHex, String(epoch), proof.modelHash, proof.inputHash, proof.outputHash,
    ].joined(separator: ":")
    return "0x" + SHA256.hash(data: Array(text.utf8)).map { Hex.encode([$0]).dropFirst(2) }.joined()
  }
}

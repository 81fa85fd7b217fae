public import EthereumPrimitives
public import PlumiseWire

/// A proof with the epoch in which it came.
struct HeldProof: Sendable {
  let epoch: UInt64
  let proof: StoredProof
}

/// The latest reports of all agents with the proofs that they brought, up to a weight.
///
/// What an agent did in sum stands elsewhere and loses nothing when a report leaves here.
struct ReportHistory: Sendable {
  /// About how many bytes of memory the reports take that are kept.
  static let byteLimit = 8 << 20
  /// How many reports of an agent are shown.
  private static let shown = 1000

  private struct Held: Sendable {
    let report: StoredReport
    /// The proofs that none of the agent's reports here carried before.
    let newProofs: [StoredProof]
  }

  private struct Agent: Sendable {
    var reports = Queue<Held>()
    /// The proofs of those reports, to find one that came before.
    var proofs: Set<StoredProof> = []

    mutating func add(_ report: StoredReport, new: [StoredProof]) {
      proofs.formUnion(new)
      reports.append(Held(report: report, newProofs: new))
    }

    mutating func dropFirst() {
      for proof in reports.popFirst()?.newProofs ?? [] { proofs.remove(proof) }
    }
  }

  private var agents: [Address: Agent] = [:]
  /// Whose reports there are, in the order they came, with the weight of each.
  private var order = Queue<(agent: Address, weight: Int)>()
  private var weight = 0

  /// The proofs that an agent has not shown in its reports here: one whose report was taken and whose
  /// answer was lost comes again with one of the next.
  func newProofs(in report: StoredReport) -> [StoredProof] {
    var seen: Set<StoredProof> = []
    let known = agents[report.agent]?.proofs ?? []
    return report.proofs.filter { !known.contains($0) && seen.insert($0).inserted }
  }

  /// Keeps a report, and lets the oldest ones of all agents go for it.
  /// - Parameter new: what ``newProofs(in:)`` said of it.
  mutating func add(_ report: StoredReport, new: [StoredProof]) {
    agents[report.agent, default: Agent()].add(report, new: new)
    let added = Self.weight(of: report)
    order.append((report.agent, added))
    weight += added
    while weight > Self.byteLimit, order.count > 1, let oldest = order.popFirst() {
      weight -= oldest.weight
      agents[oldest.agent]?.dropFirst()
      if agents[oldest.agent]?.reports.count == 0 { agents[oldest.agent] = nil }
    }
  }

  /// The reports of an agent that are kept, a thousand at most, oldest first.
  func reports(of agent: Address) -> [StoredReport] {
    (agents[agent]?.reports.elements ?? []).suffix(Self.shown).map(\.report)
  }

  /// The proofs of an agent's reports that are kept, each once, oldest first.
  func proofs(of agent: Address) -> [HeldProof] {
    (agents[agent]?.reports.elements ?? []).flatMap { held in
      held.newProofs.map { HeldProof(epoch: held.report.epoch, proof: $0) }
    }
  }

  private static func weight(of report: StoredReport) -> Int {
    weight(ofProofs: report.proofs.count)
  }

  /// About how many bytes of memory a report with so many proofs takes.
  static func weight(ofProofs count: Int) -> Int { 400 + 480 * count }
}

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

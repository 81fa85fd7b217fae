import DequeModule
public import EthereumPrimitives
public import PlumiseWire

/// The totals of agents and epochs: a pure state machine that reports are applied to in order.
///
/// The totals of each agent are kept for ever; of reports, proofs and epochs the latest.
struct Ledger: Sendable {
  let profile: OracleProfile
  private(set) var agents: [Address: AgentRecord] = [:]
  var epochs: EpochLedger
  private var history = ReportHistory()
  private var sequence: Int64 = 0

  /// - Parameter awaitsContributions: whether an epoch is kept until its contribution is settled.
  init(profile: OracleProfile, awaitsContributions: Bool = false) {
    self.profile = profile
    epochs = EpochLedger(awaitsSettlement: awaitsContributions)
  }

  /// The timestamp of the last report that was accepted from an agent.
  func lastTimestamp(of agent: Address) -> Int64? { agents[agent]?.lastTimestamp }

  /// A number above all that were given out, from 1.
  mutating func nextSequence() -> Int64 {
    sequence += 1
    return sequence
  }

  /// What a report changes.
  struct Effect: Sendable {
    let report: StoredReport
    /// The agent's totals with it.
    let agent: AgentRecord
    /// The totals of the agent's epoch with it.
    let epoch: EpochRecord
    /// The proofs in it that the agent had not shown.
    let newProofs: [StoredProof]
    /// Whether it is the agent's first in its epoch.
    let isFirstInEpoch: Bool
  }

  /// What a report whose timestamp is above the agent's last would change; nothing is changed yet.
  func effect(of report: StoredReport) -> Effect {
    var agent = agents[report.agent] ?? AgentRecord(address: report.agent)
    let known = epochs.record(report.epoch, of: report.agent)
    var epoch: EpochRecord
    switch report.dialect {
    case .documented:
      // Its counters run on over the end of an epoch: what the epoch's first report adds is the
      // difference to the last one of the epoch before.
      epoch =
        known
        ?? EpochRecord(
          address: report.agent, epoch: report.epoch, reportedTokens: agent.processedTokens,
          reportedRequests: agent.tasksCompleted)
      _ = epoch.add(report, profile: .fixed)
      agent.processedTokens = report.processedTokens
      agent.tasksCompleted = report.tasksCompleted
      agent.averageLatencyMilliseconds = report.averageLatencyMilliseconds
    case .deployed:
      epoch = known ?? EpochRecord(address: report.agent, epoch: report.epoch)
      let added = epoch.add(report, profile: profile)
      agent.processedTokens = agent.processedTokens.addingSaturated(added.tokens)
      agent.tasksCompleted = agent.tasksCompleted.addingSaturated(added.requests)
      agent.averageLatencyMilliseconds = epoch.averageLatencyMilliseconds
    }
    let newProofs = history.newProofs(in: report)
    let proofs = ProofTally(newProofs)
    epoch.proofs += proofs
    agent.proofs += proofs
    agent.uptimeSeconds = report.uptimeSeconds
    agent.lastTimestamp = report.timestamp
    agent.reportCount += 1
    return Effect(
      report: report, agent: agent, epoch: epoch, newProofs: newProofs,
      isFirstInEpoch: known == nil)
  }

  /// Accounts a report, of whose agent nothing else was accounted since its effect was found out.
  mutating func apply(_ effect: Effect) {
    history.add(effect.report, new: effect.newProofs)
    epochs.keep(effect.epoch)
    agents[effect.report.agent] = effect.agent
  }

  /// Accounts a report whose timestamp is above the agent's last.
  mutating func accept(_ report: StoredReport) { apply(effect(of: report)) }

  /// Restores what a log stored.
  mutating func restore(_ snapshot: LedgerSnapshot) {
    for agent in snapshot.agents { agents[agent.record.address] = agent.record }
    epochs.restore(snapshot)
    for report in snapshot.reports { history.add(report, new: history.newProofs(in: report)) }
  }

  /// The reports of an agent that are kept, oldest first.
  func reports(of agent: Address) -> [StoredReport] { history.reports(of: agent) }

  /// The proofs of an agent that are kept, oldest first.
  func proofs(of agent: Address) -> [AccountedProof] { history.proofs(of: agent) }
}

/// The totals of one agent.
public struct AgentRecord: Sendable, Hashable {
  /// The agent.
  public let address: Address
  /// Tokens processed.
  ///
  /// Documented reports carry the cumulative counter, which stands here as it
  /// was reported last; deployed ones are accounted by difference, epoch by epoch.
  public internal(set) var processedTokens: Int64 = 0
  /// The average latency, in milliseconds.
  public internal(set) var averageLatencyMilliseconds: Double = 0
  /// The uptime that was reported last, in seconds.
  public internal(set) var uptimeSeconds: Int64 = 0
  /// Inferences finished, accounted like the tokens.
  public internal(set) var tasksCompleted: Int64 = 0
  /// The timestamp of the last accepted report, in unix seconds; nothing at or below it is
  /// accepted.
  public internal(set) var lastTimestamp: Int64 = 0
  /// How many reports were accepted.
  public internal(set) var reportCount = 0
  /// How many proofs they carried.
  public var proofCount: Int { proofs.count }
  var proofs = ProofTally()

  init(address: Address) {
    self.address = address
  }
}

/// The latest reports of all agents with the proofs that they brought, up to a number of bytes.
///
/// Totals stand in the ledger, and lose nothing when a report is dropped here.
struct ReportHistory: Sendable {
  /// About how many bytes of memory the reports may take.
  static let byteLimit = 8 << 20
  /// How many reports of an agent are returned.
  private static let maximumPerAgent = 1000

  private struct Entry: Sendable {
    let report: StoredReport
    /// The proofs that none of the agent's reports here carried before.
    let newProofs: [StoredProof]
  }

  private struct Agent: Sendable {
    var reports: Deque<Entry> = []
    /// The proofs of those reports, to find one that came before.
    var proofs: Set<StoredProof> = []

    mutating func add(_ report: StoredReport, new: [StoredProof]) {
      proofs.formUnion(new)
      reports.append(Entry(report: report, newProofs: new))
    }

    mutating func dropFirst() {
      for proof in reports.popFirst()?.newProofs ?? [] { proofs.remove(proof) }
    }
  }

  private var agents: [Address: Agent] = [:]
  /// Whose reports there are, in the order they came, with the weight of each.
  private var order: Deque<(agent: Address, weight: Int)> = []
  private var weight = 0

  /// The proofs that an agent has not shown in its reports here: one whose report was accepted and
  /// whose answer was lost comes again with one of the next.
  func newProofs(in report: StoredReport) -> [StoredProof] {
    var seen: Set<StoredProof> = []
    let known = agents[report.agent]?.proofs ?? []
    return report.proofs.filter { !known.contains($0) && seen.insert($0).inserted }
  }

  /// Adds a report, and drops the oldest ones of all agents for it.
  /// - Parameter new: what ``newProofs(in:)`` said of it.
  mutating func add(_ report: StoredReport, new: [StoredProof]) {
    agents[report.agent, default: Agent()].add(report, new: new)
    let added = Self.weight(of: report)
    order.append((report.agent, added))
    weight += added
    while weight > Self.byteLimit, order.count > 1, let oldest = order.popFirst() {
      weight -= oldest.weight
      agents[oldest.agent]?.dropFirst()
      if agents[oldest.agent]?.reports.isEmpty == true { agents[oldest.agent] = nil }
    }
  }

  /// The reports of an agent that are kept, a thousand at most, oldest first.
  func reports(of agent: Address) -> [StoredReport] {
    (agents[agent]?.reports ?? []).suffix(Self.maximumPerAgent).map(\.report)
  }

  /// The proofs of an agent's reports that are kept, each once, oldest first.
  func proofs(of agent: Address) -> [AccountedProof] {
    (agents[agent]?.reports ?? []).flatMap { entry in
      entry.newProofs.map { AccountedProof(epoch: entry.report.epoch, proof: $0) }
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

/// A proof with the epoch that its report is accounted to.
struct AccountedProof: Sendable {
  let epoch: UInt64
  let proof: StoredProof
}

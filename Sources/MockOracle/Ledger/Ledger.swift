public import EthereumPrimitives
import PlumiseWire

/// The oracle's reportStore: a pure state machine that takes reports in order.
///
/// Of each agent it keeps the totals, for good; reports, proofs and epochs are the latest ones.
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

  /// The timestamp of the last report that was taken from an agent.
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
  mutating func take(_ report: StoredReport) { apply(effect(of: report)) }

  /// Takes over what a log kept.
  mutating func restore(_ kept: KeptBooks) {
    for agent in kept.agents { agents[agent.record.address] = agent.record }
    epochs.restore(kept)
    for report in kept.reports { history.add(report, new: history.newProofs(in: report)) }
  }

  /// The reports of an agent that are kept, oldest first.
  func reports(of agent: Address) -> [StoredReport] { history.reports(of: agent) }

  /// The proofs of an agent that are kept, oldest first.
  func proofs(of agent: Address) -> [HeldProof] { history.proofs(of: agent) }
}

/// What the oracle holds about one agent.
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
  /// The timestamp of the last accepted report, in unix seconds; nothing at or below it is taken.
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

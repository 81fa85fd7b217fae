public import EthereumPrimitives
import PlumiseWire

/// The totals of agents and epochs: a pure state machine that reports are applied to in order.
///
/// The totals of each agent are kept for ever; of reports, proofs and epochs the latest.
struct Ledger: Sendable {
  let profile: OracleProfile
  private(set) var agents: [Address: AgentRecord] = [:]
  var epochs: EpochLedger
  private var history: ReportHistory
  private var sequence: Int64 = 0
  /// What the next deployed report of an agent is compared with, where that is not its last accepted
  /// one.
  private var counters: [Address: ReportedCounters] = [:]

  /// - Parameters:
  ///   - awaitsContributions: whether an epoch is kept until its contribution is settled.
  ///   - reportsPerAgent: how many reports of one agent are kept.
  init(profile: OracleProfile, awaitsContributions: Bool = false, reportsPerAgent: Int = 1000) {
    self.profile = profile
    history = ReportHistory(maximumPerAgent: reportsPerAgent)
    epochs = EpochLedger(awaitsSettlement: awaitsContributions)
  }

  /// The timestamp of the last report that was accepted from an agent.
  func lastTimestamp(of agent: Address) -> Int64? {
    counters.isEmpty
      ? agents[agent]?.lastTimestamp
      : counters[agent]?.timestamp ?? agents[agent]?.lastTimestamp
  }

  /// Forgets what the next report of each agent would be compared with, but for the agents that
  /// reported in an epoch.
  mutating func forgetCounters(exceptIn epoch: UInt64) {
    for agent in agents.keys where epochs.record(epoch, of: agent) == nil {
      counters[agent] = ReportedCounters()
    }
  }

  /// Takes a report's counters and timestamp for the last ones although the report is lost.
  mutating func advanceCounters(to report: StoredReport) {
    counters[report.agent] = ReportedCounters(
      tokens: report.processedTokens, requests: report.tasksCompleted,
      timestamp: report.timestamp)
  }

  /// What the deployed report of an agent is compared with: the counters of its last report, in
  /// whatever epoch that was.
  private func reported(by agent: Address) -> ReportedCounters {
    if let counters = counters[agent] { return counters }
    guard let last = epochs.latest(of: agent) else { return ReportedCounters() }
    return ReportedCounters(
      tokens: last.lastReportedTokens, requests: last.lastReportedRequests,
      timestamp: last.lastUpdated)
  }

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
    /// The proofs in it that are counted: in the documented dialect those that the agent had not
    /// shown, in the deployed one all.
    let newProofs: [StoredProof]
    /// Whether it is the agent's first in its epoch.
    let isFirstInEpoch: Bool
  }

  /// What a report whose timestamp is above the agent's last would change; nothing is changed yet.
  func effect(of report: StoredReport) -> Effect {
    var agent = agents[report.agent] ?? AgentRecord(address: report.agent)
    var report = report
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
      epoch.compare(with: reported(by: report.agent))
      let added = epoch.add(report, profile: profile)
      report.judgeProofs(against: epoch)
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
    if !counters.isEmpty { counters[effect.report.agent] = nil }
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
    // The proofs that were dropped have numbers as well.
    let kept = snapshot.reports.reduce(0) { $0 + $1.proofs.count }
    history.firstProofNumber(max(0, agents.values.reduce(0) { $0 + $1.proofs.count } - kept))
    for report in snapshot.reports { history.add(report, new: history.newProofs(in: report)) }
  }

  /// The reports of an agent that are kept, oldest first.
  func reports(of agent: Address) -> [StoredReport] { history.reports(of: agent) }

  /// The proofs of an agent that are kept, oldest first.
  func proofs(of agent: Address) -> [AccountedProof] { history.proofs(of: agent) }
}

/// The counters of a report, and its timestamp.
struct ReportedCounters: Sendable {
  var tokens: Int64 = 0
  var requests: Int64 = 0
  var timestamp: Int64 = 0
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

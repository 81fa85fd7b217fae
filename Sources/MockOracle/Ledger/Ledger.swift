import EthereumPrimitives
import PlumiseWire

/// The oracle's books: a pure state machine that takes reports in order.
///
/// Of each agent it keeps the totals, for good; reports, proofs and epochs are the latest ones.
struct Ledger: Sendable {
  let profile: OracleProfile
  private(set) var agents: [Address: AgentRecord] = [:]
  var epochs: EpochBooks
  private var history = ReportHistory()
  private var sequence: Int64 = 0

  /// - Parameter awaitsContributions: whether an epoch is kept until its contribution is settled.
  init(profile: OracleProfile, awaitsContributions: Bool = false) {
    self.profile = profile
    epochs = EpochBooks(awaitsSettlement: awaitsContributions)
  }

  /// The timestamp of the last report that was taken from an agent.
  func lastTimestamp(of agent: Address) -> Int64? { agents[agent]?.lastTimestamp }

  /// A number above all that were given out, from 1.
  mutating func nextSequence() -> Int64 {
    sequence += 1
    return sequence
  }

  /// Accounts a report whose timestamp is above the agent's last.
  /// - Returns: whether it is the agent's first in its epoch.
  mutating func take(_ report: StoredReport) -> Bool {
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
    let proofs = ProofTally(history.add(report))
    epoch.proofs += proofs
    agent.proofs += proofs
    epochs.keep(epoch)
    agent.uptimeSeconds = report.uptimeSeconds
    agent.lastTimestamp = report.timestamp
    agent.reportCount += 1
    agents[report.agent] = agent
    return known == nil
  }

  /// The reports of an agent that are kept, oldest first.
  func reports(of agent: Address) -> [StoredReport] { history.reports(of: agent) }

  /// The proofs of an agent that are kept, oldest first.
  func proofs(of agent: Address) -> [HeldProof] { history.proofs(of: agent) }
}

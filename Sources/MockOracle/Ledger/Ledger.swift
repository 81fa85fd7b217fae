import EthereumPrimitives
import PlumiseWire

/// A proof with the epoch in which it came.
struct HeldProof: Sendable {
  let epoch: UInt64
  let proof: StoredProof
}

/// The oracle's books: a pure state machine that takes reports in order.
struct Ledger: Sendable {
  private struct EpochKey: Hashable {
    let address: Address
    let epoch: UInt64
  }

  /// How many reports of an agent are kept in memory.
  private static let historyLength = 1000

  let profile: OracleProfile
  private(set) var agents: [Address: AgentRecord] = [:]
  private var sequence: Int64 = 0
  private var epochs: [EpochKey: EpochRecord] = [:]
  private var reports: [Address: [StoredReport]] = [:]
  private var proofs: [Address: [HeldProof]] = [:]
  /// The same proofs, to find one that came before.
  private var heldProofs: [Address: Set<StoredProof>] = [:]

  init(profile: OracleProfile) {
    self.profile = profile
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
    var isFirstInEpoch = false
    switch report.dialect {
    case .documented:
      // Its counters run on over the end of an epoch: what the epoch's first report adds is the
      // difference to the last one of the epoch before.
      let key = EpochKey(address: report.agent, epoch: report.epoch)
      isFirstInEpoch = epochs[key] == nil
      var epoch =
        epochs[key]
        ?? EpochRecord(
          address: report.agent, epoch: report.epoch, reportedTokens: agent.processedTokens,
          reportedRequests: agent.tasksCompleted)
      _ = epoch.add(report, profile: .fixed)
      epochs[key] = epoch
      agent.processedTokens = report.processedTokens
      agent.tasksCompleted = report.tasksCompleted
      agent.averageLatencyMilliseconds = report.averageLatencyMilliseconds
    case .deployed:
      let key = EpochKey(address: report.agent, epoch: report.epoch)
      isFirstInEpoch = epochs[key] == nil
      var epoch = epochs[key] ?? EpochRecord(address: report.agent, epoch: report.epoch)
      let added = epoch.add(report, profile: profile)
      epochs[key] = epoch
      agent.processedTokens = agent.processedTokens.addingSaturated(added.tokens)
      agent.tasksCompleted = agent.tasksCompleted.addingSaturated(added.requests)
      agent.averageLatencyMilliseconds = epoch.averageLatencyMilliseconds
    }
    agent.uptimeSeconds = report.uptimeSeconds
    agent.lastTimestamp = report.timestamp
    agent.reportCount += 1
    agent.proofCount += keep(report.proofs, of: report.agent, in: report.epoch)
    agents[report.agent] = agent
    keep(report)
    return isFirstInEpoch
  }

  private mutating func keep(_ report: StoredReport) {
    var history = reports[report.agent, default: []]
    reports[report.agent] = nil
    if history.count >= 2 * Self.historyLength { history.removeFirst(Self.historyLength) }
    history.append(report)
    reports[report.agent] = history
  }

  /// Keeps the proofs that the agent has not shown before: one whose report was taken and whose
  /// answer was lost comes again with the next report.
  /// - Returns: how many were new.
  private mutating func keep(
    _ shown: [StoredProof], of agent: Address, in epoch: UInt64
  ) -> Int {
    let new = shown.filter { heldProofs[agent, default: []].insert($0).inserted }
    if !new.isEmpty {
      proofs[agent, default: []] += new.map { HeldProof(epoch: epoch, proof: $0) }
    }
    return new.count
  }

  /// The reports of an agent that are kept, oldest first.
  func reports(of agent: Address) -> [StoredReport] {
    (reports[agent] ?? []).suffix(Self.historyLength)
  }

  /// The proofs of an agent, oldest first.
  func proofs(of agent: Address) -> [HeldProof] { proofs[agent] ?? [] }

  /// What an agent did in an epoch.
  func epoch(_ epoch: UInt64, of agent: Address) -> EpochRecord? {
    epochs[EpochKey(address: agent, epoch: epoch)]
  }

  /// What an agent did, latest epoch first.
  func history(of agent: Address) -> [EpochRecord] {
    epochs.values.filter { $0.address == agent }.sorted { $0.epoch > $1.epoch }
  }

  /// What every agent did in the epochs before one, earliest first, then by address.
  func records(before epoch: UInt64) -> [EpochRecord] {
    epochs.values.filter { $0.epoch < epoch }.sorted {
      ($0.epoch, $0.address) < ($1.epoch, $1.address)
    }
  }

  /// What every agent did in an epoch, by address.
  func agents(in epoch: UInt64) -> [EpochRecord] {
    epochs.values.filter { $0.epoch == epoch }.sorted { $0.address < $1.address }
  }
}

import DequeModule
public import EthereumPrimitives
import PlumiseWire

/// What agents did, epoch by epoch: the latest epochs of all agents, and of each its last one always.
struct EpochLedger: Sendable {
  /// How many records are kept, beside the last one of each agent and those whose contribution is
  /// not settled yet.
  static let limit = 20_000

  private struct Key: Hashable {
    let agent: Address
    let epoch: UInt64
  }

  /// Whether a record must stay until its contribution is settled.
  let awaitsSettlement: Bool
  private var records: [Address: [UInt64: EpochRecord]] = [:]
  private var order: Deque<Key> = []
  /// The epoch that an agent's last report was accounted to.
  private var latest: [Address: UInt64] = [:]
  private var settled: Set<Key> = []
  /// The last epoch of an agent whose contribution was begun: nothing is accounted to it any more.
  private var closed: [Address: UInt64] = [:]

  init(awaitsSettlement: Bool) {
    self.awaitsSettlement = awaitsSettlement
  }

  /// What an agent did in an epoch.
  func record(_ epoch: UInt64, of agent: Address) -> EpochRecord? { records[agent]?[epoch] }

  /// What an agent did in the epoch that its last report was accounted to.
  func latest(of agent: Address) -> EpochRecord? {
    latest[agent].flatMap { records[agent]?[$0] }
  }

  /// Adds or replaces a record, and drops an old one for it.
  mutating func keep(_ record: EpochRecord) {
    let key = Key(agent: record.address, epoch: record.epoch)
    latest[key.agent] = key.epoch
    guard records[key.agent, default: [:]].updateValue(record, forKey: key.epoch) == nil else {
      return
    }
    order.append(key)
    // Two at a time: one for the new record, and one where the other must stay.
    for _ in 0..<2 where order.count > Self.limit { dropFirst() }
  }

  /// Restores what a log stored, oldest epoch first.
  mutating func restore(_ snapshot: LedgerSnapshot) {
    for epoch in snapshot.epochs {
      keep(epoch.record)
      if epoch.isSettled { settle(epoch.record.epoch, of: epoch.record.address) }
    }
    for agent in snapshot.agents {
      latest[agent.record.address] = agent.latestEpoch
      closed[agent.record.address] = agent.closedEpoch
    }
  }

  /// Restores an epoch whose contribution is not settled, unless it is known.
  mutating func restoreUnsettled(_ record: EpochRecord) {
    guard records[record.address]?[record.epoch] == nil else { return }
    records[record.address, default: [:]][record.epoch] = record
    order.append(Key(agent: record.address, epoch: record.epoch))
  }

  private mutating func dropFirst() {
    guard let key = order.popFirst() else { return }
    guard latest[key.agent] != key.epoch, !awaitsSettlement || settled.contains(key) else {
      order.append(key)
      return
    }
    records[key.agent]?[key.epoch] = nil
    settled.remove(key)
  }

  /// The latest epoch of any agent; nil before the first report.
  var latestOfAll: UInt64? { records.values.compactMap { $0.keys.max() }.max() }

  /// What an agent did, latest epoch first.
  func history(of agent: Address) -> [EpochRecord] {
    (records[agent] ?? [:]).values.sorted { $0.epoch > $1.epoch }
  }

  /// What was done in the latest epochs in which anything was, latest first, each by address.
  func latestEpochs(_ count: Int) -> [[EpochRecord]] {
    Set(records.values.flatMap(\.keys)).sorted(by: >).prefix(count).map { agents(in: $0) }
  }

  /// What an agent did in the latest epoch whose contribution is settled.
  func lastSettled(of agent: Address) -> EpochRecord? {
    history(of: agent).first { settled.contains(Key(agent: agent, epoch: $0.epoch)) }
  }

  /// What every agent did in an epoch, by address.
  func agents(in epoch: UInt64) -> [EpochRecord] {
    records.values.compactMap { $0[epoch] }.sorted { $0.address < $1.address }
  }

  // MARK: - Contributions

  /// What agents did in the epochs before one and is not settled, earliest first, then by address.
  func unsettled(before epoch: UInt64) -> [EpochRecord] {
    records.values.flatMap { $0.values.filter { $0.epoch < epoch } }
      .filter { !settled.contains(Key(agent: $0.address, epoch: $0.epoch)) }
      .sorted { ($0.epoch, $0.address) < ($1.epoch, $1.address) }
  }

  /// Accounts nothing more to an epoch of an agent, nor to those before it.
  mutating func close(_ epoch: UInt64, of agent: Address) {
    closed[agent] = max(epoch, closed[agent] ?? 0)
  }

  /// Marks an epoch's contribution as settled: it needs nothing more.
  mutating func settle(_ epoch: UInt64, of agent: Address) {
    settled.insert(Key(agent: agent, epoch: epoch))
  }

  /// The epoch that a report is accounted to: its own, or the first after those that are closed.
  func openEpoch(for agent: Address, from epoch: UInt64) -> UInt64 {
    guard let closed = closed[agent], closed < .max else { return epoch }
    return max(epoch, closed + 1)
  }
}

/// What one agent did in one epoch, accounted by difference as the deployed oracle does.
public struct EpochRecord: Sendable, Hashable {
  /// The agent.
  public let address: Address
  /// The epoch.
  public let epoch: UInt64
  /// Tokens processed in the epoch.
  public private(set) var processedTokens: Int64 = 0
  /// The average latency, in milliseconds.
  public private(set) var averageLatencyMilliseconds: Double = 0
  /// Inferences finished in the epoch.
  public private(set) var requestCount: Int64 = 0
  /// The uptime that was reported last, in seconds.
  public private(set) var uptimeSeconds: Int64 = 0
  /// The timestamp of the last report, in unix seconds.
  public private(set) var lastUpdated: Int64 = 0
  /// The proofs that came in the epoch.
  var proofs = ProofTally()
  /// The counters that the next report is compared with.
  private(set) var lastReportedTokens: Int64 = 0
  private(set) var lastReportedRequests: Int64 = 0

  /// A record without work.
  /// - Parameters:
  ///   - reportedTokens: the counter that the epoch's first report is compared with.
  ///   - reportedRequests: likewise.
  init(
    address: Address, epoch: UInt64, reportedTokens: Int64 = 0, reportedRequests: Int64 = 0
  ) {
    self.address = address
    self.epoch = epoch
    lastReportedTokens = reportedTokens
    lastReportedRequests = reportedRequests
  }

  /// A record that a log stored.
  init(
    address: Address, epoch: UInt64, processedTokens: Int64, averageLatencyMilliseconds: Double,
    requestCount: Int64, uptimeSeconds: Int64, lastUpdated: Int64, proofs: ProofTally,
    lastReportedTokens: Int64, lastReportedRequests: Int64
  ) {
    self.address = address
    self.epoch = epoch
    self.processedTokens = processedTokens
    self.averageLatencyMilliseconds = averageLatencyMilliseconds
    self.requestCount = requestCount
    self.uptimeSeconds = uptimeSeconds
    self.lastUpdated = lastUpdated
    self.proofs = proofs
    self.lastReportedTokens = lastReportedTokens
    self.lastReportedRequests = lastReportedRequests
  }

  /// Compares the next report with other counters than the epoch's last.
  mutating func compare(with counters: ReportedCounters) {
    lastReportedTokens = counters.tokens
    lastReportedRequests = counters.requests
  }

  /// Accounts a report.
  ///
  /// The client reports counters that only grow, so the difference to the last report counts; a
  /// counter below the last one means that the client started again, and then all of it counts.
  /// - Returns: the tokens and the requests that the report added.
  mutating func add(
    _ report: StoredReport, profile: OracleProfile
  ) -> (tokens: Int64, requests: Int64) {
    let tokens = Self.difference(report.processedTokens, since: lastReportedTokens)
    let requests = Self.difference(report.tasksCompleted, since: lastReportedRequests)
    let total = requestCount.addingSaturated(requests)
    if total != 0 {
      averageLatencyMilliseconds =
        average(with: report, adding: requests, of: total, profile: profile).clampedToFinite
    } else if report.dialect == .documented {
      averageLatencyMilliseconds = report.averageLatencyMilliseconds
    }
    processedTokens = processedTokens.addingSaturated(tokens)
    requestCount = total
    uptimeSeconds = report.uptimeSeconds
    lastUpdated = report.timestamp
    lastReportedTokens = report.processedTokens
    lastReportedRequests = report.tasksCompleted
    return (tokens, requests)
  }

  /// The average once a report has added its requests; `total` counts them too.
  private func average(
    with report: StoredReport, adding requests: Int64, of total: Int64, profile: OracleProfile
  ) -> Double {
    let (old, new) = (averageLatencyMilliseconds, report.averageLatencyMilliseconds)
    // The deployed oracle weights the new average with the cumulative count, so that a constant
    // 100 ms is stored as 100, 150, 200; the repair weights it with what the report added, as a
    // share that no latency carries beyond what a double holds.
    return switch profile {
    case .fixed: old + (new - old) * (Double(requests) / Double(total))
    case .faithful:
      (old * Double(requestCount) + new * Double(report.tasksCompleted)) / Double(total)
    }
  }

  private static func difference(_ reported: Int64, since last: Int64) -> Int64 {
    // A file that somebody changed may hold any number.
    reported < last ? reported : reported.subtractingSaturated(last)
  }
}

/// How many proofs there were, and of how many tokens: what remains of proofs that are dropped.
struct ProofTally: Sendable, Hashable {
  private(set) var count = 0
  /// A sum of 64-bit numbers, which 128 bits always hold.
  private(set) var tokens: Int128 = 0
  /// Those among them that were verified.
  private(set) var verifiedCount = 0
  private(set) var verifiedTokens: Int128 = 0

  /// Nothing yet.
  init() {}

  /// A tally that a log stored.
  init(count: Int, tokens: Int128, verifiedCount: Int, verifiedTokens: Int128) {
    self.count = count
    self.tokens = tokens
    self.verifiedCount = verifiedCount
    self.verifiedTokens = verifiedTokens
  }

  /// The tally of some proofs.
  init(_ proofs: [StoredProof]) {
    count = proofs.count
    tokens = proofs.reduce(0) { $0 + Int128($1.tokenCount) }
    for proof in proofs where proof.isVerified {
      verifiedCount += 1
      verifiedTokens += Int128(proof.tokenCount)
    }
  }

  static func += (sum: inout ProofTally, other: ProofTally) {
    sum.count += other.count
    sum.tokens += other.tokens
    sum.verifiedCount += other.verifiedCount
    sum.verifiedTokens += other.verifiedTokens
  }
}

extension Double {
  /// The number, or the nearest one that JSON can spell.
  var clampedToFinite: Double {
    Swift.min(Swift.max(self, -.greatestFiniteMagnitude), .greatestFiniteMagnitude)
  }
}

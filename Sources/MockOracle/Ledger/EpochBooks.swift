import EthereumPrimitives

/// What agents did, epoch by epoch: the latest epochs of all agents, and of each its last one always.
struct EpochBooks: Sendable {
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
  private var order = Queue<Key>()
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

  /// Keeps a record, and lets an old one go for it.
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

  /// Takes over what a log kept, oldest epoch first.
  mutating func restore(_ kept: KeptBooks) {
    for epoch in kept.epochs {
      keep(epoch.record)
      if epoch.isSettled { settle(epoch.record.epoch, of: epoch.record.address) }
    }
    for agent in kept.agents {
      latest[agent.record.address] = agent.latestEpoch
      closed[agent.record.address] = agent.closedEpoch
    }
  }

  /// Takes over an epoch whose contribution is not settled, unless it is known.
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

  /// Notes that an epoch's contribution needs nothing more.
  mutating func settle(_ epoch: UInt64, of agent: Address) {
    settled.insert(Key(agent: agent, epoch: epoch))
  }

  /// The epoch that a report is accounted to: its own, or the first after those that are closed.
  func openEpoch(for agent: Address, from epoch: UInt64) -> UInt64 {
    guard let closed = closed[agent], closed < .max else { return epoch }
    return max(epoch, closed + 1)
  }
}

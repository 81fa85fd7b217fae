import EthereumPrimitives

/// The registered agents, in the order in which the registry's list holds them.
package struct AgentLedger {
  private var records = PersistentMap<AgentRecord>()
  private(set) var order: [Address] = []

  /// The record of an agent, or nil when the address is not registered.
  subscript(agent: Address) -> AgentRecord? { records[agent] }

  func isRegistered(_ agent: Address) -> Bool { records[agent] != nil }

  /// All agents that are active at a time.
  func activeAgents(at timestamp: UInt64) -> [Address] {
    order.filter { records[$0]?.isActive(at: timestamp) ?? false }
  }

  mutating func add(_ record: AgentRecord) {
    precondition(records[record.wallet] == nil, "\(record.wallet) is registered already")
    records[record.wallet] = record
    order.append(record.wallet)
  }

  /// Changes the record of an agent; an unknown one is left alone.
  mutating func update(_ agent: Address, _ change: (inout AgentRecord) -> Void) {
    guard var record = records[agent] else { return }
    change(&record)
    records[agent] = record
  }

  /// Takes an agent off the list; the last one takes its place, as in the registry's own array.
  mutating func remove(_ agent: Address) {
    guard let index = order.firstIndex(of: agent) else { return }
    order.swapAt(index, order.endIndex - 1)
    order.removeLast()
    records[agent] = nil
  }
}

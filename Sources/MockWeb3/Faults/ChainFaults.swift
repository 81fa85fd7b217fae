import EthereumPrimitives

/// The faults that are due, in the order in which they were added.
package struct ChainFaults {
  private struct Entry {
    let id: UInt64
    var rule: ChainFaultRule
  }

  /// What the connections have to be told.
  struct ConnectionChange {
    /// Whether the faults so far are taken back.
    var clears = false
    var added: [ChainFaultRule] = []
  }

  private var entries: [Entry] = []
  private var nextID: UInt64 = 0
  /// Counts requests, each of which is an occasion of its own.
  private var requests: UInt64 = 0
  /// Receipts that are held back, and the block that sets them free.
  private var withheld: [Hash32: UInt64] = [:]
  private var reorganisation: Int?
  private var connections: ConnectionChange?
  /// Where draws begin.
  var seed: UInt64 = 0
  /// Whether no block is made, but for one that is asked for.
  var isProductionStalled = false

  var isEmpty: Bool { entries.isEmpty }

  mutating func add(_ rule: ChainFaultRule) {
    if case .reset = rule.fault {
      connections = connections ?? ConnectionChange()
      connections?.added.append(rule)
    } else {
      entries.append(Entry(id: nextID, rule: rule))
    }
    nextID += 1
  }

  mutating func clear() {
    let seed = seed
    self = ChainFaults()
    self.seed = seed
    connections = ConnectionChange(clears: true)
  }

  /// What is new for the connections.
  mutating func takeConnectionChange() -> ConnectionChange? {
    defer { connections = nil }
    return connections
  }

  // MARK: - Transactions

  /// Whether the pool is to forget a transaction.
  mutating func takeDrop(for sent: SentTransaction) -> Bool {
    take(for: sent) { $0 == .drop } != nil
  }

  /// Whether the block that is due, for a transaction or by time, is not made.
  mutating func takeStall(for sent: SentTransaction?) -> Bool {
    if let sent { return take(for: sent) { $0 == .stall } != nil }
    requests += 1
    return take(sender: nil, occasion: requests) { $0 == .stall } != nil
  }

  /// Whether a revert is among the faults.
  var hasReverts: Bool { entries.contains { $0.rule.fault.isRevert } }

  /// The revert that is forced on a transaction, when others of the same block come before it.
  func revert(for sent: SentTransaction, after others: [SentTransaction]) -> Revert? {
    var copy = self
    for other in others { copy.useRevert(for: other) }
    return copy.useRevert(for: sent)
  }

  /// Uses up what applied to a mined transaction, and decides about its receipt.
  mutating func transactionWasMined(_ sent: SentTransaction, in block: UInt64) {
    guard !entries.isEmpty else { return }
    useRevert(for: sent)
    switch take(for: sent, where: \.isAboutReceipts) {
    case .withholdReceipt(let blocks): withheld[sent.hash] = block.addingUpTo(blocks)
    case .loseReceipt: withheld[sent.hash] = .max
    default: break
    }
    if case .reorganise(let depth) = take(for: sent, where: \.isReorganisation) {
      reorganisation = max(reorganisation ?? 0, depth)
    }
  }

  /// How deep the chain is to be reorganised, now that a block was made.
  mutating func takeReorganisation() -> Int? {
    defer { reorganisation = nil }
    return reorganisation
  }

  /// Whether a receipt is held back at a height.
  func withholdsReceipt(of hash: Hash32, at height: UInt64) -> Bool {
    withheld[hash].map { height < $0 } ?? false
  }

  // MARK: - Requests

  /// The fault that meets a request: a refusal or a delay.
  mutating func takeRequestFault(method: String, sender: Address?) -> ChainFault? {
    requests += 1
    return take(method: method, sender: sender, occasion: requests, where: \.isAboutRequests)
  }

  // MARK: - Choosing

  @discardableResult
  private mutating func useRevert(for sent: SentTransaction) -> Revert? {
    guard case .revert(let reason) = take(for: sent, where: \.isRevert) else { return nil }
    return Revert(reason)
  }

  private mutating func take(
    for sent: SentTransaction, where isMeant: (ChainFault) -> Bool
  ) -> ChainFault? {
    guard !entries.isEmpty else { return nil }
    return take(
      sender: sent.sender, occasion: UInt64(truncatingIfNeeded: sent.hash.word.low),
      where: isMeant)
  }

  /// Takes the first rule that is meant for a method and a sender, and that happens.
  private mutating func take(
    method: String? = nil, sender: Address?, occasion: UInt64, where isMeant: (ChainFault) -> Bool
  ) -> ChainFault? {
    let index = entries.firstIndex { entry in
      let rule = entry.rule
      return isMeant(rule.fault)
        && (rule.method == nil || method == nil || rule.method == method)
        && (rule.sender == nil || rule.sender == sender)
        && FaultDraw.happens(rule.probability, seed: seed, rule: entry.id, occasion: occasion)
    }
    guard let index else { return nil }
    let fault = entries[index].rule.fault
    switch entries[index].rule.count {
    case 1: entries.remove(at: index)
    case let count?: entries[index].rule.count = count - 1
    case nil: break
    }
    return fault
  }
}

extension ChainFault {
  fileprivate var isRevert: Bool { if case .revert = self { true } else { false } }
  fileprivate var isReorganisation: Bool { if case .reorganise = self { true } else { false } }

  fileprivate var isAboutReceipts: Bool {
    switch self {
    case .withholdReceipt, .loseReceipt: true
    default: false
    }
  }

  fileprivate var isAboutRequests: Bool {
    switch self {
    case .refuse, .delay: true
    default: false
    }
  }
}

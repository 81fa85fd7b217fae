public import EthereumPrimitives
public import MockServing
public import PlumiseWire

/// A fault of the chain or of its RPC interface.
public enum ChainFault: Hashable, Sendable {
  /// The call of a transaction is reverted, whatever it is.
  case revert(reason: String)
  /// The transaction is acknowledged with its hash, and then dropped.
  case drop
  /// The receipt of a mined transaction is withheld until so many more blocks were made.
  case withholdReceipt(blocks: UInt64)
  /// The transaction is mined; its receipt is never available.
  case loseReceipt
  /// Once the transaction is mined so many blocks are undone, its own included; it waits again.
  case reorganise(depth: Int)
  /// The next automatic or timed block is not made; blocks on request are.
  case stall
  /// A request is answered with an error; the chain never sees it.
  case refuse(RPCFailure)
  /// A request waits this long, on the chain's clock, before it is looked at.
  case delay(Duration)
  /// The connection of a request is reset: before the chain handles the request, or after.
  case reset(afterHandling: Bool)
}

/// A fault, and the requests or transactions that get it.
public struct ChainFaultRule: Hashable, Sendable {
  /// The fault.
  public var fault: ChainFault
  /// The JSON-RPC method that ``ChainFault/refuse(_:)``, ``ChainFault/delay(_:)`` and
  /// ``ChainFault/reset(afterHandling:)`` are meant for; nil for every one.
  public var method: String?
  /// The sender whose transactions are meant; nil for everyone's.
  public var sender: Address?
  /// How often it happens, from when on, and how likely; see ``MockWeb3/seedFaults(_:)``.
  public var schedule: FaultSchedule

  /// Makes a rule; by default it applies once, to whatever comes first.
  /// - Parameters:
  ///   - fault: what goes wrong.
  ///   - method: the JSON-RPC method that it is meant for; nil for every one.
  ///   - sender: the sender whose transactions are meant; nil for everyone's.
  ///   - count: how many times it happens, at least 1; nil for always.
  ///   - skip: how many times it could happen before it does.
  ///   - probability: how likely it is to happen, each time it could after that, from 0 to 1.
  public init(
    _ fault: ChainFault, method: String? = nil, sender: Address? = nil, count: Int? = 1,
    skip: Int = 0, probability: Double = 1
  ) {
    self.fault = fault
    self.method = method
    self.sender = sender
    schedule = FaultSchedule(count: count, skip: skip, probability: probability)
  }
}

/// The faults that are due, in the order in which they were added.
package struct ChainFaults {
  private struct Entry {
    let id: UInt64
    var rule: ChainFaultRule
  }

  /// A change of the faults of connections.
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
  /// What is new for whoever observes the faults.
  private var changes: [FaultAdministration.Change] = []
  /// Whether anybody does.
  var isObserved = false
  /// Where draws begin.
  var seed: UInt64 = 0
  /// Whether no block is made, but for one that is asked for.
  var isProductionStalled = false

  var isEmpty: Bool { entries.isEmpty }

  /// The rules that may still apply, those of connections aside.
  var remaining: [(id: UInt64, rule: ChainFaultRule)] { entries.map { ($0.id, $0.rule) } }

  /// Takes one rule back.
  /// - Returns: whether it was there still.
  mutating func remove(_ id: UInt64) -> Bool {
    let count = entries.count
    entries.removeAll { $0.id == id }
    if entries.count < count { note(.takenBack(id: "\(id)")) }
    return entries.count < count
  }

  mutating func add(_ rule: ChainFaultRule) { _ = addNumbered(rule) }

  /// Adds a rule behind the others.
  /// - Returns: its number; nil for one of connections, which the script of the server has.
  mutating func addNumbered(_ rule: ChainFaultRule) -> UInt64? {
    defer { nextID += 1 }
    if case .reset = rule.fault {
      connections = connections ?? ConnectionChange()
      connections?.added.append(rule)
    } else {
      entries.append(Entry(id: nextID, rule: rule))
      let id = nextID
      note(.ordered(id: .integer(id), order: .object(rule.listing)))
      return id
    }
    return nil
  }

  mutating func clear() {
    let (seed, isObserved, changes) = (seed, isObserved, changes)
    self = ChainFaults()
    (self.seed, self.isObserved, self.changes) = (seed, isObserved, changes)
    connections = ConnectionChange(clears: true)
    note(.cleared)
  }

  private mutating func note(_ change: @autoclosure () -> FaultAdministration.Change) {
    if isObserved { changes.append(change()) }
  }

  /// What is new for whoever observes the faults.
  mutating func takeChanges() -> [FaultAdministration.Change] {
    if changes.isEmpty { return [] }
    defer { changes = [] }
    return changes
  }

  /// What is new for the connections.
  mutating func takeConnectionChange() -> ConnectionChange? {
    defer { connections = nil }
    return connections
  }

  // MARK: - Transactions

  /// Whether the pool is to forget a transaction.
  mutating func takeDrop(for sent: RecoveredTransaction) -> Bool {
    take(for: sent) { $0 == .drop } != nil
  }

  /// Whether the block that is due, for a transaction or by time, is not made.
  mutating func takeStall(for sent: RecoveredTransaction?) -> Bool {
    if let sent { return take(for: sent) { $0 == .stall } != nil }
    requests += 1
    return take(sender: nil, occasion: requests) { $0 == .stall } != nil
  }

  /// Whether a revert is among the faults.
  var hasReverts: Bool { entries.contains { $0.rule.fault.isRevert } }

  /// The revert that is forced on a transaction, when others of the same block come before it.
  func revert(for sent: RecoveredTransaction, after others: [RecoveredTransaction]) -> Revert? {
    var copy = self
    for other in others { copy.useRevert(for: other) }
    return copy.useRevert(for: sent)
  }

  /// Uses up what applied to a mined transaction, and decides about its receipt.
  mutating func transactionWasMined(_ sent: RecoveredTransaction, in block: UInt64) {
    guard !entries.isEmpty else { return }
    useRevert(for: sent)
    switch take(for: sent, where: \.isAboutReceipts) {
    case .withholdReceipt(let blocks): withheld[sent.hash] = block.addingSaturating(blocks)
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
  private mutating func useRevert(for sent: RecoveredTransaction) -> Revert? {
    guard case .revert(let reason) = take(for: sent, where: \.isRevert) else { return nil }
    return Revert(reason)
  }

  private mutating func take(
    for sent: RecoveredTransaction, where matches: (ChainFault) -> Bool
  ) -> ChainFault? {
    guard !entries.isEmpty else { return nil }
    return take(
      sender: sent.sender, occasion: UInt64(truncatingIfNeeded: sent.hash.word.low),
      where: matches)
  }

  /// Takes the first rule that is meant for a method and a sender, and that happens.
  private mutating func take(
    method: String? = nil, sender: Address?, occasion: UInt64, where matches: (ChainFault) -> Bool
  ) -> ChainFault? {
    for index in entries.indices {
      var (id, rule) = (entries[index].id, entries[index].rule)
      guard matches(rule.fault),
        rule.isMeant(for: method),
        rule.sender == nil || rule.sender == sender
      else { continue }
      let isMet = rule.schedule.takeOccasion {
        FaultDraw.happens($0, seed: seed, rule: id, occasion: occasion)
      }
      entries[index].rule = rule
      guard isMet else { continue }
      if rule.schedule.isExhausted {
        entries.remove(at: index)
        note(.usedUp(id: "\(id)"))
      }
      return rule.fault
    }
    return nil
  }
}

extension ChainFaultRule {
  /// Whether the rule is for a method; nil stands for what is no request.
  ///
  /// A rule for every method leaves the chain's own test methods alone: they take it away again.
  fileprivate func isMeant(for method: String?) -> Bool {
    guard let method else { return true }
    return self.method.map { $0 == method } ?? !method.hasPrefix("plumise_")
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

extension FaultScript {
  /// Brings the script up to what the chain's faults say about connections.
  func apply(_ change: ChainFaults.ConnectionChange, seed: UInt64) {
    if change.clears { clear() }
    for rule in change.added {
      guard case .reset(let afterHandling) = rule.fault else { continue }
      var script = FaultRule(
        .drop(afterHandling ? .beforeAnswer : .beforeHandling, .reset), rule.schedule
      ) { rule.matches($0.body) }
      script.order = rule.order
      add(script)
    }
    // The chain's seed decides about its connections as well.
    if !change.added.isEmpty { self.seed(seed) }
  }
}

extension ChainFaultRule {
  /// Whether one of the requests in a body is of the method and the sender.
  fileprivate func matches(_ body: [UInt8]) -> Bool {
    if method == nil, sender == nil { return true }
    let elements =
      switch RPCIncoming(body) {
      case .single(let element): [element]
      case .batch(let elements): elements
      }
    return elements.contains { element in
      guard case .request(let request) = element else { return false }
      return (method == nil || method == request.method)
        && (sender == nil || sender == request.sender)
    }
  }
}

extension RPCRequest {
  /// Who signed the transaction that the request brings, if it brings one.
  var sender: Address? {
    guard method == "eth_sendRawTransaction" else { return nil }
    // What cannot be decoded has no sender; the method itself says what is wrong with it.
    return try? IncomingTransaction(raw: GethArguments(params).required(0).bytes()).sender
  }
}

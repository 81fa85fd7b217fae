import EthereumPrimitives

/// The faults that are due, in the order in which they were added.
package struct ChainFaults {
  private(set) var rules: [ChainFaultRule] = []
  /// Receipts that are held back, and the block that sets them free.
  private var withheld: [Hash32: UInt64] = [:]
  /// Whether no block is made, but for one that is asked for.
  var isProductionStalled = false

  mutating func add(_ rule: ChainFaultRule) { rules.append(rule) }

  mutating func clear() { self = ChainFaults() }

  /// Whether the pool is to forget a transaction.
  mutating func takeDrop(for sent: SentTransaction) -> Bool {
    take(sender: sent.sender) { $0 == .drop } != nil
  }

  /// The revert that is forced on a transaction, when others of the same block come before it.
  func revert(for sent: SentTransaction, after others: [SentTransaction]) -> Revert? {
    var copy = self
    for other in others { copy.useRevert(for: other) }
    return copy.useRevert(for: sent)
  }

  /// Uses up what applied to a mined transaction, and decides about its receipt.
  mutating func transactionWasMined(_ sent: SentTransaction, in block: UInt64) {
    useRevert(for: sent)
    let fault = take(sender: sent.sender) { fault in
      switch fault {
      case .withholdReceipt, .loseReceipt: true
      default: false
      }
    }
    switch fault {
    case .withholdReceipt(let blocks): withheld[sent.hash] = block.addingUpTo(blocks)
    case .loseReceipt: withheld[sent.hash] = .max
    default: break
    }
  }

  /// Whether a receipt is held back at a height.
  func withholdsReceipt(of hash: Hash32, at height: UInt64) -> Bool {
    withheld[hash].map { height < $0 } ?? false
  }

  /// The fault that meets a request: a refusal or a delay.
  mutating func takeRequestFault(method: String, sender: Address?) -> ChainFault? {
    take(method: method, sender: sender) { fault in
      switch fault {
      case .refuse, .delay: true
      default: false
      }
    }
  }

  @discardableResult
  private mutating func useRevert(for sent: SentTransaction) -> Revert? {
    let fault = take(sender: sent.sender) { fault in
      if case .revert = fault { true } else { false }
    }
    guard case .revert(let reason) = fault else { return nil }
    return Revert(reason)
  }

  /// Takes the first rule that is meant for a method and a sender.
  private mutating func take(
    method: String? = nil, sender: Address?, where isMeant: (ChainFault) -> Bool
  ) -> ChainFault? {
    let index = rules.firstIndex { rule in
      isMeant(rule.fault) && (rule.method == nil || method == nil || rule.method == method)
        && (rule.sender == nil || rule.sender == sender)
    }
    guard let index else { return nil }
    let fault = rules[index].fault
    switch rules[index].count {
    case 1: rules.remove(at: index)
    case let count?: rules[index].count = count - 1
    case nil: break
    }
    return fault
  }
}

import EthereumPrimitives
import PlumiseWire

extension Chain {
  /// The block that a reference names, or nil.
  func block(_ reference: BlockReference, now: UInt64) -> Block? {
    switch reference {
    case .hash(let hash): history[hash]
    case .tag(.latest), .tag(.safe), .tag(.finalized): latest
    case .tag(.earliest): history[0 as UInt64]
    case .tag(.number(let number)): history[number]
    case .tag(.pending): pendingBlock(now: now).block
    }
  }

  /// The state that a reference names.
  /// - Throws: geth's words when there is no such block, or its state is no longer kept.
  func view(_ reference: BlockReference, now: UInt64) throws -> View {
    if reference == .tag(.pending) {
      let pending = pendingBlock(now: now)
      return View(state: pending.state, block: pending.block)
    }
    guard let block = block(reference, now: now) else {
      if case .hash = reference { throw RPCFailure.refused("header for hash not found") }
      throw RPCFailure.refused("header not found")
    }
    // What tests changed since the latest block belongs to the latest state.
    if block.number == latest.number { return View(state: state, block: block) }
    guard let state = history.state(after: block.number) else {
      throw RPCFailure.refused(
        "missing trie node \(block.header.stateRoot.hex.dropFirst(2)) (path ) state "
          + "\(block.header.stateRoot.hex) is not available")
    }
    return View(state: state, block: block)
  }
}

extension JSON {
  /// A quantity.
  static func quantity(_ value: UInt64) -> JSON { .string(Quantity.encode(value)) }
  /// A quantity.
  static func quantity(_ value: Word) -> JSON { .string(Quantity.encode(value)) }
  /// Bytes in hexadecimal.
  static func hex(_ bytes: [UInt8]) -> JSON { .string(Hex.encode(bytes)) }
  /// An address in lower case.
  static func address(_ address: Address) -> JSON { .string(address.lowercaseHex) }
  /// A hash.
  static func hash(_ hash: Hash32) -> JSON { .string(hash.hex) }
}

import EthereumPrimitives
import PlumiseWire

/// Which requests a forked chain passes on, because they are about what was before the fork.
private enum Forwarding {
  /// A question about a block; the argument that names it.
  case block(Int)
  /// A question about the state after a block; the argument that names the block.
  case state(Int)
  /// A question about the transaction that the first argument names.
  case transaction

  static let table: [String: Forwarding] = [
    "eth_getBlockByNumber": .block(0), "eth_getBlockByHash": .block(0),
    "eth_getHeaderByNumber": .block(0), "eth_getHeaderByHash": .block(0),
    "eth_getBlockReceipts": .block(0),
    "eth_getBlockTransactionCountByNumber": .block(0),
    "eth_getBlockTransactionCountByHash": .block(0),
    "eth_getTransactionByBlockNumberAndIndex": .block(0),
    "eth_getTransactionByBlockHashAndIndex": .block(0),
    "eth_getRawTransactionByBlockNumberAndIndex": .block(0),
    "eth_getRawTransactionByBlockHashAndIndex": .block(0),
    "eth_getUncleCountByBlockNumber": .block(0), "eth_getUncleCountByBlockHash": .block(0),
    "eth_getUncleByBlockNumberAndIndex": .block(0), "eth_getUncleByBlockHashAndIndex": .block(0),
    "debug_getRawHeader": .block(0), "debug_getRawBlock": .block(0),
    "debug_getRawReceipts": .block(0), "debug_traceBlockByNumber": .block(0),
    "debug_traceBlockByHash": .block(0), "eth_feeHistory": .block(1),
    "eth_getBalance": .state(1), "eth_getCode": .state(1), "eth_getTransactionCount": .state(1),
    "eth_getStorageAt": .state(2), "eth_getProof": .state(2), "eth_call": .state(1),
    "eth_estimateGas": .state(1), "eth_createAccessList": .state(1), "debug_traceCall": .state(1),
    "eth_getTransactionByHash": .transaction, "eth_getTransactionReceipt": .transaction,
    "eth_getRawTransactionByHash": .transaction, "debug_getRawTransaction": .transaction,
    "debug_traceTransaction": .transaction,
  ]
}

extension Chain {
  /// The remote chain's answer to a request about what was before the fork; nil for a request that this
  /// chain answers itself.
  ///
  /// What the remote chain mined after the fork is not part of this chain.
  func forwardedAnswer(to request: RPCRequest) throws -> JSON? {
    guard let fork = state.fork, let forwarding = Forwarding.table[request.method] else {
      return nil
    }
    let arguments = GethArguments(request.params)
    switch forwarding {
    case .block(let position):
      guard let (reference, number) = try reference(arguments, position, on: fork),
        number <= fork.number
      else { return nil }
      return fork.answer(
        request.method, request.params.naming(number, insteadOf: reference, at: position))
    case .state(let position):
      let (reference, number) =
        try reference(arguments, position, on: fork) ?? (.tag(.latest), latest.number)
      if request.method == "eth_getProof" {
        guard reference.isExact, number <= fork.number else {
          throw RPCFailure.refused(
            "eth_getProof: a forked chain does not have the whole state, and cannot prove what was "
              + "after block \(fork.number): ask for that block or an earlier one")
        }
      } else if number >= fork.number {
        return nil
      }
      return fork.answer(
        request.method, request.params.naming(number, insteadOf: reference, at: position))
    case .transaction:
      let hash = try arguments.hash(0)
      if history.find(hash) != nil || pool[hash] != nil { return nil }
      let mined = fork.answer("eth_getTransactionByHash", [.hash(hash)])
      guard let number = mined.quantity("blockNumber"), number <= fork.number else { return nil }
      return fork.answer(request.method, request.params)
    }
  }

  /// The block that an argument names, and its height; nil when there is none, or it is not made yet.
  private func reference(
    _ arguments: GethArguments, _ position: Int, on fork: ForkedState
  ) throws -> (BlockReference, UInt64)? {
    guard let reference = try arguments.optional(position)?.blockReference() else { return nil }
    switch reference {
    case .tag(.pending): return nil
    case .tag(.latest), .tag(.safe), .tag(.finalized): return (reference, latest.number)
    case .tag(.earliest): return (reference, 0)
    case .tag(.number(let number)): return (reference, number)
    case .hash(let hash): return height(of: hash, on: fork).map { (reference, $0) }
    }
  }

  /// The height of a block of this chain, or of the remote one up to the fork.
  private func height(of hash: Hash32, on fork: ForkedState) -> UInt64? {
    if let block = history[hash] { return block.number }
    let block = fork.answer("eth_getBlockByHash", [.hash(hash), false])
    return block.quantity("number").flatMap { $0 <= fork.number ? $0 : nil }
  }

  /// The remote chain's logs that a filter asks for.
  func remoteLogs(_ filter: FilterArguments) throws -> [JSON] {
    guard let fork = state.fork else { return [] }
    var criteria: JSONObject = [:]
    for name in ["address", "topics"] { criteria[name] = filter.criteria[name] }
    if let hash = filter.blockHash {
      guard let number = height(of: hash, on: fork) else {
        throw RPCFailure.refused("unknown block")
      }
      guard number <= fork.number else { return [] }
      criteria["blockHash"] = .hash(hash)
    } else {
      guard filter.from != .pending else { return [] }
      let first = filter.height(filter.from, on: self)
      let last = min(filter.height(filter.to, on: self), fork.number)
      guard first <= last else { return [] }
      criteria["fromBlock"] = .quantity(first)
      criteria["toBlock"] = .quantity(last)
    }
    // No array stands for an answer that is not fetched yet.
    return fork.answer("eth_getLogs", [.object(criteria)]).arrayValue ?? []
  }
}

extension [JSON] {
  /// The arguments with the height in the place of a name that means another block at the remote chain.
  fileprivate func naming(
    _ number: UInt64, insteadOf reference: BlockReference, at position: Int
  ) -> [JSON] {
    guard !reference.isExact, position < count else { return self }
    var changed = self
    changed[position] = .quantity(number)
    return changed
  }
}

extension JSON {
  /// A member that is a quantity; nil for null, as of a transaction that waits: anything else was
  /// refused when it was fetched.
  fileprivate func quantity(_ name: String) -> UInt64? {
    self[name].flatMap { try? GethValue(json: $0, position: 0).uint64() }
  }
}

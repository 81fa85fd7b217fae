import EthereumPrimitives

/// The chain of blocks, with what is looked up in it: by height, by hash, by transaction.
struct BlockHistory {
  /// Where a transaction was mined.
  struct Location: Hashable {
    let blockNumber: UInt64
    let index: Int
  }

  /// How many blocks keep the state they left behind, as geth does without an archive.
  static let retainedStates = 128

  private(set) var blocks: [Block]
  private var numbers: [Hash32: UInt64]
  private var locations: [Hash32: Location] = [:]
  /// The states of the latest blocks, the oldest first.
  private var states: [WorldState]

  init(genesis: Block, state: WorldState) {
    blocks = [genesis]
    numbers = [genesis.hash: 0]
    states = [state]
  }

  var latest: Block { blocks[blocks.endIndex - 1] }

  subscript(number: UInt64) -> Block? {
    number < UInt64(blocks.count) ? blocks[Int(number)] : nil
  }

  subscript(hash: Hash32) -> Block? { numbers[hash].flatMap { self[$0] } }

  /// The state after a block; nil when it is too old.
  func state(after number: UInt64) -> WorldState? {
    let index = Int(number) - (blocks.count - states.count)
    return states.indices.contains(index) ? states[index] : nil
  }

  /// The block and the position of a mined transaction.
  func find(_ transaction: Hash32) -> (block: Block, index: Int)? {
    guard let location = locations[transaction], let block = self[location.blockNumber] else {
      return nil
    }
    return (block, location.index)
  }

  mutating func append(_ block: Block, state: WorldState) {
    precondition(block.header.parentHash == latest.hash, "block \(block.number) has no parent here")
    blocks.append(block)
    numbers[block.hash] = block.number
    for (index, transaction) in block.transactions.enumerated() {
      locations[transaction.hash] = Location(blockNumber: block.number, index: index)
    }
    states.append(state)
    // Dropping them one by one would move the rest every time.
    if states.count >= 2 * Self.retainedStates {
      states.removeFirst(states.count - Self.retainedStates)
    }
  }

  /// How many of the latest blocks can be taken off.
  var removableCount: Int { min(states.count, blocks.count) - 1 }

  /// Takes the latest blocks off again.
  /// - Returns: the blocks, the latest first; nil, and nothing changes, when the state below them
  ///   is no longer kept.
  mutating func removeLast(_ count: Int) -> [Block]? {
    guard count < states.count else { return nil }
    var removed: [Block] = []
    for _ in 0..<count {
      let block = blocks.removeLast()
      states.removeLast()
      numbers[block.hash] = nil
      for transaction in block.transactions { locations[transaction.hash] = nil }
      removed.append(block)
    }
    return removed
  }
}

import EthereumPrimitives

/// The chain of blocks, with what is looked up in it: by height, by hash, by transaction.
///
/// The latest blocks are kept as they are, with the states they left behind; the others packed.
struct BlockHistory {
  /// How many blocks keep the state they left behind, as geth does without an archive.
  static let retainedStates = 128
  /// No more blocks than this can be taken off, whenever that is.
  static let mostRemovable = UInt64(2 * retainedStates)

  private var packed: [PackedBlock] = []
  private var recent: [Block]
  /// The states after the recent blocks.
  private var states: [WorldState]
  private var numbers = HashIndex()
  /// Of each transaction the height of its block and its position there.
  private var locations = HashIndex()

  init(genesis: Block, state: WorldState) {
    recent = [genesis]
    states = [state]
    numbers.insert(genesis.hash, 0)
  }

  var count: Int { packed.count + recent.count }

  var genesis: Block { packed.first?.unpacked() ?? recent[0] }

  var latest: Block { recent[recent.endIndex - 1] }

  subscript(number: UInt64) -> Block? {
    guard number < UInt64(count) else { return nil }
    let index = Int(number) - packed.count
    return index < 0 ? packed[Int(number)].unpacked() : recent[index]
  }

  subscript(hash: Hash32) -> Block? {
    guard let block = numbers[hash].flatMap({ self[$0] }), block.hash == hash else { return nil }
    return block
  }

  /// Every block, the first one first; old ones are unpacked as they come.
  var blocks: some Sequence<Block> { (0..<UInt64(count)).lazy.compactMap { self[$0] } }

  /// Whether a block may have logs that a query asks for; false is certain, and quick.
  func mayMatch(_ query: LogQuery, at number: UInt64) -> Bool {
    guard number < UInt64(packed.count) else { return true }
    return packed[Int(number)].logsBloom.map(query.mayMatch) ?? false
  }

  /// The state after a block; nil when it is too old.
  func state(after number: UInt64) -> WorldState? {
    guard number >= UInt64(packed.count), number < UInt64(count) else { return nil }
    return states[Int(number) - packed.count]
  }

  /// The block and the position of a mined transaction.
  func find(_ transaction: Hash32) -> (block: Block, index: Int)? {
    guard let location = locations[transaction], let block = self[location >> 24] else {
      return nil
    }
    let index = Int(location & 0xff_ffff)
    guard block.transactions.indices.contains(index),
      block.transactions[index].hash == transaction
    else { return nil }
    return (block, index)
  }

  mutating func append(_ block: Block, state: WorldState) {
    precondition(block.header.parentHash == latest.hash, "block \(block.number) has no parent here")
    precondition(block.transactions.count < 1 << 24, "a block has fewer than 2²⁴ transactions")
    recent.append(block)
    states.append(state)
    numbers.insert(block.hash, block.number)
    for (index, transaction) in block.transactions.enumerated() {
      locations.insert(transaction.hash, block.number << 24 | UInt64(index))
    }
    // Moving them one by one would move the rest every time.
    if recent.count >= 2 * Self.retainedStates {
      let old = recent.count - Self.retainedStates
      packed += recent.prefix(old).map(PackedBlock.init)
      recent.removeFirst(old)
      states.removeFirst(old)
    }
  }

  /// How many of the latest blocks can be taken off.
  var removableCount: Int { recent.count - 1 }

  /// Takes the latest blocks off again.
  /// - Returns: the blocks, the latest first; nil, and nothing changes, when the state below them
  ///   is no longer kept.
  mutating func removeLast(_ count: Int) -> [Block]? {
    guard count <= removableCount else { return nil }
    var removed: [Block] = []
    for _ in 0..<count {
      let block = recent.removeLast()
      states.removeLast()
      numbers.remove(block.hash)
      for transaction in block.transactions { locations.remove(transaction.hash) }
      removed.append(block)
    }
    return removed
  }
}

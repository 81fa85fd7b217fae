import EVM
import EthereumPrimitives

/// The chain of blocks, with what is looked up in it: by height, by hash, by transaction.
///
/// The latest blocks are kept as they are, with the states they left behind; the others packed.
struct BlockHistory {
  /// How many blocks keep the state they left behind, as geth does without an archive.
  static let retainedStates = 128
  /// No more blocks than this can be taken off, whenever that is.
  static let maximumRemovable = UInt64(2 * retainedStates)

  /// The height of the first block: 0, but on a forked chain.
  let first: UInt64
  private var packed: [PackedBlocks] = []
  private var recent: [Block]
  /// The states after the recent blocks.
  private var states: [WorldState]
  /// The state after the first block, which is never dropped (go-ethereum writes it to its database).
  private let firstState: WorldState
  private var numbers = HashIndex()
  /// Of each transaction the height of its block.
  private var locations = HashIndex()

  init(genesis: Block, state: WorldState) {
    first = genesis.number
    recent = [genesis]
    states = [state]
    firstState = state
    numbers.insert(genesis.hash, 0)
  }

  var count: Int { packedCount + recent.count }

  private var packedCount: Int { packed.count * PackedBlocks.count }

  var genesis: Block { packed.first?.block(at: 0) ?? recent[0] }

  var latest: Block { recent[recent.endIndex - 1] }

  subscript(number: UInt64) -> Block? {
    guard number >= first, number - first < UInt64(count) else { return nil }
    return self[offset: Int(number - first)]
  }

  /// A block by how many there are before it.
  private subscript(offset offset: Int) -> Block {
    let index = offset - packedCount
    guard index < 0 else { return recent[index] }
    return packed[offset / PackedBlocks.count].block(at: offset % PackedBlocks.count)
  }

  /// The hash of the block at a height; nil when there is none.
  ///
  /// The next block has it, also where it is packed: bytecode asks for many.
  func hash(of number: UInt64) -> Hash32? {
    guard number >= first, number - first < UInt64(count) else { return nil }
    let next = Int(number - first) + 1
    if next == count { return latest.hash }
    if next >= packedCount { return recent[next - packedCount].header.parentHash }
    return packed[next / PackedBlocks.count].parentHash(at: next % PackedBlocks.count)
  }

  subscript(hash: Hash32) -> Block? {
    guard let block = numbers[hash].map({ self[offset: $0] }), block.hash == hash else {
      return nil
    }
    return block
  }

  /// Every block, the first one first; old ones are unpacked as they come.
  var blocks: some Sequence<Block> { (first..<first + UInt64(count)).lazy.compactMap { self[$0] } }

  /// Whether a block may have logs that a query asks for; false is certain, and quick.
  func mayMatch(_ query: LogQuery, at number: UInt64) -> Bool {
    guard number >= first else { return false }
    guard number - first < UInt64(packedCount) else { return true }
    let offset = Int(number - first)
    return packed[offset / PackedBlocks.count].logsBloom(at: offset % PackedBlocks.count)
      .map(query.mayMatch) ?? false
  }

  /// The state after a block; nil when it is too old.
  func state(after number: UInt64) -> WorldState? {
    guard number >= first, number - first < UInt64(count) else { return nil }
    let index = Int(number - first) - packedCount
    return index < 0 ? nil : states[index]
  }

  /// The state after a block that a question may be about: the first one's and those of the latest
  /// 128, as in go-ethereum without an archive.
  ///
  /// Some older ones are kept for blocks to be taken off.
  func visibleState(after number: UInt64) -> WorldState? {
    if number == first { return firstState }
    guard number.addingSaturating(UInt64(Self.retainedStates)) > latest.number else { return nil }
    return state(after: number)
  }

  /// The block and the position of a mined transaction.
  func find(_ transaction: Hash32) -> (block: Block, index: Int)? {
    guard let block = locations[transaction].map({ self[offset: $0] }),
      let index = block.transactions.firstIndex(where: { $0.hash == transaction })
    else { return nil }
    return (block, index)
  }

  mutating func append(_ block: Block, state: WorldState) {
    precondition(block.header.parentHash == latest.hash, "block \(block.number) has no parent here")
    numbers.insert(block.hash, count)
    for transaction in block.transactions { locations.insert(transaction.hash, count) }
    recent.append(block)
    states.append(state)
    // Moving them one by one would move the rest every time.
    if recent.count == Self.retainedStates + PackedBlocks.count {
      packed.append(PackedBlocks(recent.prefix(PackedBlocks.count), isBeginning: packed.isEmpty))
      recent.removeFirst(PackedBlocks.count)
      states.removeFirst(PackedBlocks.count)
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

/// A table from hashes to numbers that keeps 32 bits of each hash: a long chain has one for every
/// block and every transaction.
///
/// What is found has to be compared with the hash that was asked for, since two may agree in what
/// is kept.
struct HashIndex {
  private var places: [UInt32: UInt32] = [:]
  /// Hashes that agree with an earlier one in what is kept of it.
  private var collisions: [Hash32: UInt32] = [:]

  private static func key(_ hash: Hash32) -> UInt32 { UInt32(truncatingIfNeeded: hash.word.limb0) }

  /// The number of a hash, or of another one that looks alike; nil when there is neither.
  subscript(hash: Hash32) -> Int? { (collisions[hash] ?? places[Self.key(hash)]).map(Int.init) }

  mutating func insert(_ hash: Hash32, _ number: Int) {
    if places[Self.key(hash)] == nil {
      places[Self.key(hash)] = UInt32(number)
    } else {
      collisions[hash] = UInt32(number)
    }
  }

  /// Takes out a hash that is in.
  mutating func remove(_ hash: Hash32) {
    if collisions.removeValue(forKey: hash) == nil { places[Self.key(hash)] = nil }
  }
}

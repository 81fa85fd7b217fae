import EthereumPrimitives

/// One step in the life of a chain; replaying all of them gives the same chain, hash for hash.
enum ChainEvent: Hashable, Sendable {
  /// A block was made of these transactions; the reverts that a fault forced are by position.
  case block(timestamp: UInt64, transactions: [[UInt8]], forced: [Int: [UInt8]], hash: Hash32)
  /// A transaction came and still waits.
  case waiting([UInt8])
  /// A transaction that waited was taken out.
  case dropped(Hash32)
  /// A test changed the state.
  case edit(StateEdit.Change)
  /// The clock was moved, or blocks are made in another way from here on.
  case settings(ChainSettings)

  init(_ block: Block) {
    self = .block(
      timestamp: block.header.timestamp, transactions: block.transactions.map(\.signed.raw),
      forced: block.forcedReverts.mapValues(\.output), hash: block.hash)
  }
}

/// What is neither state nor block, and survives all the same.
struct ChainSettings: Hashable, Sendable {
  /// Seconds that the chain is ahead of the time it is given.
  var clockOffset: Int64 = 0
  /// The timestamp that was set for the next block, in seconds since 1970.
  var nextTimestamp: UInt64?
  /// Whether a block is made for each transaction.
  var isAutomatic = true
  /// Whole milliseconds from block to block; nil for no blocks by time.
  var intervalMilliseconds: Int64?
}

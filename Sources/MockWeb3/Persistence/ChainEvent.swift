import EthereumPrimitives

/// One step in the life of a chain; replaying all of them gives the same chain, hash for hash.
enum ChainEvent: Hashable, Sendable {
  /// A block was made of these transactions; the reverts that a fault forced are by position, and
  /// the base fee is told when it was set.
  case block(
    timestamp: UInt64, transactions: [[UInt8]], forced: [Int: [UInt8]], baseFee: Word?,
    hash: Hash32)
  /// A transaction came and still waits.
  case waiting([UInt8])
  /// A transaction that waited was taken out.
  case dropped(Hash32)
  /// A test changed the state.
  case edit(StateEdit.Change)
  /// The clock was moved, or blocks are made in another way from here on.
  case settings(ChainSettings)
  /// Nothing waits any more.
  case emptied
  /// The chain is again what it was after an earlier step; steps count from 1 in the order in which
  /// the file has them, and 0 is the beginning. This is no step itself.
  case takenBack(to: Int)

  init(_ block: Block, after parent: Block) {
    let fee = block.header.baseFeePerGas
    self = .block(
      timestamp: block.header.timestamp, transactions: block.transactions.map(\.signed.raw),
      forced: block.forcedReverts.mapValues(\.output),
      baseFee: fee == BaseFee.next(after: parent.header) ? nil : fee, hash: block.hash)
  }
}

/// What is neither state nor block, and survives all the same.
struct ChainSettings: Hashable, Sendable {
  /// Seconds that the chain is ahead of the time it is given.
  var clockOffset: Int64 = 0
  /// The timestamp that was set for the next block, in seconds since 1970.
  var nextTimestamp: UInt64?
  /// The base fee that was set for the next block, in wei a unit of gas.
  var nextBaseFee: Word?
  /// Whether a block is made for each transaction.
  var isAutomatic = true
  /// Whole milliseconds from block to block; nil for no blocks by time.
  var intervalMilliseconds: Int64?
}

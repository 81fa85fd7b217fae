import EthereumPrimitives

/// One step in the life of a chain; replaying all of them gives the same chain, hash for hash.
enum ChainEvent: Hashable, Sendable {
  /// A block was made of these transactions; the reverts that a fault forced are by position.
  case block(timestamp: UInt64, transactions: [[UInt8]], forced: [Int: [UInt8]], hash: Hash32)
  /// A transaction came and still waits.
  case waiting([UInt8])
  /// A transaction that waited was taken out.
  case dropped(Hash32)
  /// A test set a balance, in wei.
  case balance(Address, Word)
  /// A test set a nonce.
  case nonce(Address, UInt64)
  /// The clock was moved, or blocks are made in another way from here on.
  case settings(ChainSettings)
}

/// What is neither state nor block, and survives all the same.
struct ChainSettings: Hashable, Sendable {
  /// Seconds that the chain is ahead of the time it is given.
  var clockOffset: UInt64 = 0
  /// Whether a block is made for each transaction.
  var isAutomatic = true
  /// Whole milliseconds from block to block; nil for no blocks by time.
  var intervalMilliseconds: Int64?
}

/// All steps of a chain since its first block.
///
/// It is part of the chain, so that a snapshot brings it back with everything else.
struct ChainRecord {
  private(set) var events: [ChainEvent] = []
  /// Changes when steps were taken back: a file that was written before is then no beginning of
  /// this record, however long both are.
  private(set) var lineage: UInt64 = 0
  private var settings: ChainSettings?

  mutating func append(_ event: ChainEvent) { events.append(event) }

  /// Notes the settings when they are others than before.
  mutating func note(_ settings: ChainSettings) {
    guard settings != self.settings else { return }
    // The settings that a chain starts with are its configuration's.
    if self.settings != nil { events.append(.settings(settings)) }
    self.settings = settings
  }

  /// Makes sure that no file takes this record for the sequel of another.
  mutating func startLineage(after other: UInt64) { lineage = max(lineage, other) + 1 }

  /// Takes the latest blocks back, with all that came after the block below them.
  mutating func removeBlocks(_ count: Int) {
    lineage += 1
    var left = count
    while left > 0, let event = events.popLast() {
      if case .block = event { left -= 1 }
    }
    // What tests changed between the block below and the first that is gone goes as well.
    while let event = events.last {
      if case .block = event { break }
      events.removeLast()
    }
    // Clock and mining mode stay as they are.
    if let settings { events.append(.settings(settings)) }
  }
}

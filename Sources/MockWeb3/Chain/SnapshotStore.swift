/// The chain's snapshots; each is a whole chain, and reverting to one drops those made later.
///
/// Bounded, since each keeps tables of every block and transaction: of too many the oldest goes.
struct SnapshotStore {
  private struct Snapshot {
    let id: UInt64
    let chain: Chain
    /// The chain's time when it was made, in seconds since 1970.
    let time: UInt64
  }

  /// How many snapshots are kept.
  static let limit = 1000

  private var nextID: UInt64 = 1
  private var kept: [Snapshot] = []

  fileprivate mutating func add(_ chain: Chain, time: UInt64) -> UInt64 {
    defer { nextID += 1 }
    if kept.count >= Self.limit { kept.removeFirst() }
    kept.append(Snapshot(id: nextID, chain: chain, time: time))
    return nextID
  }

  /// The chain of a snapshot, which stays usable, and its time.
  fileprivate mutating func take(_ id: UInt64) -> (chain: Chain, time: UInt64)? {
    guard let index = kept.firstIndex(where: { $0.id == id }) else { return nil }
    kept.removeSubrange((index + 1)...)
    return (kept[index].chain, kept[index].time)
  }
}

extension Chain {
  /// Keeps everything as it is: state, blocks, pool, clock, mining mode and filters.
  package mutating func snapshot(now: UInt64) -> UInt64 {
    var copy = self
    copy.snapshots = SnapshotStore()
    return snapshots.add(copy, time: clock.time(now: now))
  }

  /// Goes back to a snapshot, in time as well; the same snapshot can be gone back to again.
  /// - Returns: false when there is no such snapshot.
  package mutating func revert(to id: UInt64, now: UInt64) -> Bool {
    var store = snapshots
    guard let (kept, time) = store.take(id) else { return false }
    var chain = kept
    chain.snapshots = store
    // Faults are the test's, not the chain's.
    chain.faults = faults
    chain.clock.set(to: time, now: now)
    comeBack(as: chain)
    return true
  }
}

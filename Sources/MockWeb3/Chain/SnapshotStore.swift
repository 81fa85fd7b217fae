/// The chain's snapshots; each is a whole chain, and reverting to one drops those made later.
struct SnapshotStore {
  private var nextID: UInt64 = 1
  private var kept: [(id: UInt64, chain: Chain)] = []

  fileprivate mutating func add(_ chain: Chain) -> UInt64 {
    defer { nextID += 1 }
    kept.append((nextID, chain))
    return nextID
  }

  /// The chain of a snapshot, which stays usable.
  fileprivate mutating func take(_ id: UInt64) -> Chain? {
    guard let index = kept.firstIndex(where: { $0.id == id }) else { return nil }
    kept.removeSubrange((index + 1)...)
    return kept[index].chain
  }
}

extension Chain {
  /// Keeps everything as it is: state, blocks, pool, clock, mining mode and filters.
  package mutating func snapshot() -> UInt64 {
    var copy = self
    copy.snapshots = SnapshotStore()
    return snapshots.add(copy)
  }

  /// Goes back to a snapshot; the same snapshot can be gone back to again.
  /// - Returns: false when there is no such snapshot.
  package mutating func revert(to id: UInt64) -> Bool {
    var store = snapshots
    guard var chain = store.take(id) else { return false }
    chain.snapshots = store
    // Faults are the test's, not the chain's.
    chain.faults = faults
    self = chain
    return true
  }
}

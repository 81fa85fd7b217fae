/// The journal's state; effects (resuming a wait) are handed back to run after the lock.
struct JournalState<Entry: Sendable> {
  typealias Effect = @Sendable () -> Void

  struct Waiter {
    let id: UInt64
    let needed: Int
    let position: Int
    let predicate: @Sendable (Entry) -> Bool
    let continuation: CheckedContinuation<[Entry], any Error>
    var found: [Entry] = []

    /// Looks at one entry; true when the wait is over.
    mutating func see(_ entry: Entry, at position: Int) -> Bool {
      if position >= self.position && predicate(entry) { found.append(entry) }
      return found.count >= needed
    }

    var succeed: Effect {
      let (continuation, found) = (continuation, found)
      return { continuation.resume(returning: found) }
    }

    var fail: Effect {
      let continuation = continuation
      return { continuation.resume(throwing: CancellationError()) }
    }
  }

  let capacity: Int
  private(set) var count = 0
  /// A ring: the entry at a position stands at that position modulo the capacity.
  private var ring: [Entry] = []
  private var waiters: [Waiter] = []
  private var nextWaiterID: UInt64 = 0
  /// Waits that have a number but have not begun, and whether they were cancelled already.
  private var onTheirWay: [UInt64: Bool] = [:]

  init(capacity: Int) {
    self.capacity = capacity
  }

  private var keptPositions: Range<Int> { (count - ring.count)..<count }

  /// The entries that are kept, oldest first.
  var kept: [Entry] { keptPositions.map { ring[$0 % capacity] } }

  mutating func append(_ entry: Entry) -> [Effect] {
    let position = count
    count += 1
    if ring.count < capacity {
      ring.append(entry)
    } else {
      ring[position % capacity] = entry
    }
    var effects: [Effect] = []
    for index in waiters.indices.reversed() where waiters[index].see(entry, at: position) {
      effects.append(waiters.remove(at: index).succeed)
    }
    return effects
  }

  mutating func makeWaiterID() -> UInt64 {
    nextWaiterID += 1
    onTheirWay[nextWaiterID] = false
    return nextWaiterID
  }

  mutating func addWaiter(_ waiter: Waiter) -> Effect? {
    var waiter = waiter
    if onTheirWay.removeValue(forKey: waiter.id) == true { return waiter.fail }
    if waiter.needed <= 0 { return waiter.succeed }
    for position in keptPositions where waiter.see(ring[position % capacity], at: position) {
      return waiter.succeed
    }
    waiters.append(waiter)
    return nil
  }

  mutating func cancelWaiter(_ id: UInt64) -> Effect? {
    if let index = waiters.firstIndex(where: { $0.id == id }) {
      return waiters.remove(at: index).fail
    }
    // A wait that is over already has nothing left to cancel.
    if onTheirWay[id] != nil { onTheirWay[id] = true }
    return nil
  }
}

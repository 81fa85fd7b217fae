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
  private let byteLimit: Int
  private(set) var count = 0
  /// The position of the oldest entry that is kept.
  private var first = 0
  /// A ring: the entry at a position stands at that position modulo the capacity.
  private var ring: [(entry: Entry, weight: Int)?] = []
  /// What the entries that are kept weigh together.
  private(set) var weight = 0
  private var waiters: [Waiter] = []
  private var nextWaiterID: UInt64 = 0
  /// Waits that have a number but have not begun, and whether they were cancelled already.
  private var onTheirWay: [UInt64: Bool] = [:]

  init(capacity: Int, byteLimit: Int = .max) {
    self.capacity = capacity
    self.byteLimit = byteLimit
  }

  /// How many entries are kept.
  var keptCount: Int { count - first }

  /// The entries that are kept, oldest first.
  var kept: [Entry] { (first..<count).compactMap { ring[$0 % capacity]?.entry } }

  mutating func append(_ entry: Entry, weight added: Int = 0) -> [Effect] {
    let position = count
    if position - first == capacity { dropFirst() }
    // A weight that no sum can hold is over the limit like any other that is too large.
    while first < position, added > byteLimit - weight { dropFirst() }
    count += 1
    weight += min(added, byteLimit)
    let slot = (entry: entry, weight: min(added, byteLimit))
    if ring.count < capacity { ring.append(slot) } else { ring[position % capacity] = slot }
    var effects: [Effect] = []
    for index in waiters.indices.reversed() where waiters[index].see(entry, at: position) {
      effects.append(waiters.remove(at: index).succeed)
    }
    return effects
  }

  private mutating func dropFirst() {
    weight -= ring[first % capacity]?.weight ?? 0
    ring[first % capacity] = nil
    first += 1
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
    for position in first..<count {
      if let slot = ring[position % capacity], waiter.see(slot.entry, at: position) {
        return waiter.succeed
      }
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

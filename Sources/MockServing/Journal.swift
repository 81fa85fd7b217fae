import Synchronization

/// What a service saw and did, in order: bounded, and every test can wait for what it expects.
///
/// Entries have positions that count from 0 since the journal was made; when the journal is full
/// the oldest entry goes, and positions stay. A wait looks at the entries that are kept as well as
/// at those to come, so there is no race between doing something and starting to wait for it.
public final class Journal<Entry: Sendable>: Sendable {
  private let state: Mutex<JournalState<Entry>>

  private let weigh: @Sendable (Entry) -> Int

  /// Makes an empty journal.
  /// - Parameters:
  ///   - capacity: how many entries are kept.
  ///   - byteLimit: how much the entries that are kept may weigh together; the latest one is kept
  ///     whatever it weighs.
  ///   - weigh: about how many bytes an entry takes; nothing by default.
  public init(
    capacity: Int = 10_000, byteLimit: Int = .max,
    weigh: @escaping @Sendable (Entry) -> Int = { _ in 0 }
  ) {
    precondition(capacity > 0, "a journal keeps at least one entry")
    precondition(byteLimit > 0, "a journal keeps some bytes, not \(byteLimit)")
    self.weigh = weigh
    state = Mutex(JournalState(capacity: capacity, byteLimit: byteLimit))
  }

  /// Appends an entry, and ends the waits that it satisfies.
  public func record(_ entry: Entry) {
    let weight = weigh(entry)
    for resume in state.withLock({ $0.append(entry, weight: weight) }) { resume() }
  }

  /// The entries that are kept, oldest first.
  public var entries: [Entry] { state.withLock { $0.kept } }

  /// The entries that are kept and that a predicate accepts, oldest first.
  public func entries(where predicate: (Entry) -> Bool) -> [Entry] { entries.filter(predicate) }

  /// What the entries that are kept weigh together, about, in bytes.
  public var byteCount: Int { state.withLock { $0.weight } }

  /// How many entries are kept.
  public var keptCount: Int { state.withLock { $0.keptCount } }

  /// How many entries were recorded since the journal was made; the next entry's position.
  public var count: Int { state.withLock { $0.count } }

  /// The first entry at or after a position that a predicate accepts; waits for it if need be.
  /// - Parameters:
  ///   - position: where to look from; 0 looks at everything that is kept.
  ///   - predicate: what is looked for.
  /// - Throws: `CancellationError` when the task is cancelled before such an entry comes.
  public func next(
    after position: Int = 0, where predicate: @escaping @Sendable (Entry) -> Bool = { _ in true }
  ) async throws -> Entry {
    let found = try await wait(forCount: 1, after: position, where: predicate)
    return found[0]
  }

  /// The first `count` entries at or after a position that a predicate accepts; waits until there
  /// are so many.
  /// - Throws: `CancellationError` when the task is cancelled before they are there.
  @discardableResult
  public func wait(
    forCount count: Int, after position: Int = 0,
    where predicate: @escaping @Sendable (Entry) -> Bool = { _ in true }
  ) async throws -> [Entry] {
    let id = state.withLock { $0.makeWaiterID() }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let resume = state.withLock {
          $0.addWaiter(
            .init(
              id: id, needed: count, position: position, predicate: predicate,
              continuation: continuation))
        }
        resume?()
      }
    } onCancel: {
      state.withLock { $0.cancelWaiter(id) }?()
    }
  }
}

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

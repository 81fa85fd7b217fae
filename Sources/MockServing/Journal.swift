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

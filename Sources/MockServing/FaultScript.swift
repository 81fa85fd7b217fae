import Synchronization

/// The faults that a server applies: each to the requests it is meant for, so many times.
///
/// A request meets the first fault, in the order they were added, whose predicate accepts it and
/// which has uses left; that fault then has one use less. Everything else is served as usual.
public final class FaultScript: Sendable {
  private struct Entry {
    let id: Int
    let fault: Fault
    var uses: Int?
    let accepts: @Sendable (WebRequest) -> Bool
  }

  private struct State {
    var entries: [Entry] = []
    var added = 0

    /// Takes one use of an entry; false when it has none left.
    mutating func use(_ id: Int) -> Bool {
      guard let index = entries.firstIndex(where: { $0.id == id }) else { return false }
      if let uses = entries[index].uses {
        entries[index].uses = uses - 1
        if uses == 1 { entries.remove(at: index) }
      }
      return true
    }
  }

  private let state = Mutex(State())
  /// The requests that met a fault, in order; a test waits here until one has.
  public let met = Journal<WebRequest>()
  /// The clock that ``Fault/delay(_:)`` waits on.
  public let clock: any Clock<Duration>

  /// Makes an empty script.
  /// - Parameter clock: what delays are measured on; a test's own clock makes them exact.
  public init(clock: any Clock<Duration> = ContinuousClock()) {
    self.clock = clock
  }

  /// Adds a fault at the end of the script.
  /// - Parameters:
  ///   - fault: what goes wrong.
  ///   - times: how many requests it meets; `nil` for all of them.
  ///   - predicate: which requests it is meant for; by default every one.
  public func add(
    _ fault: Fault, times: Int? = 1,
    where predicate: @escaping @Sendable (WebRequest) -> Bool = { _ in true }
  ) {
    precondition(times.map { $0 > 0 } ?? true, "a fault is used at least once")
    state.withLock {
      $0.entries.append(Entry(id: $0.added, fault: fault, uses: times, accepts: predicate))
      $0.added += 1
    }
  }

  /// Takes every fault back.
  public func clear() {
    state.withLock { $0.entries = [] }
  }

  /// Whether no fault is left that could still meet a request.
  public var isExhausted: Bool { state.withLock { $0.entries.isEmpty } }

  /// Takes the fault for a request, if one is meant for it.
  public func take(for request: WebRequest) -> Fault? {
    // Predicates are the caller's code and run outside the lock; another request may take an
    // entry's last use meanwhile, and then the search goes on.
    for candidate in state.withLock({ $0.entries }) where candidate.accepts(request) {
      if state.withLock({ $0.use(candidate.id) }) {
        met.record(request)
        return candidate.fault
      }
    }
    return nil
  }
}

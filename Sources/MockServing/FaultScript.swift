import Synchronization

/// The faults that a server applies: each to the requests it is meant for, so many times.
///
/// A request meets the first fault, in the order they were added, whose predicate accepts it and
/// which has uses left; that fault then has one use less. Everything else is served as usual. Where
/// a fault leaves something to chance, the script's seed decides: the same requests in the same order
/// meet the same faults.
public final class FaultScript: Sendable {
  private struct Entry {
    let id: Int
    let rule: FaultRule
    /// How many requests it meets yet; nil for all.
    var uses: Int?
    /// How many requests it lets pass yet.
    var passes: Int
  }

  private struct State {
    var entries: [Entry] = []
    var added = 0
    var chance: SeededChance

    /// Takes one use of an entry; false when it has none left, or lets the request pass.
    mutating func use(_ id: Int) -> Bool {
      guard let index = entries.firstIndex(where: { $0.id == id }) else { return false }
      if entries[index].passes > 0 {
        entries[index].passes -= 1
        return false
      }
      let likelihood = entries[index].rule.likelihood
      if likelihood < 1, chance.unit() >= likelihood { return false }
      if let uses = entries[index].uses {
        entries[index].uses = uses - 1
        if uses == 1 { entries.remove(at: index) }
      }
      return true
    }
  }

  private let state: Mutex<State>
  /// The requests that met a fault, in order; a test waits here until one has.
  ///
  /// It holds 10 000 of them, or 16 MiB, whichever is less.
  public let met = Journal<WebRequest>(byteLimit: 16 << 20) { $0.byteCount }
  /// The clock that ``Fault/delay(_:)`` and ``Fault/slowBody(_:)`` wait on.
  public let clock: any Clock<Duration>

  /// Makes an empty script.
  /// - Parameters:
  ///   - clock: what delays are measured on; a test's own clock makes them exact.
  ///   - seed: what decides where a fault is likely and not certain.
  public init(clock: any Clock<Duration> = ContinuousClock(), seed: UInt64 = 0) {
    self.clock = clock
    state = Mutex(State(chance: SeededChance(seed: seed)))
  }

  /// Adds a fault at the end of the script.
  /// - Parameters:
  ///   - fault: what goes wrong.
  ///   - times: how many requests it meets; `nil` for all of them.
  ///   - passes: how many requests that it is meant for it lets pass first.
  ///   - likelihood: how likely it is to meet each of them after that, above 0 and up to 1.
  ///   - predicate: which requests it is meant for; by default every one.
  /// - Returns: a number by which it can be taken back.
  @discardableResult
  public func add(
    _ fault: Fault, times: Int? = 1, after passes: Int = 0, likelihood: Double = 1,
    where predicate: @escaping @Sendable (WebRequest) -> Bool = { _ in true }
  ) -> Int {
    add(FaultRule(fault, times: times, after: passes, likelihood: likelihood, where: predicate))
  }

  /// Adds a fault, with the requests that it meets, at the end of the script.
  /// - Returns: a number by which it can be taken back.
  @discardableResult
  public func add(_ rule: FaultRule) -> Int {
    state.withLock { state in
      state.entries.append(
        Entry(id: state.added, rule: rule, uses: rule.times, passes: rule.passes))
      defer { state.added += 1 }
      return state.added
    }
  }

  /// Begins chance anew: from here on the same requests in the same order meet the same faults.
  public func seed(_ seed: UInt64) {
    state.withLock { $0.chance = SeededChance(seed: seed) }
  }

  /// Takes one fault back.
  /// - Returns: whether it was there still.
  @discardableResult
  public func remove(_ id: Int) -> Bool {
    state.withLock { state in
      guard let index = state.entries.firstIndex(where: { $0.id == id }) else { return false }
      state.entries.remove(at: index)
      return true
    }
  }

  /// Takes every fault back.
  public func clear() {
    state.withLock { $0.entries = [] }
  }

  /// Whether no fault is left that could still meet a request.
  public var isExhausted: Bool { state.withLock { $0.entries.isEmpty } }

  /// The numbers of the faults that are left, with the uses that each has left.
  public var remaining: [(id: Int, uses: Int?)] {
    state.withLock { $0.entries.map { ($0.id, $0.uses) } }
  }

  /// Takes the fault for a request, if one is meant for it.
  public func take(for request: WebRequest) -> Fault? {
    // Predicates are the caller's code and run outside the lock; another request may take an
    // entry's last use meanwhile, and then the search goes on.
    for candidate in state.withLock({ $0.entries }) where candidate.rule.accepts(request) {
      if state.withLock({ $0.use(candidate.id) }) {
        met.record(request)
        return candidate.rule.fault
      }
    }
    return nil
  }
}

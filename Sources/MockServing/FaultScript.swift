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
    let fault: Fault
    var uses: Int?
    /// How many requests it lets pass first.
    var passes: Int
    /// How likely it is to meet a request, 0 to 1.
    let likelihood: Double
    let accepts: @Sendable (WebRequest) -> Bool
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
      let likelihood = entries[index].likelihood
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
  public let met = Journal<WebRequest>()
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
    precondition(times.map { $0 > 0 } ?? true, "a fault is used at least once")
    precondition(passes >= 0, "a fault lets \(passes) requests pass")
    precondition(likelihood > 0 && likelihood <= 1, "a likelihood of \(likelihood)")
    return state.withLock { state in
      state.entries.append(
        Entry(
          id: state.added, fault: fault, uses: times, passes: passes, likelihood: likelihood,
          accepts: predicate))
      defer { state.added += 1 }
      return state.added
    }
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
    for candidate in state.withLock({ $0.entries }) where candidate.accepts(request) {
      if state.withLock({ $0.use(candidate.id) }) {
        met.record(request)
        return candidate.fault
      }
    }
    return nil
  }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers for the same seed.
struct SeededChance {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// A number from 0 up to 1.
  mutating func unit() -> Double {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return Double((mixed ^ (mixed >> 31)) >> 11) * 0x1p-53
  }
}

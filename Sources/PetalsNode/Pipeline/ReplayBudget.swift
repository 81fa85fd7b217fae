import Bloom
import Synchronization

/// The accounts of the memory in which a client keeps what its nodes were sent.
final class ReplayBudget: Sendable {
  private let limit: Int
  private let used = Mutex(0)

  /// Accounts for `limit` bytes.
  init(limit: Int) { self.limit = limit }

  /// Bytes held now.
  var heldBytes: Int { used.withLock { $0 } }

  /// Holds memory for as long as the result lives; nil when there is not enough left.
  func hold(_ bytes: Int) -> Hold? {
    let fits = used.withLock { used in
      guard bytes <= limit - used else { return false }
      used += bytes
      return true
    }
    return fits ? Hold(bytes: bytes, budget: self) : nil
  }

  /// Memory that is given back when nobody refers to it.
  final class Hold: Sendable {
    private let bytes: Int
    private let budget: ReplayBudget

    fileprivate init(bytes: Int, budget: ReplayBudget) {
      self.bytes = bytes
      self.budget = budget
    }

    deinit { budget.used.withLock { $0 -= bytes } }
  }
}

/// What a node was sent in a session, to be sent again to the one that takes its place.
struct ReplayLog: Sendable {
  private let hold: ReplayBudget.Hold
  private let hidden: Int
  /// Row-major `[tokens, hidden]`.
  private var values: [Float] = []

  /// A log with room for `tokens`, which is accounted for from the start; nil where there is none.
  init?(tokens: Int, hidden: Int, budget: ReplayBudget) {
    let count = tokens.multipliedReportingOverflow(by: hidden * MemoryLayout<Float>.stride)
    guard !count.overflow, let hold = budget.hold(count.partialValue) else { return nil }
    self.hold = hold
    self.hidden = hidden
    values.reserveCapacity(tokens * hidden)
  }

  /// Adds what was sent.
  ///
  /// - Parameter fromStart: Whether it replaces all that was sent before.
  mutating func add(_ sent: HiddenStates, fromStart: Bool) {
    if fromStart { values.removeAll(keepingCapacity: true) }
    values.append(contentsOf: sent.values)
  }

  /// All that was sent, and what is to be sent after it.
  func whole(and next: HiddenStates?) throws -> HiddenStates {
    let all = values + (next?.values ?? [])
    return try HiddenStates(tokens: all.count / hidden, hidden: hidden, values: all)
  }
}

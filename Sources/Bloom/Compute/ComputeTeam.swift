import Synchronization

/// One piece of work cut into parts that any thread may take.
final class ComputeTeam: @unchecked Sendable {
  // Sendable: `body` is called for distinct parts only, and its captures outlive the leader's wait.
  private let parts: Int
  private let body: (Int) -> Void
  private let next = Atomic<Int>(0)
  /// Threads other than the leader that are inside ``work()``.
  let helpers = Atomic<Int>(0)
  /// Whether the leader sleeps until the helpers are done.
  let leaderWaits = Atomic<Bool>(false)

  init(parts: Int, body: @escaping (Int) -> Void) {
    self.parts = parts
    self.body = body
  }

  /// Whether a part is left to take.
  var isOpen: Bool { next.load(ordering: .relaxed) < parts }

  /// Takes parts until none is left.
  func work() {
    while true {
      let part = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard part < parts else { return }
      body(part)
    }
  }
}

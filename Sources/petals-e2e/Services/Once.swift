import Synchronization

/// Tells the first call from all later ones.
final class Once: Sendable {
  private let happened = Atomic(false)

  /// True once.
  func isFirst() -> Bool {
    !happened.exchange(true, ordering: .acquiringAndReleasing)
  }
}

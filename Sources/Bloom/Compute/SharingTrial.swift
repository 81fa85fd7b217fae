/// Tries out whether short work is done faster with the help of other threads, and has it done that way.
///
/// On an idle machine it is. Where other programs want the cores too, it is not: a helper takes its leader's core,
/// or loses its own with a part half done, and the leader waits for milliseconds where all of the work takes
/// microseconds. What is best is seen from outside by the time alone.
package struct SharingTrial: Sendable {
  /// Pieces of work of which either way is tried out.
  package static let trial = 1024
  /// Pieces of work that are then done the faster way, before both are tried out again.
  package static let use = 8 * trial

  private enum Phase {
    case shared
    case alone
    case chosen
  }

  /// The time of pieces of work, and their multiplications.
  private struct Cost {
    var seconds = 0.0
    var work = 0.0
  }

  private var phase = Phase.shared
  private var left = trial
  private var (shared, alone) = (Cost(), Cost())

  /// Whether the next piece of work is to be shared.
  package private(set) var isShared = true

  /// The first pieces of work are shared.
  package init() {}

  /// Counts a piece of work.
  ///
  /// - Parameters:
  ///   - wasShared: Which way it was done: others may be counted between the choice and the end.
  ///   - time: How long it took.
  ///   - work: Its multiplications.
  package mutating func count(wasShared: Bool, time: Duration, work: Int) {
    let seconds = time / .seconds(1)
    if wasShared {
      shared.seconds += seconds
      shared.work += Double(work)
    } else {
      alone.seconds += seconds
      alone.work += Double(work)
    }
    left -= 1
    guard left == 0 else { return }
    switch phase {
    case .shared:
      (phase, left, isShared) = (.alone, Self.trial, false)
    case .alone:
      // Time by work, without a division by none.
      (phase, left) = (.chosen, Self.use)
      isShared = shared.seconds * alone.work <= alone.seconds * shared.work
    case .chosen:
      self = SharingTrial()
    }
  }
}

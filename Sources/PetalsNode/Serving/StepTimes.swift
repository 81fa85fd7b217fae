import Synchronization

/// What one token takes in one block of late: what a node announces, so that clients can choose.
///
/// Passes of one token alone count: a prompt's tokens share the work.
final class StepTimes: Sendable {
  /// How much a new measurement weighs: one in eight.
  private static let weight = 8
  private let average = Mutex<Duration?>(nil)

  /// Nil before the first measurement.
  var blockStep: Duration? { average.withLock { $0 } }

  /// A pass of so many tokens through so many blocks took so long.
  func record(_ time: Duration, tokens: Int, blocks: Int) {
    guard tokens == 1, blocks > 0 else { return }
    let sample = time / blocks
    average.withLock { average in
      average = average.map { $0 + (sample - $0) / Self.weight } ?? sample
    }
  }
}

/// How long to wait before another attempt: longer after each failure in a row.
///
/// The terms are gRPC's ("Connection Backoff Protocol": initial, maximum, multiplier, jitter). The
/// jitter only shortens a delay, so that ``maximum`` is one; clients that failed at the same moment
/// come back at different ones all the same. A jitter of 1 is what is known as full jitter.
public struct Backoff: Hashable, Sendable {
  /// The delay after the first failure.
  public let initial: Duration
  /// The longest delay.
  public let maximum: Duration
  /// By what a delay exceeds the one before it.
  public let multiplier: Double
  /// The share of a delay, 0 to 1, that chance may take off.
  public let jitter: Double

  /// Makes a back-off; by default from a second to a minute, and half of each delay is chance's.
  /// - Parameters:
  ///   - initial: not negative.
  ///   - maximum: not below `initial`.
  ///   - multiplier: at least 1.
  ///   - jitter: 0 to 1.
  public init(
    initial: Duration = .seconds(1), maximum: Duration = .seconds(60), multiplier: Double = 2,
    jitter: Double = 0.5
  ) {
    precondition(initial >= .zero, "an initial delay of \(initial)")
    precondition(maximum >= initial, "a maximum of \(maximum), below the initial \(initial)")
    precondition(multiplier >= 1 && multiplier.isFinite, "a multiplier of \(multiplier)")
    precondition((0...1).contains(jitter), "a jitter of \(jitter)")
    self.initial = initial
    self.maximum = maximum
    self.multiplier = multiplier
    self.jitter = jitter
  }

  /// No delay at all.
  public static let none = Backoff(initial: .zero, maximum: .zero)

  /// The delay after some failures in a row.
  /// - Parameters:
  ///   - failures: how many there were, at least 1.
  ///   - random: from 0, which takes nothing off, to 1, which takes the whole jitter off.
  public func delay(
    after failures: Int, random: @autoclosure () -> Double = .random(in: 0..<1)
  ) -> Duration {
    let longest = unshortened(after: failures)
    guard jitter > 0 else { return longest }
    return longest * (1 - jitter * min(max(random(), 0), 1))
  }

  private func unshortened(after failures: Int) -> Duration {
    guard multiplier > 1, initial > .zero else { return initial }
    // What exceeds this would exceed the maximum when it is multiplied.
    let last = maximum / multiplier
    var delay = initial
    var left = failures - 1
    while left > 0 {
      guard delay <= last else { return maximum }
      delay = min(delay * multiplier, maximum)
      left -= 1
    }
    return delay
  }
}

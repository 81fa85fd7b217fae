/// How long a reporter waits before it tries again what may be tried again.
///
/// The pauses double from one failure to the next, and each is shortened by chance, so that a
/// network of nodes does not come back to an oracle all at once. What is refused for good waits for
/// the next interval.
public struct RetryPolicy: Sendable, Hashable {
  /// The pause after the first failure.
  public let firstPause: Duration
  /// The longest pause; the interval is one too.
  public let longestPause: Duration
  /// The share of a pause, 0 to 1, that chance may take off.
  public let jitter: Double
  /// How often the last report is tried while the deadline of a stop is not over.
  public let finalAttempts: Int

  /// Makes a policy.
  /// - Parameters:
  ///   - firstPause: above zero.
  ///   - longestPause: not below the first.
  ///   - jitter: 0 to 1.
  ///   - finalAttempts: at least 1.
  public init(
    firstPause: Duration = .seconds(1), longestPause: Duration = .seconds(60),
    jitter: Double = 0.5, finalAttempts: Int = 1
  ) {
    precondition(firstPause > .zero, "a first pause of \(firstPause)")
    precondition(longestPause >= firstPause, "a longest pause of \(longestPause)")
    precondition((0...1).contains(jitter), "a jitter of \(jitter)")
    precondition(finalAttempts >= 1, "\(finalAttempts) final attempts")
    self.firstPause = firstPause
    self.longestPause = longestPause
    self.jitter = jitter
    self.finalAttempts = finalAttempts
  }

  /// The pause after so many failures in a row.
  /// - Parameters:
  ///   - failures: at least 1.
  ///   - chance: 0 takes nothing off, 1 the whole share.
  public func pause(after failures: Int, chance: Double) -> Duration {
    var pause = firstPause
    // Doubling stops long before the sum of pauses could leave its type.
    for _ in 1..<max(1, min(failures, 64)) where pause < longestPause { pause += pause }
    return min(pause, longestPause) * (1 - jitter * min(max(chance, 0), 1))
  }
}

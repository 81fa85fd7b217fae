public import AsyncPrimitives

/// How long a reporter waits before it tries again what may be tried again.
///
/// The delays grow from one failure to the next, and each is shortened by chance, so that a network
/// of nodes does not come back to an oracle all at once. What is refused for good waits for the next
/// interval.
public struct RetryPolicy: Sendable, Hashable {
  /// The delays; none is longer than the interval either.
  public let backoff: Backoff
  /// How often the last report is tried while the deadline of a stop is not over.
  public let finalAttempts: Int

  /// Makes a policy.
  /// - Parameters:
  ///   - backoff: its first delay above zero.
  ///   - finalAttempts: at least 1.
  public init(
    backoff: Backoff = Backoff(
      initial: .seconds(1), maximum: .seconds(60), multiplier: 2, jitter: 0.5),
    finalAttempts: Int = 1
  ) {
    precondition(backoff.initial > .zero, "a first delay of \(backoff.initial)")
    precondition(finalAttempts >= 1, "\(finalAttempts) final attempts")
    self.backoff = backoff
    self.finalAttempts = finalAttempts
  }
}

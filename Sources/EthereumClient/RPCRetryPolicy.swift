public import AsyncPrimitives

/// How often, and after which delays, a request is made again when the chain could not be reached.
///
/// Every request of this client may be repeated: questions change nothing, and a chain that has a
/// transaction's bytes already says so.
public struct RPCRetryPolicy: Hashable, Sendable {
  /// How often a request is made in all; 1 for no retries.
  public var attempts: Int
  /// The delays between the attempts.
  public var backoff: Backoff

  /// Makes a policy.
  /// - Parameters:
  ///   - attempts: at least 1.
  ///   - backoff: the delays between them. A jitter of 1 keeps clients that lost the same chain
  ///     from coming back to it at the same moment.
  public init(attempts: Int, backoff: Backoff) {
    precondition(attempts >= 1, "a request is made at least once, not \(attempts) times")
    self.attempts = attempts
    self.backoff = backoff
  }

  /// One attempt.
  public static let none = RPCRetryPolicy(attempts: 1, backoff: .none)
  /// Three attempts, within a second if the chain is there again.
  public static let standard = RPCRetryPolicy(
    attempts: 3,
    backoff: Backoff(initial: .milliseconds(250), maximum: .seconds(5), jitter: 1))
}

extension ChainError.Code {
  /// Whether the next attempt may succeed where this one met an outage.
  var isTransientOutage: Bool { isOutage && self != .unexpectedStatus }
}

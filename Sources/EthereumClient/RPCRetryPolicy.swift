/// How often, and after which pauses, a request is made again when the chain could not be reached.
///
/// Every request of this client may be repeated: questions change nothing, and a chain that has a
/// transaction's bytes already says so.
public struct RPCRetryPolicy: Hashable, Sendable {
  /// How often a request is made in all; 1 for no retries.
  public var attempts: Int
  /// The longest pause before the second attempt; it doubles with each one after.
  public var basePause: Duration
  /// What no pause exceeds.
  public var longestPause: Duration

  /// Makes a policy.
  public init(attempts: Int, basePause: Duration, longestPause: Duration) {
    precondition(attempts >= 1, "a request is made at least once, not \(attempts) times")
    precondition(
      basePause >= .zero && longestPause >= basePause,
      "pauses grow from 0 or more, not from \(basePause) to \(longestPause)")
    self.attempts = attempts
    self.basePause = basePause
    self.longestPause = longestPause
  }

  /// One attempt.
  public static let none = RPCRetryPolicy(attempts: 1, basePause: .zero, longestPause: .zero)
  /// Three attempts, within a second if the chain is there again.
  public static let standard = RPCRetryPolicy(
    attempts: 3, basePause: .milliseconds(250), longestPause: .seconds(5))

  /// The pause after some attempts failed.
  ///
  /// All of it is random ("full jitter"), so that clients which lost the same chain do not come
  /// back to it at the same moment.
  /// - Parameters:
  ///   - failures: how many attempts failed so far, at least 1.
  ///   - random: from 0 to 1.
  public func pause(after failures: Int, random: Double) -> Duration {
    // Beyond 2³⁰ times the base every sensible policy is at its longest pause.
    let factor = 1 << min(max(failures - 1, 0), 30)
    return min(basePause * factor, longestPause) * min(max(random, 0), 1)
  }
}

extension TransportError {
  /// Whether the next attempt may succeed where this one failed.
  var isTransient: Bool {
    switch self {
    case .connectionRefused, .connectionLost, .other: true
    case .httpStatus(let status, _): [429, 502, 503, 504].contains(status)
    }
  }
}

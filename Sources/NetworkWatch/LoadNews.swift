/// How a load on a network goes: one of its targets, in the last second.
public struct LoadNews: Codable, Sendable, Hashable {
  /// What the load is on: `oracle http://127.0.0.1:3100`.
  public var target: String
  /// How many requests have ended since the load began.
  public var ended: Int
  /// How many of them failed.
  public var failed: Int
  /// How many ended in the last second.
  public var perSecond: Double
  /// The median latency of those that succeeded in the last second, in milliseconds.
  public var p50: Double?
  /// What 99 of 100 of them did not exceed, in milliseconds.
  public var p99: Double?
  /// How many requests are on their way to all targets.
  public var inFlight: Int

  /// A target's last second.
  public init(
    target: String, ended: Int, failed: Int, perSecond: Double, p50: Double?, p99: Double?,
    inFlight: Int
  ) {
    self.target = target
    self.ended = ended
    self.failed = failed
    self.perSecond = perSecond
    self.p50 = p50
    self.p99 = p99
    self.inFlight = inFlight
  }
}

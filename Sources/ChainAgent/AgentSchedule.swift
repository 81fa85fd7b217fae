public import EthereumPrimitives

extension AgentService {
  /// How often things are done.
  public struct Schedule: Hashable, Sendable {
    /// From one heartbeat to the next.
    public var heartbeatInterval: Duration
    /// From one look at the pending reward to the next; nil for no claims.
    public var claimInterval: Duration?
    /// Claims wait until so much is pending, in wei.
    public var claimThreshold: Word
    /// The pause after a registration or a heartbeat that failed; it doubles with each failure in
    /// a row.
    public var patience: Duration
    /// What no pause exceeds, by default a heartbeat's interval of 120 s: what a chain refuses or
    /// reverts for good is not sent more often than heartbeats are, and it costs gas.
    public var longestPause: Duration = HeartbeatService.defaultInterval
    /// What no pause exceeds while the chain cannot be reached: to look again costs nothing.
    public var longestOutagePause: Duration = .seconds(30)

    /// Makes a schedule; by default heartbeats come every 120 s, and nothing is claimed.
    public init(
      heartbeatInterval: Duration = HeartbeatService.defaultInterval,
      claimInterval: Duration? = nil, claimThreshold: Word = 1, patience: Duration = .seconds(5)
    ) {
      precondition(claimInterval.map { $0 > .zero } ?? true, "claims are some time apart")
      precondition(patience > .zero, "patience is some time, not \(patience)")
      self.heartbeatInterval = heartbeatInterval
      self.claimInterval = claimInterval
      self.claimThreshold = claimThreshold
      self.patience = patience
    }

    /// The pause after so many failures in a row, of which this is the last.
    func pause(after failures: Int, _ error: any Error) -> Duration {
      let isAway = ChainFailureKind(error) == .outage
      let longest = isAway ? min(longestOutagePause, longestPause) : longestPause
      // Beyond 2³⁰ times the first pause every sensible schedule is at its longest.
      return min(patience * (1 << min(failures - 1, 30)), longest)
    }
  }
}

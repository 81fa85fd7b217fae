/// How latencies are spread: half, 90 %, 99 % and all of them do not exceed these.
///
/// Each is within 1 % of the exact value; the greatest is exact.
public struct LatencyPercentiles: Sendable, Hashable {
  /// Half of the latencies do not exceed it.
  public let median: Duration
  /// 90 % of the latencies do not exceed it.
  public let p90: Duration
  /// 99 % of the latencies do not exceed it.
  public let p99: Duration
  /// The greatest latency.
  public let greatest: Duration

  init?(_ histogram: LatencyHistogram) {
    guard let median = histogram.percentile(0.5), let p90 = histogram.percentile(0.9),
      let p99 = histogram.percentile(0.99), let greatest = histogram.percentile(1)
    else { return nil }
    self.median = median
    self.p90 = p90
    self.p99 = p99
    self.greatest = greatest
  }
}

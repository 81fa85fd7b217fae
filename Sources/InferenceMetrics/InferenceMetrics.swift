/// What a node has done since it started, at one moment: counters that only grow.
public struct InferenceMetrics: Sendable, Hashable {
  /// Tokens processed.
  public let totalTokens: Int64
  /// Inferences finished.
  public let totalRequests: Int64
  /// The sum of all inferences' latencies.
  public let totalLatency: Duration
  /// How long the collector has been running.
  public let uptime: Duration
  /// How the latencies are spread, or `nil` before the first inference.
  public let latencyPercentiles: LatencyPercentiles?

  /// Total latency divided by requests, in milliseconds; 0 before the first inference.
  public var averageLatencyMilliseconds: Double {
    totalRequests == 0 ? 0 : totalLatency.inMilliseconds / Double(totalRequests)
  }

  /// Tokens divided by uptime; 0 while the uptime is 0.
  public var tokensPerSecond: Double {
    uptime <= .zero ? 0 : Double(totalTokens) / (uptime.inMilliseconds / 1000)
  }
}

extension Duration {
  /// This duration in milliseconds.
  var inMilliseconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) * 1e3 + Double(attoseconds) / 1e15
  }
}

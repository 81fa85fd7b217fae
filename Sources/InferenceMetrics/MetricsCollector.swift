import AsyncPrimitives
public import PlumiseWire
import Synchronization

/// Counts what a node does; safe to use from any number of threads, and never waits.
///
/// Counters are cumulative: a report that is lost takes nothing with it, the next one says it all.
public final class MetricsCollector: Sendable {
  private struct Counters {
    var tokens: Int64 = 0
    var requests: Int64 = 0
    var latency: Duration = .zero
    var histogram = LatencyHistogram()
  }

  private let counters = Mutex(Counters())
  private let age: Stopwatch

  /// The proofs that wait to be reported.
  public let proofs: ProofBuffer

  /// Makes a collector whose uptime starts now.
  /// - Parameters:
  ///   - clock: what the uptime is measured on.
  ///   - proofs: where proofs wait; in memory unless said otherwise.
  public init(
    clock: any Clock<Duration> = ContinuousClock(), proofs: ProofBuffer = ProofBuffer()
  ) {
    self.proofs = proofs
    age = Stopwatch(clock)
  }

  /// Counts one finished inference.
  /// - Parameters:
  ///   - tokens: the tokens it processed, at least 0.
  ///   - latency: how long it took, at least 0.
  public func recordInference(tokens: Int, latency: Duration) {
    precondition(tokens >= 0, "\(tokens) tokens: an inference cannot take tokens back")
    precondition(latency >= .zero, "latency \(latency): an inference cannot end before it starts")
    counters.withLock { counters in
      counters.tokens += Int64(tokens)
      counters.requests += 1
      counters.latency += latency
      counters.histogram.record(latency)
    }
  }

  /// Keeps a proof until a report that carried it was accepted.
  public func recordProof(_ proof: InferenceProof) {
    proofs.append(proof)
  }

  /// All counters at one moment.
  public var snapshot: InferenceMetrics {
    let uptime = age.elapsed
    return counters.withLock { counters in
      InferenceMetrics(
        totalTokens: counters.tokens, totalRequests: counters.requests,
        totalLatency: counters.latency, uptime: uptime,
        latencyPercentiles: LatencyPercentiles(counters.histogram))
    }
  }
}

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

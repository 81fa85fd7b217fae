public import Metrics
import Synchronization

/// Hands a node's metrics to whichever backend the program has chosen for swift-metrics.
///
/// Labels begin with `petals_`; counters grow by what was added since the last export.
public final class MetricsExporter: Sendable {
  private struct Exported {
    var tokens: Int64 = 0
    var requests: Int64 = 0
  }

  private let collector: MetricsCollector
  private let tokens: Counter
  private let requests: Counter
  private let averageLatency: Gauge
  private let median: Gauge
  private let p90: Gauge
  private let p99: Gauge
  private let maximum: Gauge
  private let rate: Gauge
  private let uptime: Gauge
  private let pendingProofs: Gauge
  private let exported = Mutex(Exported())

  /// Makes an exporter; nothing is handed over yet.
  /// - Parameters:
  ///   - collector: whose metrics they are.
  ///   - dimensions: what tells this node from others, such as its address.
  ///   - factory: the backend; the program's own unless said otherwise.
  public init(
    _ collector: MetricsCollector, dimensions: [(String, String)] = [],
    factory: any MetricsFactory = MetricsSystem.factory
  ) {
    func counter(_ name: String) -> Counter {
      Counter(label: "petals_" + name, dimensions: dimensions, factory: factory)
    }
    func gauge(_ name: String, _ more: [(String, String)] = []) -> Gauge {
      Gauge(label: "petals_" + name, dimensions: dimensions + more, factory: factory)
    }
    self.collector = collector
    tokens = counter("tokens_total")
    requests = counter("requests_total")
    averageLatency = gauge("average_latency_milliseconds")
    func quantile(_ share: String) -> Gauge {
      gauge("latency_milliseconds", [("quantile", share)])
    }
    median = quantile("0.5")
    p90 = quantile("0.9")
    p99 = quantile("0.99")
    maximum = quantile("1")
    rate = gauge("tokens_per_second")
    uptime = gauge("uptime_seconds")
    pendingProofs = gauge("pending_proofs")
  }

  /// Hands over what the metrics are now.
  public func export() {
    let metrics = collector.snapshot
    // Two exports at once add what each has seen, in the order in which they come here.
    exported.withLock { exported in
      tokens.increment(by: max(0, metrics.totalTokens - exported.tokens))
      requests.increment(by: max(0, metrics.totalRequests - exported.requests))
      exported.tokens = max(exported.tokens, metrics.totalTokens)
      exported.requests = max(exported.requests, metrics.totalRequests)
    }
    averageLatency.record(metrics.averageLatencyMilliseconds)
    if let spread = metrics.latencyPercentiles {
      median.record(spread.median.inMilliseconds)
      p90.record(spread.p90.inMilliseconds)
      p99.record(spread.p99.inMilliseconds)
      maximum.record(spread.maximum.inMilliseconds)
    }
    rate.record(metrics.tokensPerSecond)
    uptime.record(metrics.uptime.inMilliseconds / 1000)
    pendingProofs.record(collector.proofs.count)
  }

  /// Hands them over at every interval until the task is cancelled, and once more then.
  /// - Parameters:
  ///   - interval: the time between two exports.
  ///   - clock: what the interval is measured on.
  public func run(
    every interval: Duration, clock: any Clock<Duration> = ContinuousClock()
  ) async {
    while !Task.isCancelled {
      do {
        try await clock.sleep(for: interval)
      } catch {
        // Only the cancellation ends a sleep before its time.
        break
      }
      export()
    }
    export()
  }
}

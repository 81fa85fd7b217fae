import InferenceMetrics
import PlumiseTesting
import Testing

@Suite("Metrics collector", .timeLimit(.minutes(5))) struct MetricsCollectorTests {
  @Test("Percentiles are within 1 % of the exact values")
  func percentiles() throws {
    let collector = MetricsCollector()
    for milliseconds in (1...1000).reversed() {
      collector.recordInference(tokens: 1, latency: .milliseconds(milliseconds))
    }
    let spread = try #require(collector.snapshot.latencyPercentiles)
    let cases: [(Duration, Duration)] = [
      (spread.median, .milliseconds(500)), (spread.p90, .milliseconds(900)),
      (spread.p99, .milliseconds(990)), (spread.greatest, .milliseconds(1000)),
    ]
    for (found, exact) in cases {
      #expect(abs(found / exact - 1) <= 0.01, "\(found) in place of \(exact)")
    }
    #expect(spread.greatest == .milliseconds(1000))
  }

  @Test(
    "Latencies from nothing to years are counted",
    arguments: [
      Duration.zero, .nanoseconds(1), .nanoseconds(127), .nanoseconds(128), .seconds(1_000_000_000),
    ])
  func extremes(latency: Duration) throws {
    let collector = MetricsCollector()
    collector.recordInference(tokens: 0, latency: latency)
    let spread = try #require(collector.snapshot.latencyPercentiles)
    #expect(spread.median == latency && spread.greatest == latency)
  }

  @Test("Uptime is what the clock says")
  func uptime() {
    let clock = ManualClock()
    let collector = MetricsCollector(clock: clock)
    #expect(collector.snapshot.uptime == .zero)
    #expect(collector.snapshot.tokensPerSecond == 0)
    collector.recordInference(tokens: 30, latency: .seconds(1))
    clock.advance(by: .seconds(4))
    #expect(collector.snapshot.uptime == .seconds(4))
    #expect(collector.snapshot.tokensPerSecond == 7.5)
  }
}

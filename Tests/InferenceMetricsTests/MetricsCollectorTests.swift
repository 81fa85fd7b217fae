import CoreMetrics
import InferenceMetrics
import PlumiseTesting
import Synchronization
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
      (spread.p99, .milliseconds(990)), (spread.maximum, .milliseconds(1000)),
    ]
    for (found, exact) in cases {
      #expect(abs(found / exact - 1) <= 0.01, "\(found) in place of \(exact)")
    }
    #expect(spread.maximum == .milliseconds(1000))
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
    #expect(spread.median == latency && spread.maximum == latency)
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

/// A backend that keeps the last value of every metric.
private final class RecordingFactory: MetricsFactory {
  final class Cell: CounterHandler, RecorderHandler, Sendable {
    let value = Mutex(0.0)
    func increment(by amount: Int64) { value.withLock { $0 += Double(amount) } }
    func reset() { value.withLock { $0 = 0 } }
    func record(_ amount: Int64) { value.withLock { $0 = Double(amount) } }
    func record(_ amount: Double) { value.withLock { $0 = amount } }
  }

  private let cells = Mutex<[String: Cell]>([:])

  subscript(name: String) -> Double? {
    cells.withLock { $0[name] }?.value.withLock { $0 }
  }

  private func cell(_ label: String, _ dimensions: [(String, String)]) -> Cell {
    let name = label + dimensions.map { " \($0.0)=\($0.1)" }.joined()
    return cells.withLock { cells in
      let cell = cells[name] ?? Cell()
      cells[name] = cell
      return cell
    }
  }

  func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    cell(label, dimensions)
  }
  func makeRecorder(
    label: String, dimensions: [(String, String)], aggregate: Bool
  ) -> any RecorderHandler { cell(label, dimensions) }
  func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    fatalError("no timer is exported")
  }
  func destroyCounter(_ handler: any CounterHandler) {}
  func destroyRecorder(_ handler: any RecorderHandler) {}
  func destroyTimer(_ handler: any TimerHandler) {}
}

@Suite("Metrics exporter", .timeLimit(.minutes(5))) struct MetricsExporterTests {
  @Test("Counters grow by what was added, gauges show what is")
  func exports() async throws {
    let clock = ManualClock()
    let collector = MetricsCollector(clock: clock)
    let backend = RecordingFactory()
    let exporter = MetricsExporter(collector, dimensions: [("node", "a")], factory: backend)
    collector.recordInference(tokens: 30, latency: .milliseconds(100))
    clock.advance(by: .seconds(3))
    exporter.export()
    collector.recordInference(tokens: 12, latency: .milliseconds(300))
    exporter.export()
    exporter.export()
    #expect(backend["petals_tokens_total node=a"] == 42)
    #expect(backend["petals_requests_total node=a"] == 2)
    #expect(backend["petals_average_latency_milliseconds node=a"] == 200)
    #expect(backend["petals_latency_milliseconds node=a quantile=1"] == 300)
    #expect(backend["petals_tokens_per_second node=a"] == 14)
    #expect(backend["petals_uptime_seconds node=a"] == 3)
    #expect(backend["petals_pending_proofs node=a"] == 0)
  }

  @Test("It exports at every interval, and once more when it ends")
  func runs() async throws {
    let clock = ManualClock()
    let collector = MetricsCollector(clock: clock)
    let backend = RecordingFactory()
    let exporter = MetricsExporter(collector, factory: backend)
    let running = Task { await exporter.run(every: .seconds(10), clock: clock) }
    collector.recordInference(tokens: 1, latency: .zero)
    try await clock.advanceToNextDeadline()
    try await clock.waitForSleeper(until: .seconds(20))
    #expect(backend["petals_tokens_total"] == 1)
    collector.recordInference(tokens: 1, latency: .zero)
    running.cancel()
    await running.value
    #expect(backend["petals_tokens_total"] == 2)
  }
}

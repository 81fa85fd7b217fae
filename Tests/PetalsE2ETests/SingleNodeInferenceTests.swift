import Bloom
import EthereumPrimitives
import HTTPTypes
import InferenceMetrics
import MockOracle
import OracleReporter
import PetalsNode
import PlumiseTesting
import PlumiseWire
import TestVectors
import Testing

/// Mirrors the reference suite `test_single_node_inference.py`.
@Suite("Inference on a single node", .timeLimit(.minutes(5)))
struct SingleNodeInferenceTests {
  @Suite("Metrics")
  struct Metrics {
    let clock = ManualClock()
    let collector: MetricsCollector

    init() { collector = MetricsCollector(clock: clock) }

    @Test("A new collector reads zero everywhere")
    func metricsCollectorInitialization() {
      let snapshot = collector.snapshot
      #expect(snapshot.totalTokens == 0)
      #expect(snapshot.totalRequests == 0)
      #expect(snapshot.totalLatency == .zero)
      #expect(snapshot.averageLatencyMilliseconds == 0)
      #expect(snapshot.uptime == .zero)
      #expect(snapshot.tokensPerSecond == 0)
      #expect(snapshot.latencyPercentiles == nil)
      #expect(collector.proofs.count == 0)
    }

    @Test("One inference is one request with its own latency as the average")
    func recordSingleInference() {
      collector.recordInference(tokens: 50, latency: .microseconds(123_450))
      let snapshot = collector.snapshot
      #expect(snapshot.totalTokens == 50)
      #expect(snapshot.totalRequests == 1)
      #expect(snapshot.averageLatencyMilliseconds == 123.45)
    }

    @Test("Several inferences add up, and their latencies average")
    func recordMultipleInferences() {
      for (tokens, milliseconds) in [(50, 100), (75, 150), (100, 200)] {
        collector.recordInference(tokens: tokens, latency: .milliseconds(milliseconds))
      }
      let snapshot = collector.snapshot
      #expect(snapshot.totalTokens == 225)
      #expect(snapshot.totalRequests == 3)
      #expect(snapshot.totalLatency == .milliseconds(450))
      #expect(snapshot.averageLatencyMilliseconds == 150)
    }

    @Test("Uptime follows the clock, and tokens per second follow from both")
    func metricsUptimeTracking() {
      collector.recordInference(tokens: 300, latency: .milliseconds(20))
      clock.advance(by: .seconds(60))
      #expect(collector.snapshot.uptime == .seconds(60))
      #expect(collector.snapshot.tokensPerSecond == 5)
      clock.advance(by: .seconds(60))
      #expect(collector.snapshot.uptime == .seconds(120))
      #expect(collector.snapshot.tokensPerSecond == 2.5)
    }

    @Test("Records made at the same time are all counted")
    func metricsThreadSafety() async {
      let collector = collector
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<5 {
          group.addTask {
            for _ in 0..<100 { collector.recordInference(tokens: 10, latency: .milliseconds(5)) }
          }
        }
      }
      let snapshot = collector.snapshot
      #expect(snapshot.totalRequests == 500)
      #expect(snapshot.totalTokens == 5000)
      #expect(snapshot.totalLatency == .milliseconds(2500))
    }
  }

  @Suite("Reports", .petalsNetwork(nodes: 1))
  struct Reports {
    let network: PetalsNetwork
    let node: NetworkNode

    init() async throws {
      network = try PetalsNetwork.current
      node = try #require(network.nodes.first)
      try await node.register()
    }

    @Test("What arrives at the oracle is a signed payload of six fields")
    func oracleReporterPayloadFormat() async throws {
      node.metrics.recordInference(tokens: 100, latency: .milliseconds(40))
      node.metrics.recordInference(tokens: 200, latency: .milliseconds(60))
      #expect(await node.reporter.reportNow().isAccepted)

      let entry = try await network.oracle.journal.next { $0.accepted != nil }
      #expect(entry.request.path == "/api/v1/report")
      #expect(entry.request.method == .post)
      let body = try JSON.parse(entry.request.body)
      let payload = try #require(body["payload"]?.objectValue)
      #expect(
        Set(payload.keys) == [
          "agent", "processed_tokens", "avg_latency_ms", "uptime_seconds", "tasks_completed",
          "timestamp",
        ])
      #expect(payload["agent"]?.stringValue == node.address.checksummed)
      #expect(payload["processed_tokens"]?.integerValue == 300)
      #expect(payload["tasks_completed"]?.integerValue == 2)
      #expect(payload["avg_latency_ms"]?.doubleValue == 50)
      let signature = try #require(body["signature"]?.stringValue)
      #expect(signature.wholeMatch(of: /0x[0-9a-f]{130}/) != nil)
    }

    @Test("A reporter starts once, stops twice, and leaves nothing behind")
    func oracleReporterLifecycle() async throws {
      let reporter = node.reporter
      try await reporter.start()
      #expect(await reporter.isRunning)
      await #expect(throws: ReporterError.alreadyRunning) { try await reporter.start() }
      try await network.clock.waitForSleeper(until: network.plan.reportInterval)

      let last = await reporter.stop()
      #expect(last?.isFinal == true)
      #expect(await reporter.stop() == nil)
      #expect(await reporter.isRunning == false)
      #expect(network.clock.deadlines.isEmpty)
      #expect(network.oracle.agent(node.address)?.reportCount == 1)
    }

    @Test("Inferences made while reporting are all in the oracle after the stop")
    func oracleReporterWithInferenceActivity() async throws {
      try await node.reporter.start()
      for (index, tokens) in stride(from: 50, through: 90, by: 10).enumerated() {
        node.metrics.recordInference(tokens: tokens, latency: .milliseconds(30))
        try await network.clock.waitForSleeper(
          until: network.plan.reportInterval * (index + 1))
        network.clock.advance(by: network.plan.reportInterval)
        try await network.oracle.waitForReports(index + 1, from: node.address)
      }
      await node.reporter.stop()
      let record = try #require(network.oracle.agent(node.address))
      #expect(record.processedTokens == 350)
      #expect(record.tasksCompleted == 5)
      #expect(record.reportCount == 6)
    }
  }

  @Suite("Generation")
  struct Generation {
    @Test("A node with all blocks generates the reference's tokens", arguments: 0...3)
    func generatesTheReferencesTokens(number: Int) async throws {
      let golden = try GoldenGeneration(.tinyF16, number: number)
      try await withPetalsNetwork(golden.plan(nodes: 1)) { network in
        let result = try await network.generate(golden.prompt, maxNewTokens: golden.generated.count)
        #expect(result.generatedIDs == golden.generated)
        let metrics = try #require(network.nodes.first).metrics.snapshot
        #expect(metrics.totalTokens == Int64(golden.generated.count))
        #expect(metrics.totalRequests == 1)
      }
    }

    @Test("A prompt in one go leads where token by token leads", .petalsNetwork(nodes: 1))
    func promptInOneGo() async throws {
      let network = try PetalsNetwork.current
      let ids: [Int32] = [17, 230, 99, 4, 311, 50, 12]
      let together = try await network.generate(ids, maxNewTokens: 6)
      var context = ids
      for _ in 0..<6 {
        context += try await network.generate(context, maxNewTokens: 1).generatedIDs
      }
      #expect(Array(context.dropFirst(ids.count)) == together.generatedIDs)
    }

    @Test("Another first token leads elsewhere", .petalsNetwork(nodes: 1))
    func dependsOnTheWholeContext() async throws {
      let network = try PetalsNetwork.current
      let rest: [Int32] = [230, 99, 4, 311, 50, 12, 77, 140]
      var continuations: Set<[Int32]> = []
      for first: Int32 in [17, 18, 200, 301] {
        let result = try await network.generate([first] + rest, maxNewTokens: 12)
        continuations.insert(result.generatedIDs)
      }
      #expect(continuations.count == 4)
    }
  }
}

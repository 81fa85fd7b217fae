import Bloom
import EthereumClient
import EthereumPrimitives
import Foundation
import InferenceMetrics
import OracleReporter
import PetalsNode
import PlumiseWire
import Subprocess
import Synchronization
import TestVectors
import Testing

@Suite("Processes that stand still", .timeLimit(.minutes(5)))
struct StandstillTests {
  private static let model = TestVectors.bloom(.tinyF16)

  private static func ids(_ result: Command.Result) throws -> [JSON] {
    #expect(result.status == .exited(0), "\(result.errors)")
    return try #require(try result.json()["generated_ids"]?.arrayValue)
  }

  /// Runs a body while a process stands still; it goes on afterwards, whatever the body does.
  private static func withStopped<Output>(
    _ service: Service, _ body: () async throws -> Output
  ) async throws -> Output {
    try service.suspend()
    let outcome: Swift.Result<Output, any Error>
    do {
      outcome = .success(try await body())
    } catch {
      outcome = .failure(error)
    }
    try service.send(.resume)
    return try outcome.get()
  }

  /// Runs a body with processes, one for each list of arguments, which end with it.
  private static func withServices(
    _ arguments: [[String]], after others: [Service] = [],
    _ body: @escaping @Sendable ([Service]) async throws -> Void
  ) async throws {
    guard let first = arguments.first else { return try await body(others) }
    let result = try await Command.withService(first) { service in
      _ = try await service.url()
      try await withServices(Array(arguments.dropFirst()), after: others + [service], body)
      try service.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }

  private static func node(_ blocks: String) -> [String] {
    ["node", "--model", model.path, "--blocks", blocks, "--port", "0", "--json"]
  }

  /// Asks nodes again and again until one of them has a session, or the client has ended.
  private static func waitForSession(
    on peers: [PeerAddress], of client: Service
  ) async throws -> Int {
    try await withGRPCTransports(peers) { transports in
      while !client.lines.hasEnded {
        for (index, transport) in transports.enumerated()
        where try await transport.info().cache.sessions > 0 { return index }
      }
      throw OutputLines.Ended(lines: client.lines.entries)
    }
  }

  @Test("A node that stops amid a generation is replaced: the same ids, before its time is up")
  func node() async throws {
    let request = [
      "generate", "--model", Self.model.path, "--token-ids", "5,6,7", "--max-new-tokens", "2000",
      "--json",
    ]
    let clock = ContinuousClock()
    let begun = clock.now
    let alone = try await Self.ids(Command.run(request))
    let undisturbed = begun.duration(to: clock.now)
    // Long enough that it still runs when it was seen to have begun.
    #expect(alone.count == 2000)
    try await Self.withServices(
      [Self.node("0-11"), Self.node("12-23"), Self.node("12-23")]
    ) { nodes in
      var found: [String] = []
      for node in nodes { found.append(try await node.url().replacing("grpc://", with: "")) }
      let names = found
      let others = try names.dropFirst().map(PeerAddress.init(parsing:))
      let stood = Mutex<(node: Int, at: ContinuousClock.Instant)?>(nil)
      // More silence than a node that works beside all other tests needs for an answer.
      let result = try await Command.withService(
        request + ["--peers", names.joined(separator: ","), "--peer-silence", "8"]
      ) { client in
        let used = try await Self.waitForSession(on: others, of: client) + 1
        stood.withLock { $0 = (used, clock.now) }
        try await Self.withStopped(nodes[used]) { try await client.lines.waitForEnd() }
      }
      let (used, time) = try #require(stood.withLock { $0 })
      #expect(try Self.ids(result) == alone)
      let route = try #require(try result.json()["route"]?.arrayValue)
      #expect(route.map { $0["peer"]?.stringValue } == [names[0], names[3 - used]])
      // Eight seconds of silence, and what this machine needs for the tokens; a step has 300 s.
      #expect(time.duration(to: clock.now) < .seconds(26) + undisturbed * 4)
    }
  }

  @Test("An oracle that stops costs a report its time and nothing else: the node generates")
  func oracle() async throws {
    try await Self.withServices([["oracle", "--port", "0", "--json"]]) { services in
      let metrics = MetricsCollector()
      let reporter = OracleReporter(
        configuration: try ReporterConfiguration(
          oracleURL: try await services[0].url(), interval: .milliseconds(1),
          requestTimeout: .milliseconds(500), stopDeadline: .milliseconds(500)),
        key: try SecretKey(hex: WalletTests.key), collector: metrics)
      let outcomes = reporter.outcomes()
      try await reporter.start()
      #expect(await outcomes.first { $0.isAccepted } != nil)
      let configuration = NodeConfiguration(checkpoint: try Checkpoint(directory: Self.model))
      try await withPetalsNode(configuration, metrics: metrics) { node in
        try await Self.withStopped(services[0]) {
          let failed = try #require(await reporter.outcomes().first { !$0.isAccepted })
          let failure = try #require(failed.failure)
          #expect(failure.code == .timedOut && failure.message.hasSuffix("within 0.5 seconds"))
          let ends = ClientModel(configuration.checkpoint)
          let result = try await withPipelineClient(ends, transports: [node.transport]) {
            try await $0.generate(
              PipelineRequest(promptIDs: [5, 6, 7], maxNewTokens: 20)
            ).collect()
          }
          #expect(result.generatedIDs.count == 20)
          let last = try #require(await reporter.stop())
          #expect(!last.isAccepted)
        }
      }
    }
  }

  @Test("A chain that stops costs a question its time, and answers the next one when it goes on")
  func chain() async throws {
    try await Self.withServices([["chain", "--port", "0", "--json"]]) { services in
      let client = EthereumClient(
        url: try await services[0].url(), requestTimeout: .milliseconds(500))
      let id = try await client.chainID()
      try await Self.withStopped(services[0]) {
        let error = await #expect(throws: ChainError.self) {
          try await client.blockNumber()
        }
        #expect(error?.description.contains("within 0.5 seconds") == true)
      }
      let patient = EthereumClient(url: try await services[0].url())
      #expect(try await patient.chainID() == id)
    }
  }
}

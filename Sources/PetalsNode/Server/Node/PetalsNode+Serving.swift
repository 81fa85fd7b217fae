import AsyncPrimitives
import Bloom
import GRPCCore
import MockServing
import NIOPosix
import PlumiseWire

extension PetalsNode {
  /// Listens, loads, tries itself, and serves until the phase says stop.
  func serve() async throws {
    guard configuration.listens else { return try await serveInProcess() }
    let grpc = GRPCListener(
      endpoint: configuration.grpc, largestRequest: configuration.largestRequest,
      keepalive: configuration.keepalive, gracePeriod: configuration.gracePeriod,
      clock: configuration.graceClock ?? clock, thread: handOver?.thread ?? .next())
    let services = GRPCListener.services(
      of: server, generator: generator, connections: connections, handOver: handOver,
      configuration, clock: clock)
    let outcome: Result<Void, any Error>
    do {
      outcome = .success(try await serve(services, on: grpc))
    } catch {
      outcome = .failure(error)
    }
    await connections.end()
    await handOver?.end()
    try outcome.get()
  }

  /// Loads, tries itself, and serves the process's own clients until the phase says stop.
  private func serveInProcess() async throws {
    server.install(try configuration.shard())
    try await enter(.testing)
    let (hidden, blocks) = try SelfTest.input(of: server.model)
    _ = try await transport.forward(hidden, through: blocks)
    try await enter(.ready)
    try await server.phase.wait { $0 >= .stopping }
  }

  private func serve(
    _ services: [any RegistrableRPCService], on grpc: GRPCListener
  ) async throws {
    try await grpc.run(services) { address in
      defer { stop() }
      await didListen(at: address, http: false)
      try await withHTTP {
        try await withGRPCTransports(
          configuration.peers, limits: configuration.limits, clock: clock
        ) { peers in
          try await generator.run(through: [transport] + peers) {
            try await becomeReady(at: address)
            try await server.phase.wait { $0 >= .stopping }
            // What is generated here uses the peers: end it before the way to them is gone.
            stop()
          }
        }
      }
    }
  }

  private func withHTTP(_ body: () async throws -> Void) async throws {
    guard let endpoint = configuration.http else { return try await body() }
    guard (0...65535).contains(endpoint.port) else {
      throw NodeStartError.cannotListen(
        host: endpoint.host, port: endpoint.port, reason: "a port is 0 to 65535")
    }
    do {
      try await withWebServer(
        serverConfiguration(endpoint), faults: faults, respond: respond
      ) { address in
        await didListen(at: try PeerAddress(host: endpoint.host, port: address.port), http: true)
        defer { stop() }
        try await body()
      }
    } catch let error as ServingError {
      throw NodeStartError(error, at: endpoint)
    }
  }

  private func respond(to request: WebRequest) async -> WebResponse {
    if let settings = configuration.agentAPI {
      return await AgentAPI(server: server, generator: generator, settings: settings)
        .respond(to: request)
    }
    return await NodeAPI(server: server, generator: generator).respond(to: request)
  }

  private func answerBeforeBody(of request: WebRequest) -> WebResponse? {
    if let settings = configuration.agentAPI {
      return AgentAPI(server: server, generator: generator, settings: settings)
        .answerBeforeBody(of: request)
    }
    return NodeAPI(server: server, generator: generator).answerBeforeBody(of: request)
  }

  private func serverConfiguration(
    _ endpoint: NodeConfiguration.Endpoint
  ) -> ServerConfiguration {
    ServerConfiguration(
      host: endpoint.host, port: endpoint.port, maximumBodyBytes: NodeAPI.bodyLimit,
      oversizedBody: .handOver, serviceName: "node", gracePeriod: configuration.gracePeriod,
      graceClock: configuration.graceClock ?? clock,
      limits: ServerLimits(
        requestTime: configuration.clientTimeout, idleTime: configuration.clientIdleLimit,
        clock: clock),
      errorResponse: { .json(.failure("\($0)"), status: $0.status) },
      answerBeforeBody: answerBeforeBody, logger: logger)
  }

  private func becomeReady(at address: PeerAddress) async throws {
    do {
      let configuration = configuration
      server.install(try await runBlocking { try configuration.shard() })
      if configuration.http != nil { try await generator.prepare() }
      try await enter(.testing)
      try await SelfTest(node: self, address: address).run()
      try await enter(.ready)
    } catch is CancellationError where phase >= .stopping {
      // A stop while loading is a stop, not a failure.
      return
    }
  }
}

/// Runs work that reads files for a while on a thread of its own, away from the cooperative pool.
func runBlocking<Output: Sendable>(
  _ work: @escaping @Sendable () throws -> Output
) async throws -> Output {
  try await NIOThreadPool.singleton.runIfActive(work)
}

extension NodeStartError {
  /// Why the HTTP API does not listen.
  init(_ error: ServingError, at endpoint: NodeConfiguration.Endpoint) {
    let (host, port) = (endpoint.host, endpoint.port)
    self =
      switch error {
      case .portInUse: .portInUse(host: host, port: port)
      case .portForbidden: .cannotListen(host: host, port: port, reason: "\(error)")
      case .cannotListen(_, _, _, let reason):
        .cannotListen(host: host, port: port, reason: reason)
      }
  }
}

/// A node's first pass, through its own port like anyone else's.
struct SelfTest {
  let node: PetalsNode
  let address: PeerAddress

  /// Sends one token's hidden states through the node's blocks.
  ///
  /// - Throws: ``NodeStartError/selfTestFailed(_:)``; the answer was checked to be finite and of
  ///   the right shape by then.
  func run() async throws {
    let (hidden, blocks) = try Self.input(of: node.server.model)
    do {
      _ = try await withGRPCTransports(
        [reachable], limits: node.configuration.limits, clock: node.clock
      ) { try await $0[0].forward(hidden, through: blocks) }
    } catch let error as CancellationError {
      throw error
    } catch {
      // A stop cuts the pass off: that is no failure of the node.
      if node.phase >= .stopping { throw CancellationError() }
      throw NodeStartError.selfTestFailed("\(error)")
    }
  }

  /// The hidden states that are sent, `[1, hidden]`, and the blocks that they go through.
  static func input(of model: ServedModel) throws -> (HiddenStates, ServedBlocks) {
    let size = model.hiddenSize
    let hidden = try HiddenStates(
      tokens: 1, hidden: size, values: (0..<size).map { Float($0 % 7) / 7 - 0.5 })
    return (hidden, ServedBlocks(fingerprint: model.fingerprint, blocks: model.blocks))
  }

  /// An address that stands for all of the machine's is reached through loopback.
  private var reachable: PeerAddress {
    get throws {
      switch address.host {
      case "0.0.0.0": try PeerAddress(host: "127.0.0.1", port: address.port)
      case "::": try PeerAddress(host: "::1", port: address.port)
      default: address
      }
    }
  }
}

import Bloom
import NIOPosix

extension PetalsNode {
  /// Listens, loads, tries itself, and serves until the phase says stop.
  func serve() async throws {
    let grpc = GRPCListener(
      endpoint: configuration.grpc, largestRequest: configuration.largestRequest,
      keepalive: configuration.keepalive, gracePeriod: configuration.gracePeriod, clock: clock)
    let services = GRPCListener.services(
      of: server, generator: generator, configuration, clock: clock)
    try await grpc.run(services) { address in
      defer { stop() }
      await listens(at: address, http: false)
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
    let api = NodeAPI(server: server, generator: generator)
    let http = HTTPListener(
      endpoint: endpoint, gracePeriod: configuration.gracePeriod,
      patience: ClientPatience(
        limit: configuration.clientPatience, idle: configuration.clientIdleLimit, clock: clock),
      logger: logger)
    try await http.run(api.respond) { address in
      await listens(at: address, http: true)
      defer { stop() }
      try await body()
    }
  }

  private func becomeReady(at address: PeerAddress) async throws {
    do {
      let (checkpoint, blocks) = (configuration.checkpoint, configuration.blocks)
      server.install(try await offPool { try Shard(checkpoint, layers: blocks) })
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
func offPool<Output: Sendable>(
  _ work: @escaping @Sendable () throws -> Output
) async throws -> Output {
  try await NIOThreadPool.singleton.runIfActive(work)
}

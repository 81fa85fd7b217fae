import AsyncPrimitives
public import Bloom
public import InferenceMetrics
public import Logging
public import MockServing
public import PlumiseWire
public import ServiceLifecycle

/// A node: it serves a range of a model's blocks over gRPC, and text over HTTP if told to.
///
/// ``run()`` serves until ``stop()``, a graceful shutdown of its service group, or cancellation.
/// Most callers want ``withPetalsNode(_:metrics:clock:isolation:logger:faults:onEvent:_:)``.
public final class PetalsNode: Service {
  /// What it serves, and where.
  public let configuration: NodeConfiguration
  /// Counts what finished sessions were for.
  public let metrics: MetricsCollector
  /// Passes through the blocks that were computed for sessions, of which each may have served several.
  package var batches: Int { server.batches }
  /// What is kept of passes of whole sequences, and how much of them was computed.
  package var prefixUsage: PrefixReuse.Usage { server.prefixes?.usage ?? PrefixReuse.Usage() }
  /// What is kept of the beginnings of sessions, and how many of their tokens were computed.
  public var pageUsage: PrefixUsage { server.pages.usage }
  /// What went straight to other nodes and came from them.
  public var handOverUsage: HandOverUsage { handOver?.usage ?? HandOverUsage() }
  let server: BlockServer
  let generator: TextGenerator
  let connections: AgentConnections
  /// Nil for a node that neither hands steps on nor takes them from other nodes.
  let handOver: HandOver?
  let clock: any Clock<Duration>
  let logger: Logger
  /// What goes wrong with requests to its HTTP API.
  let faults: FaultScript?
  private let onEvent: @Sendable (NodeEvent) async -> Void
  private let addresses = AsyncState(Addresses())

  private struct Addresses: Sendable {
    var grpc: PeerAddress?
    var http: PeerAddress?
  }

  /// A node that has not begun.
  ///
  /// - Parameters:
  ///   - configuration: What it serves, and where.
  ///   - metrics: What counts; nil makes a collector on the same clock.
  ///   - clock: What measures deadlines and the uptime.
  ///   - logger: Hears of starts, stops and what went wrong.
  ///   - faults: What goes wrong with requests to its HTTP API; nil for nothing.
  ///   - onEvent: Called at each event, in order; the node goes on when it returns.
  public init(
    _ configuration: NodeConfiguration, metrics: MetricsCollector? = nil,
    clock: any Clock<Duration> = ContinuousClock(),
    logger: Logger = Logger(label: "petals.node"), faults: FaultScript? = nil,
    onEvent: @escaping @Sendable (NodeEvent) async -> Void = { _ in }
  ) {
    let checkpoint = configuration.checkpoint
    let metrics = metrics ?? MetricsCollector(clock: clock)
    self.configuration = configuration
    self.metrics = metrics
    self.clock = clock
    self.logger = logger
    self.faults = faults
    self.onEvent = onEvent
    server = BlockServer(
      model: ServedModel(
        name: checkpoint.name, fingerprint: checkpoint.fingerprint, blocks: configuration.blocks,
        hiddenSize: checkpoint.configuration.hiddenSize, cacheType: configuration.cacheType,
        bytesPerBlock: Shard.bytesPerCachedToken(
          checkpoint.configuration, blocks: configuration.blocks,
          cacheType: configuration.cacheType) / configuration.blocks.count,
        maximumLength: configuration.maximumLength),
      cacheBudget: configuration.cacheBudget, prefixBudget: configuration.prefixBudget,
      pageBudget: configuration.pageBudget, prefillChunk: configuration.prefillChunk,
      agent: configuration.agent, metrics: metrics, clock: clock,
      handsOn: configuration.handsOn && configuration.listens,
      onActivity: configuration.onActivity)
    handOver =
      configuration.handsOn && configuration.listens
      ? HandOver(
        limit: configuration.deliveryLimit, silence: configuration.limits.silence, clock: clock)
      : nil
    connections = AgentConnections(clock: clock)
    generator = TextGenerator(
      configuration, server: server, connections: connections, clock: clock, logger: logger)
  }

  /// Where gRPC listens; nil before it does.
  public var address: PeerAddress? { addresses.value.grpc }

  /// Where HTTP listens; nil before it does, and where there is none.
  public var httpAddress: PeerAddress? { addresses.value.http }

  /// Where the node is in its life.
  public var phase: NodePhase { server.phase.value }

  /// What the node says of itself, cache usage included.
  public var info: PeerInfo { server.info }

  /// The way to this node from within the process.
  public var transport: InProcessTransport {
    InProcessTransport(server, peer: address?.description ?? "memory:\(configuration.blocks)")
  }

  /// Takes the topology of its model's pipeline, as the oracle lists it.
  ///
  /// From then on a node of a part of the model generates through the nodes behind it, and hands
  /// passes of `plumise.inference` on to the next one. The node finds itself in the list by its
  /// agent's address. A node with an order or layers that no topology can have is left out
  /// (`PipelineNode.hasPossibleNumbers`).
  public func follow(_ topology: [PipelineNode]) { generator.pipeline.follow(topology) }

  /// Waits until the node is ready.
  ///
  /// - Throws: ``NodeStartError/stopped`` if it stops instead, or `CancellationError`.
  public func waitUntilReady() async throws {
    let phase = try await server.phase.wait { $0 >= .ready }
    if phase != .ready { throw NodeStartError.stopped }
  }

  /// Waits until no session holds cache memory.
  ///
  /// - Throws: `CancellationError`.
  public func waitUntilIdle() async throws { try await server.budget.waitUntilIdle() }

  /// Waits until a session or a pass holds cache memory.
  ///
  /// - Throws: `CancellationError`.
  public func waitUntilBusy() async throws { try await server.budget.waitUntilBusy() }

  /// Serves until it is stopped.
  ///
  /// Its ports are free and nothing of it runs when this returns.
  /// - Throws: ``NodeStartError``, or what Bloom throws for weights that cannot be served.
  public func run() async throws {
    try server.phase.update { (phase) throws(NodeStartError) in
      guard phase == .idle else { throw .alreadyRan }
      phase = .loading
    }
    let end: Result<Void, any Error>
    do {
      end = .success(
        try await withTaskCancellationOrGracefulShutdownHandler {
          try await serve()
        } onCancelOrGracefulShutdown: {
          self.stop()
        })
    } catch {
      end = .failure(error)
    }
    server.forgetPrefixes()
    server.phase.update { $0 = .stopped }
    await onEvent(.stopped)
    try end.get()
  }

  /// Begins to stop: nothing new is taken, sessions end, and ``run()`` returns soon.
  public func stop() {
    server.phase.update { phase in
      if phase < .stopping { phase = .stopping }
    }
  }

  func didListen(at address: PeerAddress, http: Bool) async {
    addresses.update { addresses in
      if http { addresses.http = address } else { addresses.grpc = address }
    }
    logger.info(
      "listening", metadata: ["url": "\(http ? "http" : "grpc")://\(address)"])
    await onEvent(http ? .listeningHTTP(address) : .listening(address))
  }

  /// Goes on to a later phase, unless the node was stopped meanwhile.
  func enter(_ next: NodePhase) async throws {
    try server.phase.update { (phase) throws(CancellationError) in
      guard phase < next else { throw CancellationError() }
      phase = next
    }
    if next == .ready {
      logger.info("ready", metadata: ["blocks": "\(configuration.blocks)"])
      await onEvent(.ready)
    }
  }
}

/// Runs a body with a node that is ready.
///
/// When the body ends the node is stopped: its ports are free and nothing of it runs when this
/// returns, whether the body returned, threw, or was cancelled.
///
/// - Parameters:
///   - configuration: What the node serves, and where; port 0 takes any free one.
///   - metrics: What counts; nil makes a collector on the same clock.
///   - clock: What measures deadlines and the uptime.
///   - logger: Hears of starts, stops and what went wrong.
///   - faults: What goes wrong with requests to its HTTP API; nil for nothing.
///   - onEvent: Called at each event, in order; the node goes on when it returns.
///   - isolation: The actor that `body` runs on; the caller's.
///   - body: Gets the ready node, whose ``PetalsNode/address`` is known by then.
/// - Throws: ``NodeStartError`` when the node does not start; what the body throws.
public func withPetalsNode<Result: Sendable>(
  _ configuration: NodeConfiguration, metrics: MetricsCollector? = nil,
  clock: any Clock<Duration> = ContinuousClock(),
  isolation: isolated (any Actor)? = #isolation,
  logger: Logger = Logger(label: "petals.node"), faults: FaultScript? = nil,
  onEvent: @escaping @Sendable (NodeEvent) async -> Void = { _ in },
  _ body: (PetalsNode) async throws -> Result
) async throws -> Result {
  let node = PetalsNode(
    configuration, metrics: metrics, clock: clock, logger: logger, faults: faults,
    onEvent: onEvent)
  // Not a child task: a cancelled caller must still get a graceful stop. It always ends below.
  let running = Task { try await node.run() }
  let outcome: Swift.Result<Result, any Error>
  do {
    try await node.waitUntilReady()
    outcome = .success(try await body(node))
  } catch {
    outcome = .failure(error)
  }
  node.stop()
  let end = await running.result
  // Why it did not become ready matters more than that it did not.
  if case .failure(let error as NodeStartError) = outcome, case .stopped = error {
    try end.get()
  }
  return try outcome.get()
}

/// The life of a node, in order.
public enum NodePhase: Int, Hashable, Sendable, Comparable {
  /// It was made and has not begun.
  case idle
  /// It listens, and reads its weights.
  case loading
  /// It has its weights, and tries a pass through its own port.
  case testing
  /// It serves.
  case ready
  /// It takes nothing new, and ends what runs.
  case stopping
  /// Its ports are free and nothing runs.
  case stopped

  /// Earlier phases are smaller.
  public static func < (left: NodePhase, right: NodePhase) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// What a node tells while it runs.
public enum NodeEvent: Hashable, Sendable {
  /// gRPC answers here, though the weights may not be there yet.
  case listening(PeerAddress)
  /// HTTP answers here.
  case listeningHTTP(PeerAddress)
  /// A pass through its own port succeeded.
  case ready
  /// Its ports are free and nothing runs.
  case stopped
}

/// Why a node did not start.
public enum NodeStartError: Error, Sendable, CustomStringConvertible {
  /// Another program listens there.
  case portInUse(host: String, port: Int)
  /// The address is not one of this machine, or the name has none.
  case cannotListen(host: String, port: Int, reason: String)
  /// Its first pass through its own port failed.
  case selfTestFailed(String)
  /// A node runs once.
  case alreadyRan
  /// It was stopped before it was ready.
  case stopped

  /// One line that says what to do.
  public var description: String {
    switch self {
    case .portInUse(let host, let port):
      "port \(port) on \(host) is in use: stop what listens there, or choose another port"
    case .cannotListen(let host, let port, let reason):
      "cannot listen on \(host):\(port): \(reason)"
    case .selfTestFailed(let reason):
      "the node's first pass through its own port failed: \(reason)"
    case .alreadyRan: "this node has run already: make another one"
    case .stopped: "the node was stopped before it was ready"
    }
  }
}

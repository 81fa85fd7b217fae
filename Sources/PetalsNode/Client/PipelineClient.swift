import AsyncPrimitives
import Bloom
public import Logging

/// Generates through nodes that together serve a model.
///
/// It lives within ``withPipelineClient(_:transports:recovery:clock:isolation:logger:_:)``.
public final class PipelineClient: Sendable {
  /// The model's embedding and head, which this client computes itself.
  public let model: ClientModel
  /// The quickest way through the nodes when the client was made.
  ///
  /// A generation takes the one that is quickest when it begins, and leaves it where a node fails;
  /// its result says which one it took to its end.
  public let route: Route
  let directory: PeerDirectory
  let clock: any Clock<Duration>
  let closing: SessionCloser
  let logger: Logger
  /// Where generations run between their steps.
  let executor: (any TaskExecutor)?
  private let replay: ReplayBudget

  /// Asks every peer what it serves, and finds a way through them.
  ///
  /// - Throws: ``RouteError``; `CancellationError`.
  init(
    _ model: ClientModel, transports: [any BlockTransport], discovery: PeerDiscovery? = nil,
    recovery: RecoveryPolicy, clock: any Clock<Duration>, closing: SessionCloser, logger: Logger
  ) async throws {
    let directory = PeerDirectory(
      transports, discovery: discovery, model: model.identity, policy: recovery,
      time: Stopwatch(clock))
    try await directory.refresh()
    self.model = model
    self.directory = directory
    self.clock = clock
    self.closing = closing
    self.logger = logger
    executor = transports.lazy.compactMap(\.executor).first
    replay = ReplayBudget(limit: recovery.replayBudget)
    route = try directory.route(0..<model.identity.blockCount, length: 1)
  }

  /// Bytes of hidden states that are kept for nodes that may have to take another's place.
  public var heldBytes: Int { replay.heldBytes }

  /// Begins to generate; tokens come as they are asked for.
  ///
  /// - Throws: ``NodeError/Code/outOfRange`` when the prompt and the new tokens are more than the
  ///   model or the nodes allow; ``NodeError/Code/invalidArgument`` for a draft model with another
  ///   vocabulary.
  public func generate(_ request: PipelineRequest) throws(NodeError) -> TokenStream {
    let modelLimit = model.checkpoint.configuration.sequenceLength
    let nodeLimit = directory.maximumLength
    let limit = min(modelLimit, nodeLimit)
    guard request.promptIDs.count <= limit,
      request.maxNewTokens <= limit - request.promptIDs.count
    else {
      throw NodeError(
        .outOfRange,
        "a prompt of \(request.promptIDs.count) tokens and \(request.maxNewTokens) new ones "
          + "go beyond the \(limit) that " + (modelLimit <= nodeLimit ? "the model" : "a node")
          + " allows")
    }
    do {
      try request.draft?.check(for: model.checkpoint)
    } catch {
      throw NodeError(.invalidArgument, "\(error)")
    }
    return TokenStream(run: GenerationRun(request, client: self))
  }

  /// Asks the peers that did not answer, or failed a while ago, what they serve.
  ///
  /// - Throws: ``RouteError`` for a peer that now serves another model; `CancellationError`.
  public func refresh() async throws { try await directory.refresh() }

  /// The quickest way that is known; peers that were away are asked again before there is none.
  ///
  /// - Throws: ``RouteError``; the ``NodeError`` of a full node that alone serves a range.
  func route(
    _ range: Range<Int>, length: Int, excluding excluded: [String: NodeError]
  ) async throws -> Route {
    if let route = try? directory.route(range, length: length, excluding: excluded) {
      return route
    }
    try await directory.refresh()
    do {
      return try directory.route(range, length: length, excluding: excluded)
    } catch {
      // Which node is full says more than that nobody is left.
      if let full = excluded.values.first,
        excluded.values.allSatisfy({ $0.code == .resourceExhausted })
      {
        throw full
      }
      throw error
    }
  }

  /// Opens a session on every node of a route.
  ///
  /// - Returns: In the order of the hops, what came of each.
  /// - Throws: `CancellationError`, when all that were opened are ended.
  func openSessions(
    on route: Route, maximumLength: Int
  ) async throws -> [Result<any BlockSession, any Error>] {
    let id = String(UInt64.random(in: .min ... .max), radix: 16)
    let opened = await withTaskGroup(of: (Int, Result<any BlockSession, any Error>).self) {
      group in
      for (index, hop) in route.hops.enumerated() {
        let opening = opening(of: hop, id: id, maximumLength: maximumLength)
        group.addTask { [directory] in
          do {
            let transport = try directory.transport(to: hop.peer)
            return (index, .success(try await transport.openSession(opening)))
          } catch {
            return (index, .failure(error))
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let ordered = opened.sorted { $0.0 < $1.0 }.map(\.1)
    if Task.isCancelled {
      for case .success(let session) in ordered { session.cancel() }
      throw CancellationError()
    }
    return ordered
  }

  /// What is asked of a node of a route.
  private func opening(of hop: Route.Hop, id: String, maximumLength: Int) -> SessionOpening {
    var opening = SessionOpening(
      id: id, fingerprint: model.identity.fingerprint, blocks: hop.blocks,
      maximumLength: maximumLength)
    opening.handsOn = directory.handsOn(hop.peer)
    // Nobody hands anything on to a first node.
    if opening.handsOn, hop.blocks.lowerBound > 0 { opening.acceptToken = DeliveryToken() }
    return opening
  }

  /// Room for what a node is sent; nil when the client keeps enough already.
  func makeLog(tokens: Int) -> ReplayLog? {
    ReplayLog(tokens: tokens, hidden: model.identity.hiddenSize, budget: replay)
  }
}

/// Runs a body with a pipeline through nodes on the network.
///
/// - Parameters:
///   - model: The model's embedding and head, which the client computes.
///   - peers: Nodes that together serve every block, in any order; blocks that several serve go to
///     the quickest, and to another where one fails.
///   - limits: How long calls may take; a node that takes longer is replaced.
///   - recovery: How the client goes on when a node fails.
///   - clock: What measures limits, bans and the time to first token.
///   - isolation: The actor that `body` runs on; the caller's.
///   - logger: Hears of nodes that did not get a session's summary.
///   - body: Generates.
/// - Throws: ``RouteError`` when the peers do not make the model, with the blocks that nobody serves
///   and what each peer has to say; what the body throws.
public func withPipelineClient<Result: Sendable>(
  _ model: ClientModel, peers: [PeerAddress], limits: TransportLimits = TransportLimits(),
  recovery: RecoveryPolicy = RecoveryPolicy(), clock: any Clock<Duration> = ContinuousClock(),
  isolation: isolated (any Actor)? = #isolation,
  logger: Logger = Logger(label: "petals.client"),
  _ body: (PipelineClient) async throws -> Result
) async throws -> Result {
  try await withGRPCTransports(peers, limits: limits, clock: clock) { transports in
    try await withPipelineClient(
      model, transports: transports, recovery: recovery, clock: clock, logger: logger, body)
  }
}

/// Runs a body with a pipeline through nodes that are reached in any way.
///
/// - Parameters:
///   - model: The model's embedding and head, which the client computes.
///   - transports: Ways to nodes that together serve every block, in any order.
///   - recovery: How the client goes on when a node fails.
///   - clock: What measures bans and the time to first token.
///   - isolation: The actor that `body` runs on; the caller's.
///   - logger: Hears of nodes that did not get a session's summary.
///   - body: Generates.
/// - Throws: ``RouteError`` as above; what the body throws.
public func withPipelineClient<Result: Sendable>(
  _ model: ClientModel, transports: [any BlockTransport],
  recovery: RecoveryPolicy = RecoveryPolicy(), clock: any Clock<Duration> = ContinuousClock(),
  isolation: isolated (any Actor)? = #isolation,
  logger: Logger = Logger(label: "petals.client"),
  _ body: (PipelineClient) async throws -> Result
) async throws -> Result {
  try await withPipelineClient(
    model, transports: transports, discovery: nil, recovery: recovery, clock: clock,
    logger: logger, body)
}

/// Runs a body with a pipeline through nodes that are found while it runs, beside those named.
///
/// - Parameter discovery: Finds more ways to nodes when the client begins, when it is refreshed, and
///   when there is no way through those it knows; nil finds none.
/// - Throws: As above; what `discovery` throws.
package func withPipelineClient<Result: Sendable>(
  _ model: ClientModel, transports: [any BlockTransport], discovery: PeerDiscovery?,
  recovery: RecoveryPolicy, clock: any Clock<Duration>,
  isolation: isolated (any Actor)? = #isolation, logger: Logger,
  _ body: (PipelineClient) async throws -> Result
) async throws -> Result {
  let closing = SessionCloser(clock: clock, logger: logger)
  let outcome: Swift.Result<Result, any Error>
  do {
    let client = try await PipelineClient(
      model, transports: transports, discovery: discovery, recovery: recovery, clock: clock,
      closing: closing, logger: logger)
    outcome = .success(try await body(client))
  } catch {
    outcome = .failure(error)
  }
  await closing.wait()
  return try outcome.get()
}
